"""The emulated switch arbitrates as chapter 5 of the P4Runtime specification says."""

import time

import grpc
import pytest
from finsy.proto import p4r

from adapters.emulators.p4runtime import P4RuntimeEmulator
from tests.adapters.emulators.p4runtime.controller import Controller, code_of, example_config


def test_the_highest_id_is_primary_and_the_others_are_told_who_leads(switch, connect):
    low, high = connect(switch.address), connect(switch.address)
    assert low.bid(1) == "OK"

    assert high.bid(2**64 + 5) == "OK"

    assert low.next_status() == "ALREADY_EXISTS"
    assert low.told_id() == 2**64 + 5


def test_after_the_primary_left_only_a_bid_as_high_as_the_past_highest_wins(switch, connect):
    with Controller(switch.address) as gone:
        assert gone.bid(100) == "OK"
    later = connect(switch.address)
    deadline = time.monotonic() + 60
    while later.bid(99) == "ALREADY_EXISTS" and time.monotonic() < deadline:
        pass  # the switch has not seen yet that the other hung up

    assert later.bid(99) == "NOT_FOUND"
    assert later.told_id() == 100
    assert later.bid(100) == "OK"


def test_backups_are_told_when_the_primary_leaves(switch, connect):
    backup = connect(switch.address)
    with Controller(switch.address) as leader:
        leader.bid(2)
        assert backup.bid(1) == "ALREADY_EXISTS"

    assert backup.next_status() == "NOT_FOUND"


def test_a_controller_without_an_id_never_leads(switch, connect):
    alone = connect(switch.address)

    assert alone.bid(None) == "NOT_FOUND"
    assert alone.told_id() is None
    assert alone.bid(0) == "OK"


def test_an_id_that_a_live_controller_has_is_refused(switch, connect):
    first, second = connect(switch.address), connect(switch.address)
    first.bid(5)

    with pytest.raises(grpc.RpcError) as caught:
        second.bid(5)
    assert code_of(caught) == "INVALID_ARGUMENT"


def test_an_unknown_device_is_not_found(switch, connect):
    with pytest.raises(grpc.RpcError) as caught:
        connect(switch.address, device_id=77).bid(1)
    assert code_of(caught) == "NOT_FOUND"
    with pytest.raises(grpc.RpcError) as caught:
        connect(switch.address, device_id=77).pipeline()
    assert code_of(caught) == "NOT_FOUND"


def test_a_stream_keeps_its_device_and_its_role(connect):
    with P4RuntimeEmulator(device_ids=(1, 2)) as switch:
        one, other = connect(switch.address), connect(switch.address)
        one.bid(1)
        with pytest.raises(grpc.RpcError) as caught:
            one.bid(1, device_id=2)
        assert code_of(caught) == "FAILED_PRECONDITION"
        other.bid(2)
        with pytest.raises(grpc.RpcError) as caught:
            other.bid(2, role="guest")
        assert code_of(caught) == "FAILED_PRECONDITION"


def test_each_role_has_a_primary_of_its_own(switch, connect):
    whole, guest = connect(switch.address), connect(switch.address)

    assert whole.bid(9) == "OK"
    assert guest.bid(1, role="guest") == "OK"


def test_a_role_with_a_config_is_refused(switch, connect):
    controller = connect(switch.address)
    update = p4r.MasterArbitrationUpdate(device_id=1, election_id=p4r.Uint128(low=1))
    update.role.config.SetInParent()
    controller.say(p4r.StreamMessageRequest(arbitration=update))

    with pytest.raises(grpc.RpcError) as caught:
        controller.next_status()
    assert code_of(caught) == "INVALID_ARGUMENT"


def test_a_seventeenth_controller_is_one_too_many(switch, connect):
    for number in range(1, 17):
        connect(switch.address).bid(number)

    with pytest.raises(grpc.RpcError) as caught:
        connect(switch.address).bid(17)
    assert code_of(caught) == "RESOURCE_EXHAUSTED"


def test_only_the_primary_changes_anything(switch, connect, primary):
    backup = connect(switch.address)
    backup.bid(9)

    with pytest.raises(grpc.RpcError) as caught:
        backup.push(example_config())
    assert code_of(caught) == "PERMISSION_DENIED"
    with pytest.raises(grpc.RpcError) as caught:
        backup.write()
    assert code_of(caught) == "PERMISSION_DENIED"


def test_whoever_was_outbid_changes_nothing_any_more(switch, connect, primary):
    connect(switch.address).bid(11)

    with pytest.raises(grpc.RpcError) as caught:
        primary.write()
    assert code_of(caught) == "PERMISSION_DENIED"


def test_a_controller_that_says_goodbye_is_let_go(switch, connect):
    polite, backup = connect(switch.address), connect(switch.address)
    polite.bid(2)
    backup.bid(1)

    polite.say(None)

    # p4runtime-shell waits for this before it exits.
    polite.reader.join(timeout=60)
    assert not polite.reader.is_alive()
    assert backup.next_status() == "NOT_FOUND"


def test_packets_of_a_backup_are_refused_on_its_stream(switch, connect, primary):
    backup = connect(switch.address)
    backup.bid(1)

    backup.say(p4r.StreamMessageRequest(packet=p4r.PacketOut(payload=b"x")))

    assert backup.heard.get(timeout=60).error.canonical_code == grpc.StatusCode.PERMISSION_DENIED.value[0]


def test_bmv2_compares_only_the_controllers_that_are_connected(bmv2, connect):
    past = connect(bmv2.address)
    assert past.bid(1) == "OK"
    with Controller(bmv2.address) as leader:
        assert leader.bid(2) == "OK"
        assert past.next_status() == "ALREADY_EXISTS"

    assert past.next_status() == "OK"


def test_bmv2_grants_control_of_devices_that_it_does_not_have(bmv2, connect):
    assert connect(bmv2.address, device_id=77).bid(1) == "OK"


def test_a_reboot_hangs_up_and_forgets_the_ids(switch, connect, primary):
    switch.reboot()

    with pytest.raises(grpc.RpcError) as caught:
        primary.next_status()
    assert code_of(caught) == "UNAVAILABLE"
    assert connect(switch.address).bid(1) == "OK"
    assert not connect(switch.address).pipeline().HasField("config")
