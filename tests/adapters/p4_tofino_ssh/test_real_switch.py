"""What happens on a switch: real accounts, a real sshd, real processes."""

import os
import subprocess
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.contract import Holder, LeaseOrder
from adapters.errors import DeviceBusy, DeviceRefused, InvalidSettings, OutcomeUnknown
from tests.adapters.promises.device import comes_true


@pytest.fixture
def switch(real):
    return real


@pytest.fixture
def patience():
    return {"timeout_s": 10.0, "settle_s": 40.0}


@pytest.fixture
def make_order(target, holder):
    epochs = iter(range(1, 100))

    def make(**wishes):
        now = datetime.now(UTC).replace(microsecond=0)
        values = {
            "lease_id": str(uuid.uuid4()),
            "epoch": next(epochs),
            "revision": 1,
            "target": target,
            "covers": (target.resource_id,),
            "holder": holder,
            "starts_at": now,
            "ends_at": now + timedelta(hours=1),
        }
        return LeaseOrder(**(values | wishes))

    return make


@pytest.fixture
def other(ssh_holder):
    return Holder(username="student@uni-b.example", project="quantum", ssh_keys=(ssh_holder.public_key,))


def failed(proof):
    return {check.name: check.found for check in proof.checks if not check.passed}


def has_ended(process):
    return comes_true(lambda: process.poll() is not None, within_s=60)


def test_only_the_holder_is_taken_out_of_the_group_that_sshd_refuses(switch, adapter, make_order):
    mine, others = switch.tenants
    order = make_order()
    adapter.provision(order)
    assert switch.is_denied(mine)

    adapter.admit(order)

    assert (switch.is_denied(mine), switch.is_denied(others)) == (False, True)
    assert adapter.release(order).is_clean
    assert switch.is_denied(mine)
    assert not (switch.keys / mine).exists()


def test_whoever_stayed_from_before_is_put_out_when_a_lease_is_prepared(
    switch, adapter, target, make_order, other
):
    mine, others = switch.tenants
    # As their script leaves it when nobody has booked: the last tenant may stay.
    for tenant in switch.tenants:
        subprocess.run(["gpasswd", "-d", tenant, switch.deny], check=True, capture_output=True)
    lingering = switch.start_as(others, "sleep", "600")
    found = adapter.observe(target)
    assert not found.healthy
    assert f"{others} can enter without a lease" in found.detail

    adapter.provision(make_order())

    assert has_ended(lingering)
    assert switch.is_denied(mine)
    assert switch.is_denied(others)
    assert adapter.observe(target).healthy


def test_all_that_the_tenant_runs_is_ended_and_what_would_start_again_is_removed(switch, adapter, make_order):
    tenant = switch.tenants[0]
    uid = switch.uid_of(tenant)
    order = make_order()
    adapter.provision(order)
    adapter.admit(order)
    stubborn = switch.start_as(tenant, "sh", "-c", "trap '' TERM HUP; while :; do sleep 1; done")
    job = Path("/var/spool/cron") / tenant
    job.parent.mkdir(parents=True, exist_ok=True)
    job.write_text("* * * * * true\n")
    left = switch.wipe / "bf_drivers.log"
    left.write_text("x")
    os.chown(left, uid, uid)
    try:
        adapter.isolate(order)
        assert has_ended(stubborn)
        assert not job.exists()

        proof = adapter.release(order)
    finally:
        job.unlink(missing_ok=True)

    assert failed(proof) == {}
    assert not left.exists()


def test_control_programs_are_ended_whoever_runs_them(switch, adapter, make_order):
    name = switch.control_program
    program = switch.folder / name
    program.write_bytes(Path("/bin/sleep").resolve().read_bytes())
    program.chmod(0o755)
    order = make_order()
    adapter.provision(order)
    adapter.admit(order)
    as_root = subprocess.Popen([str(program), "600"])
    as_tenant = switch.start_as(switch.tenants[0], str(program), "600")

    adapter.isolate(order)

    assert has_ended(as_root)
    assert has_ended(as_tenant)
    assert failed(adapter.release(order)) == {}


