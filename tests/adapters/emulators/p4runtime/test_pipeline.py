"""The emulated switch takes, keeps and gives back programs."""

import json

import grpc
import pytest
from finsy.proto import p4r

from tests.adapters.emulators.p4runtime.controller import (
    INSERT,
    Controller,
    code_of,
    example_config,
    mac_entry,
)


def test_a_committed_program_is_given_back_whole_and_in_parts(primary):
    whole = primary.pipeline().config
    cookie = primary.pipeline("COOKIE_ONLY").config
    p4info = primary.pipeline("P4INFO_AND_COOKIE").config
    program = primary.pipeline("DEVICE_CONFIG_AND_COOKIE").config

    assert whole == example_config()
    assert (cookie.cookie.cookie, len(cookie.p4info.tables), cookie.p4_device_config) == (7, 0, b"")
    assert (len(p4info.p4info.tables), p4info.p4_device_config) == (2, b"")
    assert (len(program.p4info.tables), program.p4_device_config) == (0, whole.p4_device_config)


def test_committing_clears_what_was_written(primary):
    primary.write((INSERT, mac_entry()))
    assert len(primary.read()) == 1

    primary.push(example_config())

    assert primary.read() == []


def test_verifying_changes_nothing(primary):
    primary.write((INSERT, mac_entry()))

    primary.push(example_config(cookie=8), action="VERIFY")

    assert len(primary.read()) == 1
    assert primary.pipeline().config.cookie.cookie == 7


def test_a_saved_program_is_committed_once(primary):
    primary.push(example_config(cookie=9), action="VERIFY_AND_SAVE")
    primary.push(None, action="COMMIT")

    assert primary.pipeline().config.cookie.cookie == 9
    with pytest.raises(grpc.RpcError) as caught:
        primary.push(None, action="COMMIT")
    assert code_of(caught) == "NOT_FOUND"


def test_reconciling_is_not_offered(primary):
    with pytest.raises(grpc.RpcError) as caught:
        primary.push(example_config(), action="RECONCILE_AND_COMMIT")
    assert code_of(caught) == "UNIMPLEMENTED"


@pytest.mark.parametrize("program", [b"", b"\x00\x01", b'{"not": "p4"}', b'{"parsers": ['])
def test_what_is_no_program_is_refused_and_the_old_one_stays(primary, program):
    config = example_config(cookie=8)
    config.p4_device_config = program

    with pytest.raises(grpc.RpcError) as caught:
        primary.push(config)
    assert code_of(caught) == "INVALID_ARGUMENT"
    assert primary.pipeline().config.cookie.cookie == 7


def test_an_inconsistent_p4info_is_refused(primary):
    config = example_config()
    config.p4info.tables.append(config.p4info.tables[0])

    with pytest.raises(grpc.RpcError) as caught:
        primary.push(config)
    assert code_of(caught) == "INVALID_ARGUMENT"


def test_an_unknown_device_comes_before_missing_rights(switch, connect):
    stranger = connect(switch.address, device_id=77)

    with pytest.raises(grpc.RpcError) as caught:
        stranger.push(example_config())
    assert code_of(caught) == "NOT_FOUND"


def test_a_switch_without_a_program_says_so(switch, connect):
    controller = connect(switch.address)
    controller.bid(1)

    assert not controller.pipeline().HasField("config")
    with pytest.raises(grpc.RpcError) as caught:
        controller.read()
    assert code_of(caught) == "FAILED_PRECONDITION"


def test_the_version_is_told(switch, connect):
    answer = connect(switch.address).stub.Capabilities(p4r.CapabilitiesRequest(), timeout=5)

    assert answer.p4runtime_api_version.startswith("1.")


def test_bmv2_is_wedged_by_what_is_no_json_until_it_is_restarted(bmv2, connect):
    controller = connect(bmv2.address)
    controller.bid(1)
    broken = example_config()
    broken.p4_device_config = b"no json"
    for config in (broken, example_config()):
        with pytest.raises(grpc.RpcError) as caught:
            controller.push(config)
        assert code_of(caught) == "UNKNOWN"

    bmv2.reboot()

    with Controller(bmv2.address) as again:
        again.bid(1)
        again.push(example_config())
        assert again.pipeline().config == example_config()


def test_bmv2_takes_any_json_and_refuses_the_writes(bmv2, connect):
    controller = connect(bmv2.address)
    controller.bid(1)
    config = example_config()
    config.p4_device_config = json.dumps({"not": "p4"}).encode()
    controller.push(config)

    assert controller.pipeline().config == config
    assert controller.errors((INSERT, mac_entry())) == ["UNKNOWN"]


def test_bmv2_says_yes_to_every_way_of_setting_a_program(bmv2, connect):
    controller = connect(bmv2.address)
    controller.bid(1)
    for action in ("VERIFY", "VERIFY_AND_SAVE", "VERIFY_AND_COMMIT", "COMMIT", "RECONCILE_AND_COMMIT"):
        controller.push(example_config(), action=action)

    assert controller.pipeline().config == example_config()
