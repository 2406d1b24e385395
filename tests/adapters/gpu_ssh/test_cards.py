"""Whose card it is, on a real machine: device files that really refuse, and what the driver says."""

import json
import subprocess

import pytest

from adapters.errors import DeviceBusy, InvalidSettings
from tests.adapters.gpu_ssh.conftest import A100, H100
from tests.adapters.gpu_ssh.real import failed, machine, patience, uid_of

__all__ = ["machine", "patience"]

NOBODY = 65534


def can_write(session, node):
    return session.run(f"echo x > {node} && echo yes || echo no").strip() == "yes"


def test_two_leases_have_a_card_each_and_neither_has_the_others(
    adapter, machine, target_for, order_for, ssh_holder
):
    first, second = order_for(target_for("h100", pci=H100)), order_for(target_for("a100", pci=A100))
    ways = [adapter.provision(order) for order in (first, second)]
    for order in (first, second):
        adapter.admit(order)

    with ssh_holder.session(ways[0]) as one, ssh_holder.session(ways[1]) as other:
        assert (can_write(one, machine.node(0)), can_write(one, machine.node(1))) == (True, False)
        assert (can_write(other, machine.node(0)), can_write(other, machine.node(1))) == (False, True)
        listed = subprocess.run(["getfacl", "-nc", str(machine.node(0))], capture_output=True, text=True)
        assert f"user:{uid_of(machine, first)}:rw-" in listed.stdout
        assert adapter.release(first).is_clean
        assert other.alive()
        assert can_write(other, machine.node(1))
    assert adapter.observe(second.target).carries == second.lease_id


def test_nobody_has_the_card_before_beside_and_after_the_lease(adapter, machine, target, order_for):
    order = order_for(target)
    assert machine.can_open(0, NOBODY), "the driver leaves its device files open"

    adapter.provision(order)
    uid = uid_of(machine, order)
    assert [machine.can_open(0, one) for one in (uid, NOBODY)] == [False, False]
    adapter.admit(order)
    assert [machine.can_open(0, one) for one in (uid, NOBODY)] == [True, False]
    adapter.isolate(order)
    assert [machine.can_open(0, one) for one in (uid, NOBODY)] == [False, False]
    # The card that nobody leases is nobody's too.
    assert not machine.can_open(1, NOBODY)


def test_a_card_opened_to_everybody_after_the_lease_is_not_proven_clean(adapter, machine, target, order_for):
    order = order_for(target)
    adapter.provision(order)
    request = {"protocol": 1, "lease": order.lease_id, "epoch": order.epoch}
    machine.ask(request | {"verb": "clean"})
    subprocess.run(["setfacl", "-b", str(machine.node(0))], check=True)
    machine.node(0).chmod(0o666)

    checks = machine.ask(request | {"verb": "prove", "cards": [H100]})["result"]

    assert {check["name"] for check in checks if not check["passed"]} == {
        f"users of {H100}",
        f"opening {H100}",
    }


def test_a_whole_machine_has_all_its_cards_and_they_are_taken_with_it(
    adapter, machine, target_for, order_for, ssh_holder
):
    whole = order_for(target_for("gpu1", cards=[H100, A100]))
    access = adapter.provision(whole)
    adapter.admit(whole)

    with ssh_holder.session(access) as session:
        assert can_write(session, machine.node(0))
        assert can_write(session, machine.node(1))
    with pytest.raises(DeviceBusy, match=whole.lease_id):
        adapter.provision(order_for(target_for("a100", pci=A100)))
    assert adapter.observe(target_for("a100", pci=A100)).carries == whole.lease_id


def test_a_driver_that_opens_its_files_again_lends_no_card(adapter, machine, target, order_for):
    (machine.driver / "params").write_text("ModifyDeviceFiles: 1\n")

    with pytest.raises(InvalidSettings, match="NVreg_ModifyDeviceFiles=0"):
        adapter.provision(order_for(target))
    found = adapter.observe(target)
    assert not found.healthy
    assert "NVreg_ModifyDeviceFiles=0" in found.detail
    assert machine.accounts() == []


