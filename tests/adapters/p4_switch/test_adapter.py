"""What the P4 switch promises beyond what every adapter does."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from finsy.proto import p4r

from adapters.contract import Holder, LeaseOrder
from adapters.emulators.p4runtime import P4RuntimeEmulator
from adapters.errors import DeviceBusy, DeviceRefused, DeviceUnreachable, InvalidSettings, OutcomeUnknown
from adapters.p4_switch.adapter import P4Switch
from adapters.p4_switch.election import TENANT_BAND
from adapters.p4_switch.parking import drop_all
from tests.adapters.emulators.p4runtime.controller import (
    INSERT,
    MODIFY,
    Controller,
    example_config,
    mac_entry,
)
from tests.adapters.p4_switch.conftest import artefact, target_at
from tests.adapters.p4_switch.outside import OutsideOfEmulator, holders_id, multicast_group

LEASE = "3f6c8f7e-0000-4000-8000-000000000001"
OTHER = "3f6c8f7e-0000-4000-8000-000000000002"
EPOCH = 7


@pytest.fixture
def outside(switch) -> OutsideOfEmulator:
    return OutsideOfEmulator(switch)


@pytest.fixture
def order_for(switch, artefacts) -> Callable[..., LeaseOrder]:
    def make(lease_id: str = LEASE, *, epoch: int = EPOCH, **settings: object) -> LeaseOrder:
        now = datetime(2030, 1, 1, tzinfo=UTC)
        address = str(settings.pop("address", switch.address))
        return LeaseOrder(
            lease_id=lease_id,
            epoch=epoch,
            revision=1,
            target=target_at(address, **({"answer_timeout_s": 1.0} | settings)),
            covers=("0b7a8e3c-5e0e-4d0e-9d5f-6a3c1f0d2b11",),
            holder=Holder(username="researcher@uni-a.example", project="testbed"),
            starts_at=now,
            ends_at=now + timedelta(hours=1),
            artefacts=artefacts,
        )

    return make


@pytest.fixture
def order(order_for) -> LeaseOrder:
    return order_for()


@pytest.fixture
def opened(adapter, order):
    """The lease's access, with the switch open to its holder."""
    access = adapter.provision(order)
    adapter.admit(order)
    return access


def on_switch(switch: P4RuntimeEmulator) -> p4r.ForwardingPipelineConfig:
    with Controller(switch.address) as controller:
        return controller.pipeline().config


def program_on(switch: P4RuntimeEmulator) -> bytes:
    return on_switch(switch).p4_device_config


# --- before the start, at the start ---------------------------------------------------------------


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


# --- during the lease -----------------------------------------------------------------------------


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


# --- the end --------------------------------------------------------------------------------------


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
        deadline = time.monotonic() + 5
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


# --- the wire -------------------------------------------------------------------------------------


def test_no_verb_leaves_a_thread_or_a_stream_behind(adapter, switch, order):
    adapter.release(order)  # whatever grpc starts once, it has started now
    switch.break_with("unreachable")
    switch.mend()
    before = set(threading.enumerate())

    adapter.provision(order)
    adapter.admit(order)
    adapter.isolate(order)
    adapter.release(order)
    adapter.observe(order.target)

    def ours_are_gone() -> bool:
        left = {t.name for t in set(threading.enumerate()) - before if not t.name.startswith("p4runtime_")}
        return not left and not switch.device.arbitration.controllers

    deadline = time.monotonic() + 5
    while not ours_are_gone() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert ours_are_gone()


def test_a_device_id_that_the_server_does_not_have_is_refused(adapter, order_for):
    with pytest.raises(DeviceRefused, match="no device 9"):
        adapter.observe(order_for(device_id=9).target)


def test_settings_that_cannot_work_are_named(adapter, order):
    broken = replace(order.target, settings={"host": "127.0.0.1", "device_id": 0})

    with pytest.raises(InvalidSettings, match="device_id"):
        adapter.observe(broken)


def test_a_missing_secret_is_the_operators_to_mend(adapter, order_for):
    with pytest.raises(InvalidSettings, match="no-such-authority"):
        adapter.observe(order_for(ca_secret="no-such-authority").target)


def test_a_certificate_without_its_key_is_refused_on_save():
    settings = {"host": "127.0.0.1", "ca_secret": "a", "certificate_secret": "b"}

    (problem,) = P4Switch.description.check_settings(settings)
    assert "key" in problem.message


def test_an_encrypted_switch_is_reached_with_certificates_and_not_without(order_for, secrets_of):
    import grpc

    authority = Authority()
    server_key, server_certificate = authority.issue("switch.uni-a.example")
    client_key, client_certificate = authority.issue("site.uni-a.example")
    credentials = grpc.ssl_server_credentials(
        [(server_key, server_certificate)], authority.certificate, require_client_auth=True
    )
    secrets = secrets_of(
        {
            "authority": authority.certificate.decode(),
            "certificate": client_certificate.decode(),
            "key": client_key.decode(),
        }
    )
    adapter = P4Switch(secrets=secrets)
    with P4RuntimeEmulator(credentials=credentials) as switch:
        encrypted = {"address": switch.address, "ca_secret": "authority", "tls_name": "switch.uni-a.example"}
        ours = {"certificate_secret": "certificate", "key_secret": "key"}

        assert adapter.observe(order_for(**encrypted, **ours).target).healthy
        with pytest.raises(DeviceUnreachable):
            adapter.observe(order_for(**encrypted).target)
        with pytest.raises(DeviceUnreachable):
            adapter.observe(order_for(address=switch.address).target)
        with pytest.raises(DeviceUnreachable):
            adapter.observe(order_for(**(encrypted | {"tls_name": "other.example"}), **ours).target)


class Authority:
    """A certificate authority for one test."""

    def __init__(self) -> None:
        from cryptography import x509
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        self._x509, self._ec, self._serialization = x509, ec, serialization
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "authority")])
        self.certificate = self._signed(self._key.public_key(), self._name, is_authority=True)

    def issue(self, name: str) -> tuple[bytes, bytes]:
        """Return a new key and its certificate, both as PEM."""
        key = self._ec.generate_private_key(self._ec.SECP256R1())
        form = self._serialization
        pem = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
        subject = self._x509.Name([self._x509.NameAttribute(self._x509.NameOID.COMMON_NAME, name)])
        return pem, self._signed(key.public_key(), subject, name=name)

    def _signed(self, key, subject, *, name: str = "", is_authority: bool = False) -> bytes:
        from cryptography.hazmat.primitives import hashes

        now = datetime.now(UTC)
        builder = (
            self._x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(self._x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(self._x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        )
        if name:
            names = self._x509.SubjectAlternativeName([self._x509.DNSName(name)])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(self._serialization.Encoding.PEM)
