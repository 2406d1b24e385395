"""The wire to the machine: whom it trusts, and how failures are sorted."""

import json
from dataclasses import replace

import asyncssh
import pytest

from adapters.errors import DeviceUnreachable, InvalidSettings, OutcomeUnknown
from adapters.gpu_ssh.adapter import PROGRAM, GpuSsh
from adapters.gpu_ssh.host.lease import account_for
from adapters.gpu_ssh.settings import SshSettings
from adapters.linux_host.client import HostClient


def answers(emulator, with_what):
    """Let the machine answer the worker with something else."""
    server = emulator._server
    server._doors = replace(server._doors, answer=lambda request: with_what)


def private(key):
    return key.export_private_key().decode()


@pytest.fixture
def adapter_with(secrets_of, worker_key, emulator):
    def make(**changes):
        values = {"gpu.key": private(worker_key), "gpu-host.pub": emulator.host_key}
        return GpuSsh(secrets=secrets_of(values | changes))

    return make


def test_another_host_key_is_not_accepted_and_nothing_is_sent(adapter_with, emulator, target, order_for):
    stranger = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    adapter = adapter_with(**{"gpu-host.pub": stranger})

    with pytest.raises(InvalidSettings, match="another host key"):
        adapter.provision(order_for(target))
    assert emulator.changes() == 0


@pytest.mark.parametrize(
    "form", ["gpu1.uni-a.example {key}", "# a comment\n[127.0.0.1]:2222 {key}\n", "{key} x"]
)
def test_the_host_key_may_come_as_ssh_keyscan_writes_it(adapter_with, emulator, target, form):
    key = " ".join(emulator.host_key.split()[:2])

    assert adapter_with(**{"gpu-host.pub": form.format(key=key)}).observe(target).healthy


@pytest.mark.parametrize(
    ("secret", "text", "words"),
    [
        ("gpu-host.pub", "", "has no public key"),
        ("gpu-host.pub", "gpu1 what is this", "no public key of a host"),
        ("gpu-host.pub", "ssh-ed25519 AAAA", "no public key of a host"),
        ("gpu.key", "no key", "no private key"),
    ],
)
def test_a_secret_that_is_no_key_is_named(adapter_with, target, secret, text, words):
    with pytest.raises(InvalidSettings, match=words):
        adapter_with(**{secret: text}).observe(target)


def test_a_worker_whom_the_machine_does_not_know_is_told_where_to_look(adapter_with, target):
    stranger = asyncssh.generate_private_key("ssh-ed25519")

    with pytest.raises(InvalidSettings, match="authorized_keys"):
        adapter_with(**{"gpu.key": private(stranger)}).observe(target)


def test_a_program_of_another_protocol_is_named_with_the_way_out(adapter, emulator, target, order_for):
    answers(emulator, json.dumps({"program": "shary-gpu-host", "protocol": 2, "version": "9", "result": {}}))

    for verb, what in ((adapter.observe, target), (adapter.provision, order_for(target))):
        with pytest.raises(InvalidSettings, match=r"speaks protocol 2, this worker 1.*make gpu-host"):
            verb(what)


@pytest.mark.parametrize(
    "words", ["", "sudo: a password is required", "[]", '{"program": "other"}', "Welcome to Ubuntu!\n{}"]
)
def test_a_machine_without_the_program_is_a_matter_of_its_set_up(adapter, emulator, target, words):
    answers(emulator, words)

    with pytest.raises(InvalidSettings, match="does not start shary-gpu-host"):
        adapter.observe(target)


def test_an_answer_without_end_is_cut_off(adapter, emulator, target, order_for):
    answers(emulator, "x" * (5 * 1024 * 1024))

    with pytest.raises(DeviceUnreachable, match="no end"):
        adapter.observe(target)
    with pytest.raises(OutcomeUnknown, match="may have been made"):
        adapter.isolate(order_for(target))


def test_a_connection_that_breaks_after_the_request_is_an_unknown_outcome(
    adapter, emulator, target, order_for, monkeypatch
):
    order = order_for(target)
    add = emulator.system.add_account

    def add_and_break(*account):
        add(*account)
        emulator._server.cut()

    monkeypatch.setattr(emulator.system, "add_account", add_and_break)

    with pytest.raises(OutcomeUnknown):
        adapter.provision(order)
    assert emulator.system.account(account_for(order.lease_id)) is not None
    assert adapter.provision(order).endpoints


def test_nothing_of_the_callers_own_ssh_is_used(secrets, emulator, target, tmp_path, monkeypatch):
    # A client that read this would go elsewhere, and one that asked the agent would hang.
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "config").write_text("Host *\n  HostName 192.0.2.1\n  User somebody\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))

    with HostClient(program=PROGRAM, settings=SshSettings(**target.settings), secrets=secrets) as host:
        assert host.look("observe", with_cards=False)["leases"] == []
