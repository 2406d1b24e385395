"""Cards lent to virtual machines that holders have already."""

from contextlib import suppress

import pytest

from adapters.emulators.lxd import Fault
from adapters.emulators.lxd.refusal import Refusal
from adapters.errors import AdapterError
from tests.adapters.gpu_lxd.borrowing import VM, cards_in, own_order, start, switches
from tests.adapters.gpu_lxd.conftest import H100
from tests.adapters.gpu_lxd.figo_site import figo_site

__all__ = ["own_order"]


def test_a_virtual_machine_is_shut_down_and_started_for_the_card_and_again_at_the_end(adapter, lxd, own_order):
    vm = figo_site(lxd, type=VM, config={"limits.cpu": "8"}, description="her data")
    noted = switches(lxd)
    order = own_order()
    adapter.provision(order)
    assert noted == []

    adapter.admit(order)
    assert (cards_in(lxd, vm), noted) == ([H100], ["stop", "start"])

    adapter.isolate(order)
    assert (cards_in(lxd, vm), vm.running, noted) == ([], True, ["stop", "start"] * 2)

    proof = adapter.release(order)
    assert proof.is_clean
    assert noted == ["stop", "start"] * 2
    left = {key: text for key, text in vm.config.items() if not key.startswith("volatile.")}
    assert (left, vm.description, vm.profiles) == ({"limits.cpu": "8"}, "her data", ["default"])
    assert any(
        "figo-ada/vm1" in check.name and check.found == "running, without the card" for check in proof.checks
    )


def test_what_does_not_shut_down_in_time_loses_its_power(adapter, lxd, own_order):
    vm = figo_site(lxd, type=VM)
    switch = lxd.daemon.switch

    def deaf(instance, action, *, force):
        if action == "stop" and not force:
            return lxd.daemon.operations.begin("Stopping instance", instance.name, refuse, after_s=0.01)
        return switch(instance, action, force=force)

    def refuse():
        raise Refusal(400, 'Failed shutting down instance, status is "Running": context deadline exceeded')

    lxd.daemon.switch = deaf
    order = own_order()
    start(adapter, order)

    assert cards_in(lxd, vm) == [H100]
    assert adapter.release(order).is_clean


def test_a_machine_that_its_holder_switched_off_stays_off_at_the_end(adapter, lxd, own_order):
    vm = figo_site(lxd, type=VM)
    order = own_order()
    start(adapter, order)
    vm.running = False

    adapter.admit(order)
    assert not vm.running, "an order that comes again does not switch it on"
    assert adapter.release(order).is_clean
    assert (vm.running, vm.devices) == (False, {})


def test_a_machine_that_does_not_come_back_without_the_card_is_proven_clean_all_the_same(
    adapter, lxd, own_order
):
    vm = figo_site(lxd, type=VM)
    order = own_order()
    start(adapter, order)
    switch = lxd.daemon.switch
    lxd.daemon.switch = lambda instance, action, *, force: (
        switch(instance, action, force=force) if action == "stop" else refuse_start()
    )

    def refuse_start():
        raise Refusal(500, "no memory left")

    assert adapter.release(order).is_clean
    assert (vm.running, vm.devices) == (False, {})


@pytest.mark.parametrize("step", range(4))
@pytest.mark.parametrize("verb", ["admit", "release"])
@pytest.mark.parametrize("kind", ["container", VM])
def test_a_call_that_breaks_off_at_any_step_is_finished_by_the_next(adapter, lxd, own_order, kind, verb, step):
    vm = figo_site(lxd, type=kind)
    order = own_order()
    adapter.provision(order)
    if verb == "release":
        adapter.admit(order)
    changes = iter(range(100))
    strike = lxd.faults.hit

    def crash(request):
        if not request.startswith("GET ") and next(changes) >= step:
            return Fault("refuse", words="the worker is gone")
        return strike(request)

    lxd.faults.hit = crash
    with suppress(AdapterError):
        getattr(adapter, verb)(order)
    lxd.faults.hit = strike

    if verb == "admit":
        adapter.admit(order)
        assert cards_in(lxd, vm) == [H100]
        assert "user.shary.restart" not in vm.config
    assert adapter.release(order).is_clean
    assert (vm.running, cards_in(lxd, vm), vm.devices) == (True, [], {})
    assert not [key for key in vm.config if key.startswith("user.shary.")]


def test_a_machine_that_was_stopped_for_the_card_comes_back_when_the_lease_is_given_up(adapter, lxd, own_order):
    vm = figo_site(lxd, type=VM)
    order = own_order()
    adapter.provision(order)
    lxd.faults.add(Fault("refuse", match="PUT /1.0/instances/vm1/state", words="out of order"))
    with pytest.raises(AdapterError):
        adapter.admit(order)
    lxd.mend()
    vm.running = False
    assert vm.config["user.shary.restart"] == "pending"

    adapter.isolate(order)

    assert (vm.running, cards_in(lxd, vm)) == (True, [])


def test_a_change_by_somebody_else_in_between_is_kept(adapter, lxd, own_order):
    box = figo_site(lxd)
    update, order = lxd.daemon.update, own_order()

    def first_somebody_else(instance, wish, *, replace, if_match):
        lxd.daemon.update = update
        instance.config["limits.cpu"] = "4"
        return update(instance, wish, replace=replace, if_match=if_match)

    lxd.daemon.update = first_somebody_else
    adapter.provision(order)

    assert box.config["limits.cpu"] == "4"
    assert box.config["user.shary.lease"] == order.lease_id
