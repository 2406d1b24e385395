"""What a lease sets on a function: VLAN, address, rate, trust, link."""

import json

import pytest

from adapters.errors import DeviceRefused, InvalidSettings
from adapters.smart_nic_sriov.mark import park_address
from adapters.smart_nic_sriov.settings import DESCRIPTION
from tests.adapters.smart_nic_sriov.conftest import target_for
from tests.adapters.smart_nic_sriov.orders import AUTO, DISABLED, ENABLED, order_for
from tests.adapters.smart_nic_sriov.probe import Sender, functions_of


def test_the_vlan_of_the_reservations_link_is_set_with_its_priority(adapter, target, emulator):
    access = adapter.provision(order_for(target, vlans=[2100], priority=5))

    function = emulator.card.functions[1]
    assert (function.vlan, function.qos) == (2100, 5)
    assert functions_of(access)[0]["vlan"] == 2100
    assert "VLAN 2100" in access.instructions


def test_without_a_link_the_sites_own_vlan_is_set(adapter, emulator):
    adapter.provision(order_for(target_for(emulator, vlan=300)))

    assert emulator.card.functions[1].vlan == 300


def test_links_with_two_vlans_are_more_than_a_function_has(adapter, target, emulator):
    before = emulator.card.changes

    with pytest.raises(DeviceRefused, match="2100, 2101"):
        adapter.provision(order_for(target, vlans=[2100, 2101]))
    assert emulator.card.changes == before


def test_of_a_whole_card_each_link_reaches_the_function_that_it_names(adapter, emulator):
    whole = target_for(emulator, vf=None)

    adapter.provision(order_for(whole, vlans=[2100, 2101], ports=["ens1f0 vf0", "ens1f0 vf3"]))

    assert [function.vlan for function in emulator.card.functions] == [2100, 0, 0, 2101]


@pytest.mark.parametrize("vlan", [99, 4094, 3000])
def test_a_vlan_that_the_site_does_not_lend_is_refused_whoever_orders_it(adapter, emulator, vlan):
    target = target_for(emulator, vlan_ranges="2000-2999, 4094")

    with pytest.raises(DeviceRefused, match=f"VLAN {vlan}"):
        adapter.provision(order_for(target, vlans=[vlan]))
    assert emulator.card.other_names == []


def test_a_wanted_address_is_set_and_nobody_elses(adapter, target, emulator):
    access = adapter.provision(order_for(target, mac="02:00:5E:10:00:01"))

    assert emulator.card.functions[1].mac == "02:00:5e:10:00:01"
    assert functions_of(access)[0]["mac"] == "02:00:5e:10:00:01"
    assert emulator.card.functions[0].mac == "00:00:00:00:00:00"


def test_an_address_that_another_function_has_is_refused(adapter, emulator):
    adapter.provision(order_for(target_for(emulator, vf=0), mac="02:00:5e:10:00:01"))

    with pytest.raises(DeviceRefused, match="Another function"):
        adapter.provision(order_for(target_for(emulator, vf=1), lease_id="lease-2", mac="02:00:5e:10:00:01"))


def test_the_address_of_the_card_itself_is_refused(adapter, target, emulator):
    with pytest.raises(DeviceRefused, match="Another function"):
        adapter.provision(order_for(target, mac=emulator.card.mac))


@pytest.mark.parametrize(
    "mac", ["01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00", "02:00:5e:10:00"]
)
def test_an_address_that_is_not_one_cards_is_no_choice(mac):
    assert DESCRIPTION.check_parameters({"mac": mac})[0].field == "mac"


def test_without_a_wish_the_sites_cap_is_the_rate(adapter, emulator):
    adapter.provision(order_for(target_for(emulator, max_rate_mbps=10_000)))

    assert emulator.card.functions[1].max_rate == 10_000


def test_a_lower_rate_can_be_chosen_and_a_part_of_it_guaranteed(adapter, emulator):
    target = target_for(emulator, max_rate_mbps=10_000, guaranteed_rate_mbps=500)

    adapter.provision(order_for(target, max_rate_mbps=1000, min_rate_mbps=400))

    assert (emulator.card.functions[1].min_rate, emulator.card.functions[1].max_rate) == (400, 1000)


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"max_rate_mbps": 20_000}, "at most 10000"),
        ({"min_rate_mbps": 600}, "at most 500"),
        ({"max_rate_mbps": 100, "min_rate_mbps": 200}, "cannot be guaranteed"),
        ({"trust": True}, "trusts no holder"),
        ({"spoofing": True}, "source addresses"),
    ],
)
def test_wishes_beyond_what_the_site_allows_are_refused_before_anything_is_touched(
    adapter, emulator, wish, words
):
    target = target_for(emulator, max_rate_mbps=10_000, guaranteed_rate_mbps=500)
    before = emulator.card.changes

    with pytest.raises(DeviceRefused, match=words):
        adapter.provision(order_for(target, **wish))
    assert emulator.card.changes == before


