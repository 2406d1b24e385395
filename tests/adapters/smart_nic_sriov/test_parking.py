"""What is left after a lease, and what drivers keep silent."""

from dataclasses import replace

import pytest

from adapters.emulators.sriov import EmulatedCard, SriovEmulator
from adapters.errors import DeviceBusy, DeviceRefused, InvalidSettings, OutcomeUnknown
from adapters.smart_nic_sriov.mark import Mark, lease_address, park_address, read_mark
from tests.adapters.smart_nic_sriov.conftest import target_for
from tests.adapters.smart_nic_sriov.orders import AUTO, DISABLED, order_for


def test_a_parked_function_has_a_known_address_a_dead_vlan_and_no_link(adapter, target, emulator):
    order = order_for(target, vlans=[2100], priority=3)
    adapter.provision(order)
    adapter.admit(order)

    proof = adapter.release(order)

    function = emulator.card.functions[1]
    assert function.mac == park_address("ens1f0", "vf1")
    assert (function.vlan, function.qos, function.link) == (4094, 0, DISABLED)
    assert {check.name for check in proof.checks} >= {
        "the link of function 1".removeprefix("the "),
        "VLAN of function 1",
        "hardware address of function 1",
        "Mark of a lease on vf1",
    }


def test_isolating_parks_vlan_and_address_too(adapter, target, emulator):
    order = order_for(target, vlans=[2100])
    adapter.provision(order)
    adapter.admit(order)

    adapter.isolate(order)

    function = emulator.card.functions[1]
    assert (function.link, function.vlan, function.mac) == (DISABLED, 4094, park_address("ens1f0", "vf1"))


def test_the_other_functions_of_the_card_are_not_touched(adapter, emulator):
    neighbour, mine = target_for(emulator, vf=2), target_for(emulator, vf=1)
    theirs = order_for(neighbour, lease_id="theirs", vlans=[2200])
    adapter.provision(theirs)
    adapter.admit(theirs)
    before = replace(emulator.card.functions[2])

    order = order_for(mine)
    adapter.provision(order)
    adapter.admit(order)
    assert adapter.release(order).is_clean

    assert emulator.card.functions[2] == before
    assert adapter.observe(neighbour).carries == "theirs"


def test_a_whole_card_is_busy_while_a_function_of_it_is_leased(adapter, emulator):
    order = order_for(target_for(emulator, vf=2))
    adapter.provision(order)
    adapter.admit(order)

    with pytest.raises(DeviceBusy, match="vf2"):
        adapter.provision(order_for(target_for(emulator, vf=None), lease_id="whole"))
    assert emulator.card.other_names == [Mark("vf2", "lease-1", 5).text]


def test_a_function_is_busy_while_the_whole_card_is_leased(adapter, target, emulator):
    adapter.provision(order_for(target_for(emulator, vf=None), lease_id="whole"))

    with pytest.raises(DeviceBusy, match="whole"):
        adapter.provision(order_for(target))


def silent_card(*, unreported, unsupported=()):
    return SriovEmulator(card=EmulatedCard(unreported=unreported, unsupported=unsupported))


def test_what_a_driver_never_reports_is_not_taken_for_done(adapter):
    with silent_card(unreported=["trust"]) as emulator, pytest.raises(OutcomeUnknown, match="trust"):
        adapter.provision(order_for(target_for(emulator)))


def test_discovery_finds_out_what_the_driver_keeps_silent(adapter):
    with silent_card(unreported=["query_rss", "trust"]) as emulator:
        (found,) = adapter.discover(target_for(emulator))

    assert found.settings["unreported"] == ["query_rss", "trust"]


def test_the_proof_says_what_was_set_and_not_seen(adapter):
    with silent_card(unreported=["trust"]) as emulator:
        order = order_for(target_for(emulator, unreported=["trust"], allow_trust=True), trust=True)
        adapter.provision(order)
        proof = adapter.release(order)
        trusted = emulator.card.functions[1].trust

    (check,) = [check for check in proof.checks if check.name == "trust of function 1"]
    assert proof.is_clean
    assert "does not report" in check.found
    assert "not seen" in check.method
    assert trusted == 0


def test_a_link_that_the_driver_never_shows_is_set_each_time(adapter):
    with silent_card(unreported=["link"]) as emulator:
        order = order_for(target_for(emulator, unreported=["link"]))
        adapter.provision(order)
        adapter.admit(order)
        assert emulator.card.functions[1].link == AUTO
        adapter.isolate(order)
        assert emulator.card.functions[1].link == DISABLED


def test_what_a_driver_neither_reports_nor_takes_can_be_done_without(adapter):
    with silent_card(unreported=["query_rss"], unsupported=["query_rss"]) as emulator:
        with pytest.raises(InvalidSettings, match="does not report back"):
            adapter.provision(order_for(target_for(emulator)))
        order = order_for(target_for(emulator, unreported=["query_rss"]))
        adapter.provision(order)
        assert adapter.release(order).is_clean


def test_an_operator_sees_at_the_card_whose_function_it_is(adapter, target, emulator):
    adapter.provision(order_for(target, lease_id="9d0c1a0e-1f0e-4a55-8a33-1f2f3e4d5c6b", epoch=7))

    assert emulator.card.other_names == ["shary.vf1.9d0c1a0e-1f0e-4a55-8a33-1f2f3e4d5c6b.7"]


def test_the_same_lease_in_a_later_hand_over_takes_its_function_anew(adapter, target, emulator):
    old, new = order_for(target, epoch=5), order_for(target, epoch=6)
    adapter.provision(old)
    adapter.admit(old)

    adapter.provision(new)

    assert emulator.card.other_names == [Mark("vf1", "lease-1", 6).text]
    assert emulator.card.functions[1].link == DISABLED
    with pytest.raises(DeviceRefused, match="epoch 6"):
        adapter.isolate(old)


def test_two_leases_that_mark_a_function_at_once_do_not_both_get_it(adapter, target, emulator):
    """The other's mark comes between the look and the own mark, as another worker's would."""
    rival = Mark("vf1", "rival", 9)
    answer = emulator._route.answer

    def meddle(kind, flags, sequence, raw, *, namespace):
        if kind == 108 and rival.text not in emulator.card.other_names:
            emulator.card.other_names.append(rival.text)
        return answer(kind, flags, sequence, raw, namespace=namespace)

    emulator._route.answer = meddle

    with pytest.raises(DeviceBusy, match="rival"):
        adapter.provision(order_for(target))
    assert emulator.card.other_names == [rival.text]


@pytest.mark.parametrize("name", ["enp101s0f0np0", "shary.vf1", "shary.vf1.lease.x", "shary.card.lease.1"])
def test_other_names_of_a_card_are_no_marks(name):
    assert read_mark(name) is None


def test_a_lease_whose_name_no_interface_could_have_is_refused(adapter, target, emulator):
    with pytest.raises(InvalidSettings, match="no interface can have"):
        adapter.provision(order_for(target, lease_id="a/b"))
    assert emulator.card.other_names == []


def test_addresses_are_local_of_one_card_and_differ():
    made = {lease_address(f"lease-{number}", "vf0") for number in range(500)}

    assert len(made) == 500
    assert all(int(mac[:2], 16) & 3 == 2 for mac in made)
