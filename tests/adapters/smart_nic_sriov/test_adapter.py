"""What is special to virtual functions: addresses, VLANs, rates, marks, switches, and what drivers keep silent."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from adapters.contract import Holder, LeaseOrder, Link
from adapters.emulators.sriov import EmulatedCard, SriovEmulator
from adapters.errors import DeviceBusy, DeviceRefused, InvalidSettings, OutcomeUnknown
from adapters.smart_nic_sriov.mark import Mark, lease_address, park_address, read_mark
from adapters.smart_nic_sriov.settings import DESCRIPTION, ranges_of
from tests.adapters.smart_nic_sriov.conftest import target_for
from tests.adapters.smart_nic_sriov.probe import Sender, functions_of

DISABLED, AUTO, ENABLED = 2, 0, 1


def order_for(target, /, *, lease_id="lease-1", epoch=5, vlans=(), ports=(), **parameters) -> LeaseOrder:
    now = datetime.now(UTC)
    ports = ports or ["p0"] * len(vlans)
    return LeaseOrder(
        lease_id=lease_id,
        epoch=epoch,
        revision=1,
        target=target,
        covers=(target.resource_id,),
        holder=Holder(username="researcher@uni-a.example", project="testbed"),
        starts_at=now,
        ends_at=now + timedelta(hours=1),
        parameters=parameters,
        links=tuple(
            Link(port=port, peer="s", peer_name="switch", peer_port="3", vlan=vlan)
            for port, vlan in zip(ports, vlans, strict=True)
        ),
    )


# --- what a lease sets --------------------------------------------------------------------------


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


# --- what is left -------------------------------------------------------------------------------


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


# --- what drivers keep silent -------------------------------------------------------------------


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


# --- the record in the inventory ----------------------------------------------------------------


def test_a_function_that_is_not_there_tells_the_operator_what_to_type(adapter, emulator):
    with pytest.raises(InvalidSettings, match=r"has 4 virtual functions.*echo 7 > .*sriov_numvfs"):
        adapter.provision(order_for(target_for(emulator, vf=6)))


def test_functions_that_went_away_are_closed_and_not_proven_clean(adapter, target, emulator):
    order = order_for(target)
    adapter.provision(order)
    emulator.card.make_functions(0)

    adapter.isolate(order)
    with pytest.raises(InvalidSettings, match="sriov_numvfs"):
        adapter.release(order)


def test_an_interface_that_is_another_card_by_now_is_not_touched(adapter, emulator):
    before = emulator.card.changes

    with pytest.raises(InvalidSettings, match="0000:81:00"):
        adapter.isolate(order_for(target_for(emulator, pci="0000:81:00.0")))
    assert emulator.card.changes == before


def test_a_card_whose_switch_is_in_the_other_mode_is_not_lent(adapter, emulator):
    target = target_for(emulator, eswitch="switchdev")

    with pytest.raises(DeviceRefused, match=r"devlink dev eswitch set pci/0000:65:00\.0 mode switchdev"):
        adapter.provision(order_for(target))
    seen = adapter.observe(target)
    assert not seen.healthy
    assert "maintenance" in seen.detail
    assert emulator.card.eswitch == "legacy"


def test_a_lease_ends_also_where_the_switch_was_changed_meanwhile(adapter, emulator):
    target = target_for(emulator, eswitch="legacy", unreported=["vlan"])
    order = order_for(target)
    adapter.provision(order)
    adapter.admit(order)
    emulator.card.eswitch = "switchdev"

    adapter.isolate(order)

    assert emulator.card.functions[1].link == DISABLED


def test_a_kernel_without_devlink_is_enough_for_who_asks_nothing_of_the_switch(adapter):
    with SriovEmulator(has_devlink=False) as emulator:
        adapter.provision(order_for(target_for(emulator)))
        with pytest.raises(InvalidSettings, match="no devlink"):
            adapter.observe(target_for(emulator, eswitch="legacy"))


def test_a_worker_without_its_right_is_told_which_one_it_needs(adapter):
    with SriovEmulator(may_change=False) as emulator, pytest.raises(InvalidSettings, match="CAP_NET_ADMIN"):
        adapter.provision(order_for(target_for(emulator)))


@pytest.mark.parametrize(
    "more",
    [
        {"port_function": 1},
        {"vf": None, "namespace": "lab"},
        {"kernel": "tcp://192.0.2.1:80"},
        {"vlan_ranges": "10-5"},
        {"vlan_ranges": "some"},
        {"park_vlan": 4095},
    ],
)
def test_settings_that_cannot_work_are_refused_offline(adapter, emulator, more):
    target = target_for(emulator, **more)

    assert DESCRIPTION.check_settings(target.settings)
    with pytest.raises(InvalidSettings):
        adapter.observe(target)


def test_ranges_of_vlans_are_read_as_people_write_them():
    assert ranges_of("100-199, 300 ,  4000 - 4001") == ((100, 199), (300, 300), (4000, 4001))


def test_the_whole_card_is_discovered_with_its_functions(adapter, target):
    (card,) = adapter.discover(target)

    assert (card.name, card.model, card.serial) == ("ens1f0", "mlx5_core 15b3:101d", "0000:65:00.0")
    assert card.attributes["port_speed_gbps"] == 100
    assert [(part.settings, part.serial) for part in card.parts][1] == ({"vf": 1}, "0000:65:01.1")


def test_what_a_function_sent_is_counted(adapter, target, emulator):
    order = order_for(target)
    access = adapter.provision(order)
    adapter.admit(order)
    with Sender(emulator.url, functions_of(access)[0]) as sender:
        for _ in range(3):
            sender.send()

    assert adapter.observe(target).measurements["sent_bytes_total"] == 3 * 64


# --- marks --------------------------------------------------------------------------------------


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


# --- namespaces ---------------------------------------------------------------------------------


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


# --- port functions -----------------------------------------------------------------------------


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
