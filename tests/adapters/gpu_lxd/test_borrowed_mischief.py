"""Holders with ideas: copies, new names, tags taken off."""

from dataclasses import replace

import pytest

from adapters.emulators.lxd import Fault
from adapters.errors import DeviceBusy, OutcomeUnknown
from tests.adapters.gpu_lxd.borrowing import VM, cards_in, own_order, start, switches
from tests.adapters.gpu_lxd.conftest import H100
from tests.adapters.gpu_lxd.figo_site import figo_site

__all__ = ["own_order"]


def test_a_copy_of_the_instance_loses_the_card_too(adapter, lxd, own_order):
    box = figo_site(lxd)
    order = own_order()
    start(adapter, order)
    copy = figo_site(lxd, name="copy", config=dict(box.config), devices=dict(box.devices))

    assert adapter.release(order).is_clean
    assert (cards_in(lxd, box), cards_in(lxd, copy)) == ([], [])


def test_an_instance_that_was_renamed_is_found_by_its_tags(adapter, lxd, own_order):
    box = figo_site(lxd)
    order = own_order()
    start(adapter, order)
    del lxd.daemon.instances[box.key]
    box.name = "other"
    lxd.daemon.instances[box.key] = box

    assert adapter.release(order).is_clean
    assert cards_in(lxd, box) == []


def test_tags_that_were_taken_off_do_not_keep_the_card(adapter, lxd, own_order):
    box = figo_site(lxd)
    order = own_order()
    start(adapter, order)
    box.config.clear()

    assert adapter.release(order).is_clean
    assert cards_in(lxd, box) == []


def test_a_second_device_for_the_lent_card_goes_with_the_first(adapter, lxd, own_order):
    box = figo_site(lxd)
    order = own_order()
    start(adapter, order)
    box.devices["mine"] = {"type": "gpu", "pci": "65:00.0"}

    assert adapter.release(order).is_clean
    assert box.devices == {}


def test_an_instance_that_is_gone_is_no_hindrance(adapter, lxd, own_order):
    box = figo_site(lxd)
    order = own_order()
    start(adapter, order)
    del lxd.daemon.instances[box.key]

    adapter.isolate(order)
    proof = adapter.release(order)
    assert proof.is_clean
    assert any(check.found == "gone" for check in proof.checks)


def test_what_was_changed_on_the_card_is_put_back(adapter, lxd, machine, target_for, own_order):
    from adapters.emulators.nvml.build import FakeCard

    machine(FakeCard(pci=H100))
    figo_site(lxd)
    target = target_for(
        pci=H100, nvml_is_local=True, settle_s=0.2, baseline={"compute_mode": "default", "power_limit_w": 700}
    )
    order = own_order(of=target)
    start(adapter, order)
    machine.now.change(0, compute_mode=3, power_mw=250_000)

    checks = {check.name: check.found for check in adapter.release(order).checks}

    assert checks[f"compute mode of {H100}"] == "default"
    assert checks[f"power limit of {H100}"] == "700 W"


def test_a_card_that_came_in_another_way_is_not_proven_clean(adapter, lxd, own_order):
    box = figo_site(lxd)
    order = own_order()
    start(adapter, order)
    box.devices["all"] = {"type": "gpu"}

    failed = [check.name for check in adapter.release(order).checks if not check.passed]
    assert failed == [f"users of {H100}", "the holder's instance figo-ada/vm1"]


def test_ending_a_lease_that_never_began_does_not_touch_the_holders_own_use(adapter, lxd, own_order):
    vm = figo_site(lxd, devices={"mine": {"type": "gpu", "pci": "65:00.0"}})
    with pytest.raises(DeviceBusy, match="figo-ada/vm1, running, has the card without SHARY"):
        adapter.provision(own_order())
    noted = switches(lxd)

    adapter.isolate(own_order())
    assert not adapter.release(own_order()).is_clean

    assert (cards_in(lxd, vm), noted) == ([H100], [])


def test_a_rival_that_comes_with_the_start_wins_and_ours_gives_the_card_back(adapter, lxd, own_order):
    box = figo_site(lxd)
    theirs = figo_site(lxd, user="bob", running=False, devices={"gpu": {"type": "gpu", "pci": "65:00.0"}})
    order = own_order()
    adapter.provision(order)
    update = lxd.daemon.update

    def both(instance, wish, **more):
        theirs.running = True
        return update(instance, wish, **more)

    lxd.daemon.update = both
    with pytest.raises(DeviceBusy, match="figo-bob/vm1"):
        adapter.admit(order)
    assert cards_in(lxd, box) == []


def test_a_lie_about_the_start_is_found_out(adapter, lxd, own_order):
    figo_site(lxd, type=VM)
    order = own_order()
    adapter.provision(order)
    lxd.faults.add(Fault("lie", match="PUT /1.0/instances/vm1/state"))

    with pytest.raises(OutcomeUnknown):
        adapter.admit(order)


def test_a_new_end_is_written_on_the_instance(adapter, lxd, own_order):
    vm = figo_site(lxd)
    order = own_order()
    start(adapter, order)
    later = replace(order, revision=2, ends_at=order.ends_at.replace(hour=23))
    adapter.provision(later)

    assert vm.config["user.shary.ends_at"] == later.ends_at.isoformat()
    assert cards_in(lxd, vm) == [H100]
