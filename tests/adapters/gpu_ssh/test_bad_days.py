"""A real machine that is restarted, away, half-way or past its time, and keys that change meanwhile."""

import json
import subprocess
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from adapters.errors import AdapterError, DeviceBusy, DeviceUnreachable, InvalidSettings, OutcomeUnknown
from adapters.gpu_ssh.host.lease import account_for
from tests.adapters.gpu_lxd.holder import SshHolder
from tests.adapters.gpu_ssh.real import comes_true, machine, patience, uid_of

__all__ = ["machine", "patience"]

NOBODY = 65534


@pytest.fixture
def opened(adapter, target, order_for):
    order = order_for(target)
    access = adapter.provision(order)
    adapter.admit(order)
    return order, access


def test_a_restart_in_the_middle_is_healed_by_the_machine_itself(machine, opened, ssh_holder):
    order, access = opened
    with ssh_holder.session(access) as session:
        machine.reboot()
        assert comes_true(lambda: not session.alive(), within_s=60)
    assert machine.can_open(0, NOBODY), "after a restart the driver's files are open again"

    assert machine.sweep().returncode == 0

    assert not machine.can_open(0, NOBODY)
    assert not machine.can_open(1, NOBODY)
    assert machine.can_open(0, uid_of(machine, order))
    assert ssh_holder.can_enter(access)


def test_a_restart_in_the_middle_is_healed_by_the_worker(adapter, machine, opened, target):
    order, access = opened
    machine.reboot()

    assert adapter.observe(target).carries == order.lease_id
    assert adapter.provision(order) == access
    adapter.admit(order)
    assert not machine.can_open(0, NOBODY)
    assert machine.can_open(0, uid_of(machine, order))
    machine.reboot()
    assert adapter.release(order).is_clean


def test_the_machine_ends_a_lease_by_itself(adapter, machine, target, order_for, ssh_holder):
    order = order_for(target, ends_at=datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=6))
    access = adapter.provision(order)
    adapter.admit(order)
    with ssh_holder.session(access) as session:
        assert machine.sweep().returncode == 0
        assert session.alive()
        # sshd itself lets nobody in any more, before anything has run here.
        assert comes_true(lambda: not ssh_holder.can_enter(access), within_s=60)
        assert datetime.now(UTC) >= order.ends_at
        assert session.alive()

        assert machine.sweep().returncode == 0

        assert not session.alive()
    assert not machine.can_open(0, uid_of(machine, order))
    assert adapter.observe(target).carries == order.lease_id
    assert adapter.release(order).is_clean


def test_a_lease_that_is_over_is_not_opened_any_more(adapter, target, order_for):
    order = order_for(target, ends_at=datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1))
    adapter.provision(order)

    with pytest.raises(AdapterError, match="over"):
        adapter.admit(order)


def test_keys_that_change_during_a_lease_reach_it_with_the_next_order(adapter, opened, holder, ssh_holder):
    order, access = opened
    newcomer = SshHolder()
    try:
        changed = replace(order, revision=2, holder=replace(holder, ssh_keys=(newcomer.public_key,)))
        adapter.provision(changed)
        assert ssh_holder.can_enter(access)
        adapter.admit(changed)

        assert newcomer.can_enter(access)
        assert not ssh_holder.can_enter(access)
    finally:
        newcomer.close()


def test_a_new_end_reaches_sshd(adapter, machine, opened):
    order, _ = opened
    keys = machine.keys / account_for(order.lease_id)
    before = keys.read_text()

    longer = replace(order, revision=2, ends_at=order.ends_at + timedelta(days=3))
    adapter.provision(longer)

    assert 'expiry-time="' in before
    assert keys.read_text() != before
    shadow = subprocess.run(["getent", "shadow", account_for(order.lease_id)], capture_output=True, text=True)
    expires_on = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=int(shadow.stdout.split(":")[7]))
    assert longer.ends_at < expires_on <= longer.ends_at + timedelta(days=2)


def test_a_holder_cannot_change_the_keys_that_sshd_reads(machine, opened, ssh_holder):
    order, access = opened
    file = machine.keys / account_for(order.lease_id)
    with ssh_holder.session(access) as session:
        assert session.run(f"echo evil >> {file} || mv {file} {file}2 || echo refused").strip() == "refused"
    assert "evil" not in file.read_text()


def test_a_machine_that_is_away_or_frozen_is_said_to_be(adapter, machine, opened, target_for):
    order, _ = opened
    short = replace(order, target=target_for(pci="0000:65:00.0", timeout_s=0.5, settle_s=0.5))
    machine.freeze_sshd()
    began = time.monotonic()
    for verb in (adapter.isolate, adapter.release):
        with pytest.raises(DeviceUnreachable):
            verb(short)
    assert time.monotonic() - began < 10
    machine.stop_sshd()
    with pytest.raises(DeviceUnreachable, match="Nothing was changed"):
        adapter.observe(short.target)
    machine.start_sshd()

    assert adapter.observe(order.target).carries == order.lease_id


def test_what_was_prepared_half_way_is_finished_or_cleaned(adapter, machine, target, order_for):
    order = order_for(target)
    adapter.provision(order)
    subprocess.run(["userdel", "-f", account_for(order.lease_id)], check=True, capture_output=True)

    adapter.provision(order)
    assert len(machine.accounts()) == 1
    subprocess.run(["userdel", "-f", account_for(order.lease_id)], check=True, capture_output=True)
    assert adapter.release(order).is_clean
    assert not any(machine.homes.iterdir())


def test_a_record_that_cannot_be_read_is_not_an_idle_card(adapter, machine, opened, target, order_for):
    order, _ = opened
    (record,) = (machine.state / "leases").glob("*.json")
    kept = record.read_text()
    record.write_text(kept[: len(kept) // 2])

    with pytest.raises(OutcomeUnknown, match="Somebody has to look"):
        adapter.observe(target)
    with pytest.raises(OutcomeUnknown):
        adapter.provision(order_for(target))
    record.write_text(kept)
    assert adapter.release(order).is_clean


def test_an_order_that_comes_after_its_card_was_handed_on_finds_no_way_back(adapter, target, order_for):
    old, new = order_for(target), order_for(target)
    adapter.provision(new)
    assert adapter.release(new).is_clean

    with pytest.raises(DeviceBusy, match="handed on"):
        adapter.provision(old)
    assert adapter.release(old).is_clean


def test_a_configuration_that_others_could_write_is_not_believed(adapter, machine, target):
    machine.config.chmod(0o666)
    try:
        with pytest.raises(InvalidSettings, match="writable by root only"):
            adapter.observe(target)
    finally:
        machine.config.chmod(0o644)


@pytest.mark.parametrize(
    ("change", "words"),
    [({"uids": [0, 10]}, "uids"), ({"wipe": ["/"]}, "absolute"), ({"surprise": 1}, "surprise")],
)
def test_a_configuration_that_would_do_harm_is_refused(adapter, machine, target, change, words):
    machine.config.write_text(json.dumps(json.loads(machine.config.read_text()) | change))

    with pytest.raises(InvalidSettings, match=words):
        adapter.observe(target)