def test_a_device_file_that_is_missing_is_made_for_its_holder_alone(adapter, machine, target, order_for):
    machine.node(0).unlink()
    order = order_for(target)
    adapter.provision(order)

    assert machine.node(0).is_char_device()
    assert machine.node(0).stat().st_mode & 0o077 == 0


def test_an_absent_card_is_said_before_anything_is_made(adapter, machine, target_for, order_for):
    target = target_for(pci="0000:99:00.0")

    with pytest.raises(InvalidSettings, match=H100):
        adapter.provision(order_for(target))
    assert machine.accounts() == []
    assert not adapter.observe(target).healthy


def test_a_machine_is_discovered_with_the_cards_that_it_offers(adapter, machine, target_for):
    machine.configure(cards=[H100])

    (host,) = adapter.discover(target_for("gpu1"))

    assert (host.kind, host.settings) == ("gpu_host", {"cards": [H100]})
    (card,) = host.parts
    assert (card.kind, card.model, card.settings) == ("gpu", "NVIDIA H100 80GB HBM3", {"pci": H100})
    assert card.attributes["memory_gib"] == 79.6


def test_measurements_and_memory_errors_are_seen(adapter, machine, target):
    machine.show_cards(used_mib=40000, pids=[4711], errors=2)

    found = adapter.observe(target)

    assert found.healthy
    assert (found.measurements["memory_used_mib"], found.measurements["processes"]) == (40000, 1)
    assert found.measurements["power_w"] == 71.52
    assert "2 memory errors" in found.unfit


@pytest.mark.parametrize("trace", [{"pids": [4711]}, {"used_mib": 20000}, {"broken": True}])
def test_a_card_that_is_still_in_use_is_not_proven_clean(adapter, machine, target, order_for, trace):
    order = order_for(target)
    adapter.provision(order)
    machine.show_cards(**trace)

    proof = adapter.release(order)

    assert set(failed(proof)) == {f"use of {H100}", "mark of the lease"}
    machine.show_cards()
    assert adapter.release(order).is_clean


def test_a_driver_that_says_nothing_does_not_keep_a_lease_from_being_closed(
    adapter, machine, target, order_for, ssh_holder
):
    order = order_for(target)
    access = adapter.provision(order)
    adapter.admit(order)
    machine.show_cards(broken=True)
    found = adapter.observe(target)

    adapter.isolate(order)

    assert not ssh_holder.can_enter(access)
    assert (found.healthy, found.carries) == (False, order.lease_id)


PROBE = '#!/bin/sh\necho "probed $*" >> {log}\ncat {answer}\n'


def test_the_operators_probe_adds_its_checks_to_the_proof(adapter, machine, target, order_for):
    script, log, answer = (machine.folder / name for name in ("probe", "probe.log", "probe.json"))
    log.unlink(missing_ok=True)
    script.write_text(PROBE.format(log=log, answer=answer))
    script.chmod(0o755)
    check = {"name": "memory", "expected": "zeros", "found": "zeros", "passed": True, "method": "read"}
    machine.configure(probe=[str(script), "prove", "{pci}", "{uuid}"])
    order = order_for(target)
    adapter.provision(order)

    for text, passed in (("no JSON", None), (json.dumps([check | {"passed": False}]), False)):
        answer.write_text(text)
        found = failed(adapter.release(order))
        name = f"memory of {H100}" if passed is False else f"probe of {H100}"
        assert set(found) == {name, "mark of the lease"}
    answer.write_text(json.dumps([check]))
    proof = adapter.release(order)

    assert proof.is_clean
    assert f"memory of {H100}" in {one.name for one in proof.checks}
    assert log.read_text().splitlines()[0].startswith(f"probed prove {H100} GPU-")
