"""From the preparation to the start, and during the lease."""

import time
from dataclasses import replace

import pytest

from adapters.errors import DeviceBusy, DeviceRefused, OutcomeUnknown
from adapters.p4_switch.election import TENANT_BAND
from adapters.p4_switch.parking import drop_all
from tests.adapters.emulators.p4runtime.controller import (
    INSERT,
    Controller,
    example_config,
    mac_entry,
)
from tests.adapters.p4_switch.conftest import artefact
from tests.adapters.p4_switch.leases import EPOCH, OTHER, opened, order, order_for, outside, program_on
from tests.adapters.p4_switch.outside import holders_id

__all__ = ["opened", "order", "order_for", "outside"]


def test_before_the_start_the_switch_drops_everything_and_carries_the_lease(adapter, switch, order):
    adapter.provision(order)

    assert program_on(switch) == drop_all("bmv2_v1model")
    assert "access is closed" in adapter.observe(order.target).detail


def test_at_the_start_the_holders_program_is_on_the_switch_with_empty_tables(switch, opened, order):
    assert program_on(switch) == order.artefact("device_config").content
    with Controller(switch.address) as controller:
        assert controller.read() == []


def test_opening_is_quick_since_all_was_tried_before(adapter, order):
    adapter.provision(order)
    began = time.thread_time()
    adapter.admit(order)

    assert time.thread_time() - began < 0.1


def test_the_holder_is_told_an_election_id_of_the_holders_band(opened, order):
    number = holders_id(opened)

    assert number >> 64 == EPOCH
    assert TENANT_BAND <= number % 2**64 < 2 * TENANT_BAND
    assert f"--device-id 1 --election-id {number >> 64},{number % 2**64}" in opened.endpoints[0].command


def test_the_holder_connects_to_the_public_address(adapter, order_for):
    access = adapter.provision(order_for(public_host="switch.uni-a.example", public_port=29559))

    assert (access.endpoints[0].host, access.endpoints[0].port) == ("switch.uni-a.example", 29559)
    assert "--grpc-addr switch.uni-a.example:29559" in access.endpoints[0].command


def test_a_holder_who_connects_early_is_in_control_of_the_program_at_the_start(adapter, switch, outside, order):
    access = adapter.provision(order)
    with outside.hold_session(access, order) as seat:
        adapter.admit(order)

        assert seat.alive()
        assert seat.controller.errors((INSERT, mac_entry())) == ["OK"]


def test_a_bad_program_never_reaches_the_switch(adapter, switch, order):
    broken = replace(order, artefacts=(order.artefacts[0], artefact("device_config", b"no json")))

    with pytest.raises(DeviceRefused, match="device_config"):
        adapter.provision(broken)
    assert switch.changes() == 0


def test_a_stranger_who_bid_before_the_preparation_is_outbid(adapter, switch, outside, order_for):
    earlier = order_for(OTHER, epoch=EPOCH - 1)
    old = adapter.provision(earlier)
    adapter.admit(earlier)
    adapter.release(earlier)
    with Controller(switch.address) as stranger:
        stranger.bid(holders_id(old) + 2**63)  # an id of their own epoch's revoke band
        stranger.push(example_config())
        order = order_for()

        access = adapter.provision(order)
        adapter.admit(order)

        assert outside.can_enter(access, order)
        with pytest.raises(Exception, match="Not primary"):
            stranger.push(example_config())


def test_a_stranger_who_bids_from_a_later_epoch_is_said_to_be_in_control(adapter, switch, order):
    with Controller(switch.address) as stranger:
        stranger.bid((EPOCH + 5) << 64)

        with pytest.raises(DeviceBusy, match="restart the switch"):
            adapter.provision(order)
    assert switch.changes() == 0


def test_a_stranger_who_bids_above_the_holder_before_the_start_keeps_access_closed(adapter, switch, order):
    adapter.provision(order)
    with Controller(switch.address) as stranger:
        stranger.bid(EPOCH << 64 | (2**64 - 5))

        with pytest.raises(DeviceBusy):
            adapter.admit(order)
    assert program_on(switch) == drop_all("bmv2_v1model")


def test_what_is_not_prepared_asks_for_a_look(adapter, order):
    with pytest.raises(OutcomeUnknown, match="Prepare it again"):
        adapter.admit(order)


def test_a_program_that_the_holder_pushed_over_ours_is_left_alone(adapter, switch, outside, opened, order):
    with outside.hold_session(opened, order) as seat:
        seat.controller.push(example_config(cookie=0))
        seat.controller.write((INSERT, mac_entry()))
        before = switch.changes()

        again = adapter.provision(order)
        adapter.admit(order)

        assert again == opened
        assert switch.changes() == before
        assert seat.alive()


def test_a_program_of_the_holders_own_is_seen_as_the_holders(adapter, switch, outside, opened, order):
    with Controller(switch.address) as holder:
        holder.bid(holders_id(opened))
        holder.push(example_config())
        seen = adapter.observe(order.target)
    assert (seen.carries, seen.epoch) == (None, order.epoch)
    assert "its holder" in seen.detail


def test_a_second_controller_of_the_holder_counts_as_the_holder(adapter, switch, opened, order):
    with Controller(switch.address) as second:
        assert second.bid(holders_id(opened) + 200) == "OK"
        second.push(example_config(cookie=0))
        before = switch.changes()

        assert adapter.provision(order) == opened
        adapter.admit(order)
        assert switch.changes() == before
