"""What a holder may say: arbitration among their own controllers, their device, no roles, booked programs."""

import hashlib

import grpc
import pytest
from finsy.proto import gnmi, p4r

from adapters.emulators.p4runtime import example
from p4_gateway.grants import Grant, Upstream
from p4_gateway.rules import refuse_setting
from tests.adapters.emulators.p4runtime.controller import INSERT, code_of, example_config, mac_entry


def refused(call) -> str:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return code_of(caught)


def test_controllers_of_one_holder_are_ordered_by_their_ids(admit):
    tenant = admit()
    low, high = tenant.controller(), tenant.controller()
    assert low.bid(10) == "OK"
    assert high.bid(20) == "OK"
    assert low.next_status() == "ALREADY_EXISTS"
    assert low.told_id() == 20
    assert refused(lambda: low.write((INSERT, mac_entry()))) == "PERMISSION_DENIED"
    high.write((INSERT, mac_entry()))
    high.hang_up()
    assert low.next_status() == "NOT_FOUND"
    assert low.bid(15) == "NOT_FOUND"
    assert low.bid(20) == "OK"


def test_a_controller_without_an_id_listens_and_never_has_control(admit):
    listener = admit().controller()
    assert listener.bid(None) == "NOT_FOUND"
    assert refused(lambda: listener.write((INSERT, mac_entry()))) == "PERMISSION_DENIED"
    assert listener.read() == []


def test_an_id_in_use_is_not_given_twice(admit):
    tenant = admit()
    first, second = tenant.controller(), tenant.controller()
    first.bid(5)
    assert refused(lambda: second.bid(5)) == "INVALID_ARGUMENT"
    first.write((INSERT, mac_entry()))


@pytest.mark.parametrize("where", ["stream", "write", "read"])
def test_roles_are_not_granted(admit, where):
    controller = admit().controller()
    if where == "stream":
        assert refused(lambda: controller.bid(1, role="sdn")) == "PERMISSION_DENIED"
        return
    controller.bid(1)
    if where == "write":
        assert refused(lambda: controller.write((INSERT, mac_entry()), role="sdn")) == "PERMISSION_DENIED"
    else:
        request = p4r.ReadRequest(device_id=1, role="sdn")
        assert refused(lambda: list(controller.stub.Read(request, timeout=30))) == "PERMISSION_DENIED"


def test_another_device_of_the_same_server_is_out_of_reach(admit):
    controller = admit().controller(device_id=2)
    assert refused(lambda: controller.bid(1)) == "NOT_FOUND"
    for call in (controller.read, controller.pipeline):
        assert refused(call) == "NOT_FOUND"


def test_a_stream_begins_with_a_bid(admit):
    controller = admit().controller()
    controller.say(p4r.StreamMessageRequest(packet=p4r.PacketOut(payload=b"x")))
    assert refused(controller.next_status) == "FAILED_PRECONDITION"


def test_a_stream_stays_with_its_device(admit):
    controller = admit().controller()
    controller.bid(1)
    assert refused(lambda: controller.bid(2, device_id=2)) == "FAILED_PRECONDITION"


def test_the_seventeenth_stream_is_one_too_many(admit):
    tenant = admit()
    for number in range(16):
        tenant.controller().bid(number + 1)
    assert refused(lambda: tenant.controller().bid(99)) == "RESOURCE_EXHAUSTED"


def test_errors_of_single_updates_come_back_as_the_switch_said_them(admit):
    controller = admit().controller()
    controller.bid(1)
    assert controller.errors((INSERT, mac_entry()), (INSERT, mac_entry())) == ["OK", "ALREADY_EXISTS"]


def test_only_booked_programs_where_the_site_wants_it(admit):
    digest = hashlib.sha256(example.DEVICE_CONFIG.read_bytes()).hexdigest()
    controller = admit(programs=[digest]).controller()
    controller.bid(1)
    controller.push(example_config())
    other = example_config()
    other.p4_device_config = other.p4_device_config + b"\n"
    assert refused(lambda: controller.push(other)) == "PERMISSION_DENIED"


def test_bytes_that_are_no_message_are_refused_here(admit):
    controller = admit().controller()
    call = controller.channel.unary_unary("/p4.v1.P4Runtime/Write")
    with pytest.raises(grpc.RpcError) as caught:
        call(b"\xff\xff\xff", timeout=30)
    assert code_of(caught) == "INVALID_ARGUMENT"
    unknown = controller.channel.unary_unary("/p4.v1.P4Runtime/Reboot")
    with pytest.raises(grpc.RpcError) as caught:
        unknown(b"", timeout=30)
    assert code_of(caught) == "UNIMPLEMENTED"


GRANT = Grant(
    lease_id="lease-1",
    epoch=1,
    upstream=Upstream(address="switch:9559", device_id=1),
    election_high=1,
    election_low=1,
    starts_at=0,
    ends_at=1,
    certificate="",
    key="",
    fingerprint="",
    ports=("1/0", "2/0"),
)


def path(text: str, port: str = "") -> gnmi.Path:
    steps = [gnmi.PathElem(name=name) for name in text.strip("/").split("/") if name]
    for step in steps:
        if step.name == "interface" and port:
            step.key["name"] = port
    return gnmi.Path(elem=steps)


ENABLED = "/interfaces/interface/config/enabled"


@pytest.mark.parametrize("field", ["update", "replace"])
def test_gnmi_switches_the_ports_of_the_lease(field):
    request = gnmi.SetRequest(**{field: [gnmi.Update(path=path(ENABLED, "1/0"))]})
    assert refuse_setting(request, GRANT) is None


@pytest.mark.parametrize(
    "request_",
    [
        gnmi.SetRequest(update=[gnmi.Update(path=path(ENABLED, "9/0"))]),
        gnmi.SetRequest(update=[gnmi.Update(path=path(ENABLED))]),
        gnmi.SetRequest(update=[gnmi.Update(path=path("/interfaces/interface/config/mtu", "1/0"))]),
        gnmi.SetRequest(update=[gnmi.Update(path=path("/system/config/hostname"))]),
        gnmi.SetRequest(delete=[path(ENABLED, "1/0")]),
        gnmi.SetRequest(prefix=gnmi.Path(target="other"), update=[gnmi.Update(path=path(ENABLED, "1/0"))]),
        gnmi.SetRequest(
            update=[gnmi.Update(path=path(ENABLED, "1/0")), gnmi.Update(path=path("/system/config/hostname"))]
        ),
        gnmi.SetRequest(prefix=path("/interfaces"), update=[gnmi.Update(path=path("/system"))]),
    ],
)
def test_gnmi_sets_nothing_else(request_):
    refusal = refuse_setting(request_, GRANT)
    assert refusal is not None
    assert refusal.code is grpc.StatusCode.PERMISSION_DENIED
