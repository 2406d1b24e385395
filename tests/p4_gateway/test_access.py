"""Who gets through the gateway: the holder, from the start to the end, and nobody else."""

import stat
import time

import grpc
import pytest
from finsy.proto import p4r

from adapters.errors import DeviceBusy, DeviceUnreachable
from adapters.p4_switch.gateway import GatewayClient
from tests.adapters.emulators.p4runtime.controller import (
    INSERT,
    Controller,
    code_of,
    example_config,
    mac_entry,
)
from tests.p4_gateway.conftest import RunningGateway, Tenant, eventually


def refused(call) -> str:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return code_of(caught)


def test_a_holder_works_as_with_the_switch_itself(admit, switch):
    holder = admit().controller()
    assert holder.bid(1) == "OK"
    holder.push(example_config(cookie=42))
    holder.write((INSERT, mac_entry()))
    assert len(holder.read()) == 1
    assert holder.pipeline("COOKIE_ONLY").config.cookie.cookie == 42
    everything = p4r.Entity(table_entry=p4r.TableEntry())
    assert len(list(switch.device.forwarding.read(everything))) == 1


def test_the_switch_sees_one_id_whatever_the_holder_bids(admit, switch):
    holder = admit().controller()
    for bid in (1, 2**127, 2**128 - 1):
        assert holder.bid(bid) == "OK"
    holder.write((INSERT, mac_entry()))
    assert switch.device.arbitration.highest == {"": 6 << 64 | 2**62 + 5}


def test_nobody_gets_in_before_the_start(prepare, worker):
    tenant = prepare()
    assert refused(lambda: tenant.controller().bid(1)) == "PERMISSION_DENIED"
    assert refused(lambda: tenant.controller().read()) == "PERMISSION_DENIED"
    worker.open(lease_id="lease-1", epoch=6, ends_at=time.time() + 60)
    assert tenant.controller().bid(1) == "OK"


def test_an_end_cuts_streams_and_calls_within_a_moment(admit, worker, switch):
    tenant = admit()
    holder = tenant.controller()
    holder.bid(1)
    began = time.monotonic()
    worker.close(lease_id="lease-1", epoch=6)
    with pytest.raises(grpc.RpcError) as caught:
        holder.next_status()
    assert code_of(caught) == "PERMISSION_DENIED"
    assert time.monotonic() - began < 5
    assert refused(lambda: holder.write((INSERT, mac_entry()))) == "PERMISSION_DENIED"
    eventually(lambda: not switch.device.arbitration.controllers)


def test_the_gateway_ends_a_lease_by_itself(admit):
    tenant = admit(lasts=0.8)
    holder = tenant.controller()
    holder.bid(1)
    with pytest.raises(grpc.RpcError) as caught:
        holder.next_status()
    assert code_of(caught) == "PERMISSION_DENIED"
    assert refused(lambda: tenant.controller().bid(2)) == "PERMISSION_DENIED"


def test_a_call_under_way_is_cut_with_the_lease(admit, worker, switch):
    holder = admit().controller()
    holder.bid(1)
    switch.break_with("hang")
    call = holder.stub.Capabilities.future(p4r.CapabilitiesRequest(device_id=1), timeout=30)
    worker.close(lease_id="lease-1", epoch=6)
    assert call.exception(timeout=30).code() is grpc.StatusCode.PERMISSION_DENIED


def test_an_extension_is_taken_over_and_a_new_end_holds(admit, worker):
    tenant = admit(lasts=1.0)
    holder = tenant.controller()
    holder.bid(1)
    worker.open(lease_id="lease-1", epoch=6, ends_at=time.time() + 60)
    time_of_the_first_end = time.time() + 1.2
    eventually(lambda: time.time() > time_of_the_first_end)
    holder.write((INSERT, mac_entry()))


def test_strangers_are_nobody(gateway: RunningGateway, admit, prepare):
    inside = admit()
    plain = Controller(f"127.0.0.1:{inside.door.port}")
    with plain:
        assert refused(plain.read) == "UNAVAILABLE"
    theirs = prepare("lease-2", epoch=7, device_id=2)
    assert refused(theirs.controller(device_id=1).read) == "PERMISSION_DENIED"
    authority_only = grpc.ssl_channel_credentials(inside.door.authority.encode())
    with Controller(f"127.0.0.1:{inside.door.port}", 1, authority_only) as bare:
        assert refused(bare.read) == "UNAVAILABLE"


def test_a_certificate_is_good_for_its_own_lease_only(admit, worker):
    first = admit()
    worker.close(lease_id="lease-1", epoch=6)
    worker.forget(lease_id="lease-1", epoch=6)
    second = admit("lease-2", epoch=7)
    assert refused(lambda: first.controller().bid(1)) == "PERMISSION_DENIED"
    assert second.controller().bid(1) == "OK"


def test_the_next_lease_puts_the_one_before_out(admit, worker):
    first = admit()
    old = first.controller()
    old.bid(9)
    admit("lease-2", epoch=7)
    with pytest.raises(grpc.RpcError):
        old.next_status()
    with pytest.raises(DeviceBusy, match="epoch 7"):
        admit("lease-1", epoch=6)


def test_the_same_lease_prepared_twice_has_the_same_door(prepare):
    assert prepare().door == prepare().door


def test_a_restarted_gateway_goes_on_and_forgets_no_end(config, switch, gateway, admit, worker):
    tenant = admit()
    gone = admit("lease-2", epoch=7, device_id=2, lasts=0.5)
    holder = tenant.controller()
    holder.bid(1)
    gateway.stop()
    with pytest.raises(grpc.RpcError):
        holder.next_status()
    ended_at = time.time() + 0.6
    eventually(lambda: time.time() > ended_at)
    gateway.start()
    try:
        for each in (tenant, gone):
            object.__setattr__(each.door, "port", gateway.port)
        assert tenant.controller().bid(1) == "OK"
        assert refused(lambda: gone.controller(2).bid(1)) == "PERMISSION_DENIED"
    finally:
        worker.close(lease_id="lease-1", epoch=6)


def test_what_the_gateway_keeps_is_for_its_owner_only(gateway: RunningGateway, prepare):
    prepare()
    kept = list(gateway.config.state_dir.iterdir())
    assert {file.name for file in kept} >= {"ca.key", "ca.crt", "grants.json", "control.sock"}
    for file in [gateway.config.state_dir, *kept]:
        assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, file


def test_a_gateway_that_is_away_or_is_asked_nonsense_says_so(tmp_path, worker: GatewayClient):
    away = GatewayClient(socket=str(tmp_path / "nothing"), timeout_s=1.0)
    with pytest.raises(DeviceUnreachable, match="p4_gateway"):
        away.close(lease_id="x", epoch=1)
    with pytest.raises(DeviceBusy, match="no grant"):
        worker.open(lease_id="never-prepared", epoch=1, ends_at=0)
    with pytest.raises(DeviceBusy, match="no request"):
        worker._ask(verb="open")
    worker.close(lease_id="never-prepared", epoch=1)


def test_a_switch_that_is_away_is_told_apart_from_a_refusal(admit, switch):
    tenant: Tenant = admit()
    switch.break_with("unreachable")
    assert refused(lambda: tenant.controller().bid(1)) == "UNAVAILABLE"
    switch.mend()