def test_what_a_tenants_login_started_as_root_is_ended_too(switch, adapter, make_order):
    order = make_order()
    adapter.provision(order)
    adapter.admit(order)
    # What sudo leaves: root's id, and the login that it came from.
    mark = f"echo {switch.uid_of(switch.tenants[0])} > /proc/self/loginuid && echo marked && exec sleep 600"
    helper = subprocess.Popen(["sh", "-c", mark], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert helper.stdout is not None
    if helper.stdout.readline() != b"marked\n":
        helper.wait()
        pytest.skip("this kernel, or this container, keeps no login ids")
    with helper.stdout:
        adapter.isolate(order)
        assert has_ended(helper)
    assert failed(adapter.release(order)) == {}


def test_the_known_image_is_loaded_again(switch, adapter, make_order):
    order = make_order()
    adapter.provision(order)
    assert switch.image.read_text() == "known\n"
    adapter.admit(order)
    switch.image.write_text("the tenant's program\n")

    assert adapter.release(order).is_clean

    assert switch.image.read_text() == "known\n"


def test_a_switch_whose_image_did_not_come_back_stays_taken(switch, adapter, make_order):
    order = make_order()
    adapter.provision(order)
    adapter.admit(order)
    switch.configure(restore=["/bin/sh", "-c", f"echo something else > {switch.image}"])

    assert failed(adapter.release(order))["known image"] == "something else"
    with pytest.raises(DeviceBusy):
        adapter.provision(make_order())

    switch.configure(restore=["/bin/sh", "-c", "echo no card; exit 3"])
    with pytest.raises(OutcomeUnknown, match="no card"):
        adapter.release(order)
    switch.configure()
    assert failed(adapter.release(order)) == {}


def test_the_same_tenant_may_come_again(switch, adapter, make_order, ssh_holder):
    for _ in range(2):
        order = make_order()
        access = adapter.provision(order)
        assert not ssh_holder.can_enter(access)
        adapter.admit(order)
        assert ssh_holder.can_enter(access)
        assert adapter.release(order).is_clean


# --- who may be let in ------------------------------------------------------------------------------


def test_who_has_no_account_is_refused_with_words(switch, adapter, make_order):
    stranger = Holder(username="nobody@uni-c.example", project="optics")
    with pytest.raises(DeviceRefused, match=r"no account for nobody@uni-c\.example or the project optics"):
        adapter.provision(make_order(holder=stranger))


def test_a_project_can_have_an_account(switch, adapter, make_order, other):
    access = adapter.provision(make_order(holder=other))

    assert access.endpoints[0].username == switch.tenants[1]


@pytest.mark.parametrize("account", ["root", "nobody", "no-such-account"])
def test_an_account_that_is_no_tenants_is_refused_with_words(switch, adapter, target, make_order, account):
    settings = {**target.settings, "accounts": {"researcher@uni-a.example": account}}
    with pytest.raises(DeviceRefused, match=f"no tenant “{account}”.*{switch.group}"):
        adapter.provision(make_order(target=replace(target, settings=settings)))
    assert switch.record() is None


def test_accounts_that_the_operator_keeps_are_never_touched(switch, adapter, make_order, other):
    kept = switch.tenants[1]
    switch.configure(keep=[kept])
    subprocess.run(["gpasswd", "-d", kept, switch.deny], check=True, capture_output=True)
    working = switch.start_as(kept, "sleep", "600")
    try:
        order = make_order()
        adapter.provision(order)
        adapter.admit(order)
        adapter.release(order)

        assert working.poll() is None
        assert not switch.is_denied(kept)
        with pytest.raises(DeviceRefused):
            adapter.provision(make_order(holder=other))
    finally:
        working.kill()
        working.wait()


def test_without_denygroups_nothing_is_lent(switch, adapter, target, make_order):
    plain = switch.folder / "sshd_plain"
    plain.write_text(switch.sshd_config.read_text().replace("DenyGroups", "#"))
    switch.configure(sshd=["/usr/sbin/sshd", "-T", "-f", str(plain)])

    with pytest.raises(InvalidSettings, match=f"DenyGroups {switch.deny}"):
        adapter.provision(make_order())
    assert not adapter.observe(target).healthy
    assert switch.check().returncode == 1


# --- without the worker -----------------------------------------------------------------------------


def test_the_switch_ends_a_lease_by_itself(switch, adapter, make_order, ssh_holder):
    tenant = switch.tenants[0]
    order = make_order(ends_at=datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=5))
    access = adapter.provision(order)
    adapter.admit(order)
    working = switch.start_as(tenant, "sleep", "600")
    assert switch.sweep().returncode == 0
    assert working.poll() is None

    assert comes_true(lambda: datetime.now(UTC) > order.ends_at, within_s=60)
    assert switch.sweep().returncode == 0

    assert has_ended(working)
    assert switch.is_denied(tenant)
    assert not ssh_holder.can_enter(access)
    # It is not clean yet, and the worker finds it so.
    assert switch.record()["phase"] == "closed"
    assert failed(adapter.release(order)) == {}


