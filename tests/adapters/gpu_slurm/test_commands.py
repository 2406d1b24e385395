"""The way by commands: through ssh and sudo, in another zone, and when the controller is away."""

import os
import signal
import stat
from contextlib import contextmanager

import pytest

from adapters.contract import Observation
from adapters.errors import DeviceRefused, DeviceUnreachable, InvalidSettings, OutcomeUnknown
from adapters.gpu_slurm.commands import SlurmCommands
from adapters.gpu_slurm.refusals import error_for
from adapters.gpu_slurm.settings import SlurmSettings
from tests.adapters.gpu_slurm.conftest import NEW, OLD, emulator, settings_of, target_with


@pytest.fixture
def slurm():
    with emulator(OLD) as running:
        yield running


def program(folder, name, text):
    """Write a small program."""
    file = folder / name
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return str(file)


def test_through_ssh_every_word_arrives_as_it_was(adapter, order_for, tmp_path):
    # As sshd does it: all words joined, and given to a shell of the account.
    ssh = program(tmp_path, "ssh", f'shift 2; echo "$*" >>{tmp_path}/log; exec env -i PATH="$PATH" sh -c "$*"')
    with emulator(NEW) as slurm:
        target = target_with(settings_of(slurm, via=[ssh, "-oBatchMode=yes", "shary@login.uni-a.example"]))
        order = order_for(target)
        adapter.provision(order)

        (found,) = slurm.cluster.reservations.values()
        assert found.comment.startswith(f"shary lease={order.lease_id} epoch={order.epoch} ")
        assert found.end - found.start > 2 * 3600
        assert adapter.release(order).is_clean
    for line in (tmp_path / "log").read_text().splitlines():
        assert line.startswith("env TZ=UTC0 LC_ALL=C SLURM_CONF=")


def test_a_shell_on_the_way_is_given_nothing_to_interpret(slurm, tmp_path):
    ssh = program(tmp_path, "ssh", 'shift 1; exec sh -c "$*"')
    commands = SlurmCommands(settings=SlurmSettings(**settings_of(slurm, via=[ssh, "login.uni-a.example"])))

    with pytest.raises(DeviceRefused, match="Requested reservation is invalid"):
        commands.delete(f"x; touch {tmp_path}/made; $(touch {tmp_path}/made)")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("ssh: connect to host login port 22: Connection refused", DeviceUnreachable),
        ("Connection to login closed by remote host.", OutcomeUnknown),
    ],
)
def test_a_broken_way_is_unknown_only_where_something_may_have_been_sent(slurm, tmp_path, words, error):
    ssh = program(tmp_path, "ssh", f"echo '{words}' >&2; exit 255")
    commands = SlurmCommands(settings=SlurmSettings(**settings_of(slurm, via=[ssh, "login.uni-a.example"])))

    with pytest.raises(error):
        commands.delete("course")
    with pytest.raises(DeviceUnreachable):
        commands.jobs()


def test_a_sudo_that_keeps_the_zone_to_itself_is_noticed(adapter, slurm, order_for, tmp_path, monkeypatch):
    program(tmp_path, "sudo", 'test "$1 $2 $3" = "-n -u slurm" || exit 9; shift 3; TZ=Asia/Tokyo exec "$@"')
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    target = target_with(settings_of(slurm, sudo_user="slurm"))

    with pytest.raises(InvalidSettings, match=r"\+540 minutes off.*env_keep \+= TZ"):
        adapter.provision(order_for(target))
    assert slurm.cluster.reservations == {}


def test_commands_that_are_not_there_are_a_matter_of_the_settings(adapter, slurm):
    with pytest.raises(InvalidSettings, match="cannot be run here"):
        adapter.observe(target_with(settings_of(slurm, bin_dir="/nowhere/bin")))


def test_an_account_without_rights_is_said_to_need_them(adapter, slurm, order_for, monkeypatch):
    ours = {"SLURM_EMULATOR_USER": "nobody"}
    monkeypatch.setattr(slurm.cluster, "users", {"root", "nobody"})
    refuse = slurm.cluster._refuse_strangers
    monkeypatch.setattr(slurm.cluster, "_refuse_strangers", lambda caller: refuse(ours["SLURM_EMULATOR_USER"]))

    with pytest.raises(InvalidSettings, match="needs the level “operator”"):
        adapter.provision(order_for(target_with(settings_of(slurm))))


@pytest.mark.parametrize(
    ("words", "changes", "error"),
    [
        ("slurm_update error: Unable to contact slurm controller (connect failure)", True, DeviceUnreachable),
        ("Unable to contact slurm controller (shutdown)", True, OutcomeUnknown),
        ("Socket timed out on send/recv operation", True, OutcomeUnknown),
        ("Socket timed out on send/recv operation", False, DeviceUnreachable),
        ("Zero Bytes were transmitted or received", True, OutcomeUnknown),
        ("Access/permission denied", True, InvalidSettings),
        ("TRES type 'gres/gpu' not supported with reservations", True, InvalidSettings),
        ("Invalid node name specified", True, InvalidSettings),
        ("Something that Slurm has never said before", True, DeviceRefused),
    ],
)
def test_what_slurm_says_is_sorted_by_what_can_be_done(words, changes, error):
    assert type(error_for(words, changes=changes, what="try")) is error


# --- real daemons that are away -------------------------------------------------------------------


@contextmanager
def frozen(process):
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def test_a_controller_that_hangs_takes_nobody_with_it(adapter, slurm_cluster):
    target = target_with(settings_of(slurm_cluster, timeout_s=0.3))
    commands = SlurmCommands(settings=SlurmSettings(**target.settings))
    with frozen(slurm_cluster.processes["slurmctld"]):
        with pytest.raises(DeviceUnreachable, match="no answer within"):
            adapter.observe(target)
        with pytest.raises(OutcomeUnknown, match="may have been made"):
            commands.delete("course")


def test_a_controller_that_was_started_again_still_has_the_lease(adapter, slurm_cluster, order_for):
    target = target_with(settings_of(slurm_cluster))
    order = order_for(target)
    adapter.provision(order)
    slurm_cluster.stop("slurmctld")
    try:
        with pytest.raises(DeviceUnreachable):
            adapter.observe(target_with(settings_of(slurm_cluster, timeout_s=0.5)))
    finally:
        slurm_cluster.start_controller()

    found = adapter.observe(target)
    assert isinstance(found, Observation)
    assert (found.carries, found.epoch) == (order.lease_id, order.epoch)
    assert adapter.release(order).is_clean
