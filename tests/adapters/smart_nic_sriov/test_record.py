"""The record in the inventory, and what the card is in fact."""

import pytest

from adapters.emulators.sriov import SriovEmulator
from adapters.errors import DeviceRefused, InvalidSettings
from adapters.smart_nic_sriov.settings import DESCRIPTION, ranges_of
from tests.adapters.smart_nic_sriov.conftest import target_for
from tests.adapters.smart_nic_sriov.orders import DISABLED, order_for
from tests.adapters.smart_nic_sriov.probe import Sender, functions_of


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
