"""How cards behind LXD are lent, tried alike on the emulated server and on the real daemon."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import pytest

from adapters.errors import AdapterError, DeviceBusy, DeviceRefused, InvalidSettings
from adapters.gpu_lxd.instance import name_for
from tests.adapters.gpu_lxd.conftest import A100, H100
from tests.adapters.promises.device import comes_true

CARD = {"type": "gpu", "gputype": "physical", "pci": "65:00.0"}


@pytest.fixture(params=["emulator", "daemon"])
def server(request):
    return request.getfixturevalue("emulated_server" if request.param == "emulator" else "real_server")


def failed(proof):
    return {check.name: check.found for check in proof.checks if not check.passed}


# --- whose card it is -----------------------------------------------------------------------------


def test_the_instance_tells_whose_it_is_and_has_the_card(adapter, operator, target, order_for, visitor):
    order = order_for(target)
    access = adapter.provision(order)
    adapter.admit(order)

    config = operator.instances()["default", f"shary-{order.lease_id}"]["config"]
    assert config["user.shary.lease"] == order.lease_id
    assert config["user.shary.epoch"] == str(order.epoch)
    assert config["user.shary.resource"] == target.resource_id
    inside = visitor.run(access, order, "nvidia-smi -L")
    assert "H100" in inside
    assert "A100" not in inside


def test_a_card_in_a_running_instance_of_others_is_busy_and_ours_is_not_made(
    adapter, operator, target, order_for
):
    theirs = operator.put("vm1", project="figo-alice", devices={"gpu": CARD})

    found = adapter.observe(target)
    assert (found.healthy, found.carries) == (True, None)
    assert theirs in found.detail
    with pytest.raises(DeviceBusy, match=theirs):
        adapter.provision(order_for(target))
    assert operator.names() == [theirs]


def test_a_card_given_by_a_profile_is_seen_while_the_machine_runs(adapter, operator, target, order_for):
    operator.add_profile("default", "gpu-1-65000", gpu=CARD)
    operator.put("vm1", profiles=["default", "gpu-1-65000"])

    with pytest.raises(DeviceBusy, match="without SHARY"):
        adapter.provision(order_for(target))
    # Such testbeds leave the profile on a stopped machine: the card is free all the same.
    operator.switch("vm1", "stop")
    assert adapter.provision(order_for(target)).endpoints


def test_an_instance_of_our_name_without_our_tags_is_never_touched(adapter, operator, target, order_for):
    order = order_for(target)
    theirs = operator.put(name_for(order))

    for verb in (adapter.provision, adapter.admit, adapter.isolate, adapter.release):
        with pytest.raises(DeviceRefused, match="left alone"):
            verb(order)
    assert operator.names() == [theirs]
    assert operator.instances()["default", name_for(order)]["status"] == "Running"


def test_two_cards_of_a_host_are_two_leases(adapter, server, target_for, order_for, visitor):
    forwarded = server.forwarded
    orders = [order_for(target_for(pci, pci=pci, **forwarded)) for pci in (H100, A100)]
    ways = [adapter.provision(order) for order in orders]
    for order in orders:
        adapter.admit(order)

    assert "H100" in visitor.run(ways[0], orders[0], "nvidia-smi -L")
    assert "A100" in visitor.run(ways[1], orders[1], "nvidia-smi -L")
    assert [adapter.observe(order.target).carries for order in orders] == [order.lease_id for order in orders]


def test_a_whole_host_has_all_its_cards_and_they_are_taken_with_it(adapter, target_for, order_for, visitor):
    whole = order_for(target_for("gpu1", cards=[H100, A100]))
    access = adapter.provision(whole)
    adapter.admit(whole)

    assert visitor.run(access, whole, "nvidia-smi -L").count("GPU-") == 2
    with pytest.raises(DeviceBusy):
        adapter.provision(order_for(target_for("a100", pci=A100)))
    assert adapter.observe(target_for("a100", pci=A100)).carries == whole.lease_id


def test_what_the_server_does_not_have_is_said_before_anything_is_made(
    adapter, operator, target_for, order_for
):
    with pytest.raises(InvalidSettings, match=H100):
        adapter.provision(order_for(target_for(pci="0000:99:00.0")))
    assert not adapter.observe(target_for(pci="0000:99:00.0")).healthy
    with pytest.raises(DeviceRefused, match=r"(?i)image"):
        adapter.provision(order_for(target_for(pci=H100, image="nope")))
    assert operator.names() == []


# --- keys -----------------------------------------------------------------------------------------


def test_keys_follow_the_holder_during_the_lease(adapter, target, order_for, holder, visitor):
    order = order_for(target, holder=replace(holder, ssh_keys=()))
    access = adapter.provision(order)
    adapter.admit(order)
    assert not visitor.can_enter(access, order)

    with_key = replace(order, holder=holder, revision=order.revision + 1)
    adapter.provision(with_key)
    adapter.admit(with_key)
    assert visitor.can_enter(access, order)

    adapter.admit(replace(order, revision=order.revision + 2))
    assert not visitor.can_enter(access, order)


# --- what is not clean ----------------------------------------------------------------------------


def test_what_others_have_of_a_lease_or_of_its_card_is_not_proven_clean(
    adapter, operator, target_for, order_for
):
    order = order_for(target_for(pci=H100, settle_s=0.3))
    operator.put("copy", project="attic", running=False, config={"user.shary.lease": order.lease_id})
    operator.put("vm1", devices={"gpu": CARD})

    found = failed(adapter.release(order))

    assert found == {"tags of the lease": "attic/copy", f"users of {H100}": "default/vm1"}


def test_a_card_that_was_not_given_back_is_not_proven_clean_nor_lent(adapter, server, target_for, order_for):
    target = target_for(pci=H100, settle_s=1.0)
    order = order_for(target)
    adapter.provision(order)
    server.bind(H100, "vfio-pci")
    try:
        found = failed(adapter.release(order))
        assert set(found) == {f"place of {H100}"}
        assert f"echo {H100} > /sys/bus/pci/drivers/vfio-pci/unbind" in found[f"place of {H100}"]
        seen = adapter.observe(target)
        assert not seen.healthy
        assert "drivers_probe" in seen.detail
        with pytest.raises(DeviceBusy, match="is with vfio-pci"):
            adapter.provision(order_for(target))
        assert adapter.release(order_for(target_for(pci=H100, rests_on_vfio=True))).is_clean
    finally:
        server.bind(H100, "nvidia")
    assert adapter.release(order).is_clean
    assert adapter.observe(target).healthy


# --- bad days of the server -------------------------------------------------------------------------


@pytest.mark.parametrize("doing", ["Creating", "Starting"])
def test_a_daemon_killed_at_work_is_looked_at_and_the_work_is_finished(
    adapter, server, operator, target_for, order_for, visitor, doing
):
    # With a forwarded port, which LXD takes a second for; the emulator takes its time for all things.
    order = order_for(target_for(pci=H100, **(server.forwarded | {"settle_s": 10.0})))
    if not server.is_real:
        server.lxd.daemon.delay_s = 0.2
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(adapter.provision, order)
        assert comes_true(lambda: f"{doing} instance" in operator.work() or first.done(), within_s=60)
        server.restart()
        with suppress(AdapterError):
            first.result(timeout=60)

    access = adapter.provision(order)
    adapter.admit(order)
    assert operator.names() == [f"default/{name_for(order)}"]
    assert visitor.can_enter(access, order)
    assert adapter.release(order).is_clean
    assert operator.names() == []


def test_a_certificate_that_was_struck_off_is_a_matter_for_the_operator(
    adapter, server, client_pair, target, order_for
):
    order = order_for(target)
    adapter.provision(order)
    server.distrust(client_pair.certificate)

    for verb in (adapter.provision, adapter.isolate, adapter.release):
        with pytest.raises(InvalidSettings, match="lxc config trust add"):
            verb(order)
    server.trust(client_pair.certificate)
    assert adapter.release(order).is_clean


def test_a_certificate_for_one_project_is_enough(adapter, server, operator, client_pair, target_for, order_for):
    operator.add_project("lent")
    operator.put("vm2", project="private", running=False)
    server.trust(client_pair.certificate, projects=["lent"])
    order = order_for(target_for(pci=H100, project="lent", **server.forwarded))

    adapter.provision(order)

    assert f"lent/{name_for(order)}" in operator.names()
    assert adapter.release(order).is_clean
    with pytest.raises(InvalidSettings, match="not authorized"):
        adapter.provision(order_for(target_for(pci=H100, project="private")))


def test_a_daemon_that_is_away_is_out_of_reach_and_nothing_is_taken_for_gone(
    adapter, server, target, order_for
):
    order = order_for(target)
    adapter.provision(order)
    began = time.monotonic()
    with server.away():
        for verb in (adapter.provision, adapter.isolate, adapter.release):
            with pytest.raises(AdapterError):
                verb(order)
        with pytest.raises(AdapterError):
            adapter.observe(target)
    assert time.monotonic() - began < 30

    assert adapter.observe(target).carries == order.lease_id
    assert adapter.release(order).is_clean