def test_sshd_refuses_the_key_after_the_end_though_nobody_sweeps(switch, adapter, make_order):
    order = make_order()
    adapter.provision(order)
    adapter.admit(order)

    lines = (switch.keys / switch.tenants[0]).read_text().splitlines()

    ends = order.ends_at.astimezone().strftime("%Y%m%d%H%M%S")
    assert [line.partition(" ")[0] for line in lines[1:]] == [f'expiry-time="{ends}"']


def test_the_sweep_keeps_out_and_lets_nobody_in(switch, adapter, make_order):
    mine, others = switch.tenants
    order = make_order()
    adapter.provision(order)
    adapter.admit(order)
    # The operator denies the holder by hand, and somebody else was let in.
    subprocess.run(["gpasswd", "-a", mine, switch.deny], check=True, capture_output=True)
    subprocess.run(["gpasswd", "-d", others, switch.deny], check=True, capture_output=True)

    assert switch.sweep().returncode == 0

    assert switch.is_denied(mine)
    assert switch.is_denied(others)


# --- the worker's key -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_",
    [
        {"verb": "run", "command": "id"},
        {
            "verb": "prepare",
            "lease": "../x",
            "epoch": 1,
            "account": "a",
            "ends_at": "2026-01-01T00:00:00+00:00",
        },
        {"verb": "prepare", "lease": "x", "epoch": 1, "account": "-G", "ends_at": "2026-01-01T00:00:00+00:00"},
        {"verb": "prepare", "lease": "x", "epoch": 1, "account": "a", "ends_at": "2026-01-01T00:00:00"},
        {"verb": "open", "lease": "x", "epoch": 1, "keys": ['command="sh" ssh-ed25519 ' + "A" * 40]},
        {"verb": "open", "lease": "x", "epoch": 1, "keys": ["ssh-ed25519 " + "A" * 40 + "\nssh-rsa B"]},
        {"verb": "close", "lease": "x", "epoch": -1},
        {"verb": "observe", "more": 1},
    ],
    ids=lambda request: str(sorted(request)),
)
def test_whoever_has_the_workers_key_gets_no_further(switch, request_):
    answer = switch.ask({"protocol": 1, **request_})

    assert answer["problem"] == "refused"
    assert switch.record() is None


def test_a_configuration_that_others_could_have_written_is_not_read(switch):
    switch.config.chmod(0o666)
    try:
        assert switch.ask({"protocol": 1, "verb": "observe"})["problem"] == "invalid"
    finally:
        switch.config.chmod(0o644)
