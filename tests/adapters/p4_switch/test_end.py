"""The end of a lease: nobody comes back, nothing stays."""

import time

import pytest
from finsy.proto import p4r

from adapters.emulators.p4runtime import P4RuntimeEmulator
from adapters.errors import DeviceRefused, OutcomeUnknown
from adapters.p4_switch.parking import drop_all
from tests.adapters.emulators.p4runtime.controller import (
    INSERT,
    MODIFY,
    Controller,
    example_config,
    mac_entry,
)
from tests.adapters.p4_switch.leases import EPOCH, LEASE, OTHER, opened, order, order_for, outside, program_on
from tests.adapters.p4_switch.outside import OutsideOfEmulator, holders_id, multicast_group

__all__ = ["opened", "order", "order_for", "outside"]


def test_isolating_parks_the_switch_under_the_name_of_the_lease(adapter, switch, opened, order):
    adapter.isolate(order)

    assert program_on(switch) == drop_all("bmv2_v1model")
    found = adapter.observe(order.target)
    assert (found.carries, found.epoch) == (LEASE, EPOCH)


def test_a_holder_whose_time_is_over_does_not_come_back(adapter, switch, outside, opened, order):
    with outside.hold_session(opened, order) as seat:
        adapter.isolate(order)
        for number in range(0, 256, 51):
            assert seat.controller.bid(holders_id(opened) + number) != "OK"
            assert not seat.alive()


def test_a_holder_who_bids_to_the_end_of_the_epoch_is_still_outbid(adapter, switch, opened, order):
    with Controller(switch.address) as greedy:
        assert greedy.bid(EPOCH << 64 | (2**64 - 1)) == "OK"
        greedy.push(example_config())

        adapter.isolate(order)

        with pytest.raises(Exception, match="Not primary"):
            greedy.push(example_config())
    assert program_on(switch) == drop_all("bmv2_v1model")
    assert adapter.release(order).is_clean


def test_a_forged_mark_of_another_lease_does_not_save_a_holder_from_the_end(
    adapter, switch, outside, opened, order
):
    forged = example_config()
    forged.p4info.pkg_info.annotations.append(f'@shary_lease("{OTHER}", {EPOCH + 1}, "open", 1, 1)')
    with outside.hold_session(opened, order) as seat:
        seat.controller.push(forged)

        adapter.isolate(order)

        assert not seat.alive()
    assert adapter.release(order).is_clean


@pytest.mark.parametrize("forgery", ["isolated", "parked"])
def test_a_program_that_claims_to_be_ours_is_replaced(adapter, switch, outside, opened, order, forgery):
    note = "@shary_parked"
    if forgery == "isolated":
        note = f'@shary_lease("{LEASE}", {EPOCH}, "isolated", 1, 1)'
    forged = example_config()
    forged.p4info.pkg_info.annotations.append(note)
    with outside.hold_session(opened, order) as seat:
        seat.controller.push(forged)

    adapter.isolate(order)

    assert program_on(switch) == drop_all("bmv2_v1model")


def test_an_isolated_lease_is_opened_again_with_ids_above_what_closed_it(adapter, outside, opened, order):
    adapter.isolate(order)

    again = adapter.provision(order)
    assert adapter.provision(order) == again
    adapter.admit(order)

    assert holders_id(again) > holders_id(opened)
    assert outside.can_enter(again, order)
    assert not outside.can_enter(opened, order)
    adapter.isolate(order)
    assert not outside.can_enter(again, order)
    assert adapter.release(order).is_clean


def test_everything_the_holder_wrote_is_gone_and_each_kind_is_proven(adapter, switch, outside, opened, order):
    counter = p4r.CounterEntry(counter_id=301989889, index=p4r.Index(index=1))
    counter.data.packet_count = 9
    with outside.hold_session(opened, order) as seat:
        seat.controller.write(
            (INSERT, mac_entry()),
            (INSERT, multicast_group(5)),
            (MODIFY, p4r.Entity(counter_entry=counter)),
        )

    proof = adapter.release(order)

    assert proof.is_clean
    assert {check.name for check in proof.checks} >= {
        *("control", "cookie", "P4Info", "device configuration", "table entries", "multicast groups"),
        *("clone sessions", "action profile members", "counters", "meters", "registers"),
    }
    assert "parked and free" in adapter.observe(order.target).detail