def test_trust_and_spoofing_are_given_where_the_site_allows_them_and_taken_back(adapter, emulator):
    target = target_for(emulator, allow_trust=True, allow_spoofing=True)
    order = order_for(target, trust=True, spoofing=True)

    adapter.provision(order)
    function = emulator.card.functions[1]
    assert (function.trust, function.spoof_check) == (1, 0)
    assert "promiscuous" in json.dumps(DESCRIPTION.schema_of("settings"))

    assert adapter.release(order).is_clean
    assert (function.trust, function.spoof_check) == (0, 1)
    assert DESCRIPTION.warn({}, {"trust": True})


def test_a_frame_from_another_address_does_not_leave_the_function(adapter, target, emulator):
    order = order_for(target)
    access = adapter.provision(order)
    adapter.admit(order)

    with Sender(emulator.url, functions_of(access)[0]) as sender:
        assert sender.send().startswith("sent")
        assert sender.send("02:00:5e:10:00:99") == "dropped: not its address"


def test_the_link_is_forced_up_where_the_site_says_so(adapter, emulator):
    order = order_for(target_for(emulator, open_link="enable"))
    adapter.provision(order)

    assert emulator.card.functions[1].link == DISABLED
    adapter.admit(order)
    assert emulator.card.functions[1].link == ENABLED


def test_a_subfunction_gets_its_address_while_it_is_inactive(adapter, emulator):
    order = order_for(target_for(emulator, vf=None, port_function=32768), mac="02:00:5e:10:00:07")
    port = emulator.card.ports[32768]
    adapter.provision(order)
    assert (port.mac, port.active) == ("02:00:5e:10:00:07", False)

    adapter.admit(order)
    assert port.active
    adapter.isolate(order)
    assert not port.active
    assert port.mac == park_address("ens1f0", "port32768")


def test_a_subfunction_has_no_vlan_and_no_rate(adapter, emulator):
    target = target_for(emulator, vf=None, port_function=32768)

    with pytest.raises(DeviceRefused, match="no VLAN"):
        adapter.provision(order_for(target, vlans=[2100]))
    with pytest.raises(DeviceRefused, match="only the hardware address"):
        adapter.provision(order_for(target, max_rate_mbps=10))
    assert emulator.card.other_names == []


def test_a_subfunction_that_is_not_there_is_an_invalid_record(adapter, emulator):
    with pytest.raises(InvalidSettings):
        adapter.provision(order_for(target_for(emulator, vf=None, port_function=7)))


def test_an_interface_that_another_lease_has_is_not_fetched_back(adapter, emulator):
    target = target_for(emulator, namespace="lab")
    theirs = order_for(target, lease_id="theirs")
    adapter.provision(theirs)
    adapter.admit(theirs)

    adapter.isolate(order_for(target, lease_id="mine"))

    assert emulator.card.interfaces[1].namespace == "lab"
    assert emulator.card.functions[1].link == AUTO


def test_the_interface_is_with_the_holder_only_during_the_lease(adapter, emulator):
    order = order_for(target_for(emulator, namespace="lab"))
    interface = emulator.card.interfaces[1]
    access = adapter.provision(order)
    assert interface.namespace == ""

    adapter.admit(order)
    assert interface.namespace == "lab"
    assert interface.mac == functions_of(access)[0]["mac"]
    adapter.isolate(order)
    assert interface.namespace == ""


def test_a_holder_cannot_keep_the_interface_by_names_that_are_taken_at_home(adapter, emulator):
    order = order_for(target_for(emulator, namespace="lab"))
    adapter.provision(order)
    adapter.admit(order)
    interface = emulator.card.interfaces[1]
    interface.name, interface.other_names = "ens1f0", ["ens1f0v0"]
    interface.alias, interface.flags = "mine", 0x101

    assert adapter.release(order).is_clean
    assert (interface.namespace, interface.name, interface.alias) == ("", "ens1f0v1", "")
    assert interface.other_names == []
    assert interface.flags == 0


def test_a_namespace_that_is_not_there_is_named(adapter, emulator):
    with pytest.raises(InvalidSettings, match="nowhere"):
        adapter.provision(order_for(target_for(emulator, namespace="nowhere")))
    assert emulator.card.other_names == []


def test_a_namespace_that_was_deleted_keeps_nobody_from_closing(adapter, emulator):
    order = order_for(target_for(emulator, namespace="lab"))
    adapter.provision(order)
    adapter.admit(order)
    emulator.card.namespaces.remove("lab")
    emulator.card.interfaces[1].namespace = ""

    adapter.isolate(order)

    assert adapter.release(order).is_clean