def test_what_outlives_a_commit_is_deleted_one_by_one(adapter, switch, outside, opened, order, monkeypatch):
    # Some switches keep their multicast groups when the program changes.
    device = switch.device
    commit = device.set_pipeline

    def keeps_groups(action, config, *, pretend):
        kept = {path: e for path, e in device.forwarding.entities.items() if path[0].startswith("multicast")}
        commit(action, config, pretend=pretend)
        device.forwarding.entities.update(kept)

    with outside.hold_session(opened, order) as seat:
        seat.controller.write((INSERT, multicast_group(5)))
    monkeypatch.setattr(device, "set_pipeline", keeps_groups)

    assert adapter.release(order).is_clean
    assert device.forwarding.entities == {}


def test_what_cannot_be_deleted_is_named_in_the_proof(adapter, switch, opened, order, monkeypatch):
    group = multicast_group(5)
    read = switch.device.read
    monkeypatch.setattr(
        switch.device,
        "read",
        lambda entities: (
            [group]
            if entities[0].packet_replication_engine_entry.HasField("multicast_group_entry")
            else read(entities)
        ),
    )

    proof = adapter.release(order)

    assert [check.name for check in proof.checks if not check.passed] == ["multicast groups"]


def test_a_switch_that_withholds_its_program_is_not_clean_unless_its_settings_say_so(
    adapter, switch, order_for, monkeypatch
):
    from adapters.emulators.p4runtime.service import P4RuntimeService

    answer = P4RuntimeService.GetForwardingPipelineConfig

    def withholding(self, request, context):
        given = answer(self, request, context)
        given.config.ClearField("p4_device_config")
        return given

    switch.stop()
    monkeypatch.setattr(P4RuntimeService, "GetForwardingPipelineConfig", withholding)
    switch.start()

    strict, lenient = adapter.release(order_for()), adapter.release(order_for(withholds_config=True))

    assert [check.name for check in strict.checks if not check.passed] == ["device configuration"]
    assert lenient.is_clean
    assert any("withheld" in check.found for check in lenient.checks)


def test_on_bmv2_an_earlier_holder_who_stays_connected_spoils_the_proof(adapter, order_for):
    # BMv2 forgets our id when we hang up, and the earlier holder is in control again: only a gateway
    # that cuts the connection helps. The proof has to see it.
    with P4RuntimeEmulator(personality="bmv2") as switch:
        order = order_for(address=switch.address)
        access = adapter.provision(order)
        adapter.admit(order)
        with Controller(switch.address) as holder:
            assert holder.bid(holders_id(access)) == "OK"

            proof = adapter.release(order)

            assert [check.name for check in proof.checks if not check.passed] == ["control"]
        deadline = time.monotonic() + 60
        while not (proof := adapter.release(order)).is_clean and time.monotonic() < deadline:
            pass
        assert proof.is_clean


def test_a_lease_goes_its_whole_way_on_bmv2(adapter, order_for):
    with P4RuntimeEmulator(personality="bmv2") as switch:
        order, outside = order_for(address=switch.address), OutsideOfEmulator(switch)
        access = adapter.provision(order)
        assert not outside.can_enter(access, order)
        adapter.admit(order)
        assert outside.can_enter(access, order)
        adapter.isolate(order)
        assert not outside.can_enter(access, order)
        assert adapter.release(order).is_clean


@pytest.mark.parametrize("verb", ["provision", "admit", "isolate", "release"])
def test_a_switch_that_dies_in_the_middle_of_a_change_is_an_unknown_outcome(adapter, switch, order, verb):
    if verb != "provision":
        adapter.provision(order)
    if verb in ("isolate", "release"):
        adapter.admit(order)
    switch.break_with("die")

    with pytest.raises(OutcomeUnknown):
        getattr(adapter, verb)(order)
    switch.mend()
    assert adapter.observe(order.target).carries is None
    assert adapter.release(order).is_clean


def test_a_wedged_bmv2_refuses_and_the_reason_is_kept(adapter, order_for):
    with P4RuntimeEmulator(personality="bmv2") as switch:
        with Controller(switch.address) as careless:
            careless.bid(1)
            bad = example_config()
            bad.p4_device_config = b"no json"
            with pytest.raises(Exception, match="first phase"):
                careless.push(bad)

        with pytest.raises(DeviceRefused, match="Error in first phase of device update"):
            adapter.provision(order_for(address=switch.address))
