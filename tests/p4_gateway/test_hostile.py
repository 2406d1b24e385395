"""Somebody whose lease is over, or who never had one, tries everything: the switch hears none of it."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from finsy.proto import gnmi, p4r

from adapters.emulators.p4runtime import P4RuntimeEmulator
from tests.adapters.emulators.p4runtime.controller import (
    DELETE,
    INSERT,
    Controller,
    example_config,
    mac_entry,
    uint128,
)
from tests.p4_gateway.conftest import SITE_ID, Tenant, eventually

ATTEMPTS = 1_000
PER_CONNECTION = 50
SEEN = 6 << 64 | 2**62 + 5
"""The id under which the switch knew the lease: a holder may have learned it elsewhere."""
IDS = (None, 0, 1, 9, 10, SEEN - 1, SEEN, SEEN + 1, SITE_ID, 7 << 64 | 2**62 + 5, 2**64, 2**127, 2**128 - 1)
ROLES = ("", "sdn", "shary", "\x00")
ACTIONS = ("VERIFY", "VERIFY_AND_SAVE", "VERIFY_AND_COMMIT", "COMMIT", "RECONCILE_AND_COMMIT")
Attempt = Callable[[grpc.Channel], object]


def _call(method: str, message: object, *, streams: bool = False) -> Attempt:
    body = message if isinstance(message, bytes) else message.SerializeToString()

    def attempt(channel: grpc.Channel) -> object:
        if streams:
            return list(channel.unary_stream(method)(body, timeout=30))
        return channel.unary_unary(method)(body, timeout=30)

    return attempt


def _stream(*messages: p4r.StreamMessageRequest) -> Attempt:
    bodies = [message.SerializeToString() for message in messages]
    # Only a word counts as accepted: an end without one is a refusal, too.
    return lambda channel: next(
        channel.stream_stream("/p4.v1.P4Runtime/StreamChannel")(iter(bodies), timeout=30)
    )


def _bid(election_id: int | None, role: str = "", device_id: int = 1) -> p4r.StreamMessageRequest:
    update = p4r.MasterArbitrationUpdate(device_id=device_id)
    if role:
        update.role.name = role
    if election_id is not None:
        update.election_id.CopyFrom(uint128(election_id))
    return p4r.StreamMessageRequest(arbitration=update)


def _with_id(request: object, election_id: int | None) -> object:
    if election_id is not None:
        request.election_id.CopyFrom(uint128(election_id))
    return request


def attempts() -> Iterator[tuple[str, Attempt]]:
    """Everything that can be said to a switch, with every id and role, right and wrong."""
    p4 = "/p4.v1.P4Runtime/"
    for device_id in (1, 2, 0):
        for election_id in IDS:
            for role in ROLES:
                yield "bid", _stream(_bid(election_id, role, device_id))
                write = p4r.WriteRequest(
                    device_id=device_id,
                    role=role,
                    updates=[p4r.Update(type=kind, entity=mac_entry()) for kind in (INSERT, DELETE)],
                )
                yield "write", _call(p4 + "Write", _with_id(write, election_id))
            # As finsy does: adopt what was heard, and bid again and above.
            higher = min((election_id or 0) + 1, 2**128 - 1)
            yield "bid again", _stream(_bid(10), _bid(election_id), _bid(higher))
            for action in ACTIONS:
                push = p4r.SetForwardingPipelineConfigRequest(
                    device_id=device_id,
                    action=p4r.SetForwardingPipelineConfigRequest.Action.Value(action),
                    config=None if action == "COMMIT" else example_config(cookie=666),
                )
                yield "push", _call(p4 + "SetForwardingPipelineConfig", _with_id(push, election_id))
        for kind in range(4):
            look = p4r.GetForwardingPipelineConfigRequest(device_id=device_id, response_type=kind)
            yield "look", _call(p4 + "GetForwardingPipelineConfig", look)
        for entity in (p4r.Entity(table_entry=p4r.TableEntry()), p4r.Entity(counter_entry=p4r.CounterEntry())):
            read = p4r.ReadRequest(device_id=device_id, entities=[entity])
            yield "read", _call(p4 + "Read", read, streams=True)
        packet = p4r.StreamMessageRequest(packet=p4r.PacketOut(payload=b"x"))
        yield "packet", _stream(packet)
        yield "packet", _stream(_bid(SEEN, "", device_id), packet)
        yield "capabilities", _call(p4 + "Capabilities", p4r.CapabilitiesRequest(device_id=device_id))
    for method in ("Get", "Set", "Capabilities"):
        yield "gNMI", _call(f"/gnmi.gNMI/{method}", b"")
    yield "gNMI", _call("/gnmi.gNMI/Subscribe", gnmi.SubscribeRequest(), streams=True)
    port = gnmi.Path(elem=[gnmi.PathElem(name="interfaces")])
    yield "gNMI", _call("/gnmi.gNMI/Set", gnmi.SetRequest(update=[gnmi.Update(path=port)]))
    for unknown in (p4 + "Reboot", "/grpc.health.v1.Health/Check", "/gnoi.system.System/Reboot", p4 + "write"):
        yield "unknown", _call(unknown, b"\xff")


def attack(address: str, credentials: object | None, count: int) -> Counter[str]:
    """Make so many attempts, on a new connection now and then; return how each ended."""
    ended: Counter[str] = Counter()
    todo = islice(cycle(attempts()), count)
    while batch := list(islice(todo, PER_CONNECTION)):
        options = [("grpc.use_local_subchannel_pool", 1)]
        opened = (
            grpc.insecure_channel(address, options)
            if credentials is None
            else grpc.secure_channel(address, credentials, options)
        )
        with opened as channel:
            for name, attempt in batch:
                try:
                    attempt(channel)
                except grpc.RpcError as error:
                    ended[error.code().name] += 1
                except StopIteration:
                    ended["nothing said"] += 1
                else:
                    ended[f"accepted: {name}"] += 1
    return ended


def self_signed(name: str) -> tuple[bytes, bytes]:
    """A certificate that carries the lease's name, and nobody's signature but its own."""
    key, subject = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]),
    )
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private, made.public_bytes(Encoding.PEM)


@pytest.fixture
def unheard(switch: P4RuntimeEmulator):
    """Whatever is done until the end of the test, the switch must not have heard of it once it was called."""
    before: list[Counter[str]] = []

    def begin() -> None:
        before.append(switch.heard())

    yield begin
    assert switch.heard() == before[0]


@pytest.mark.parametrize("ends", ["by the worker", "by the gateway alone"])
def test_a_thousand_attempts_after_the_end_reach_nothing(admit, worker, switch, unheard, ends):
    tenant: Tenant = admit(lasts=3600.0 if ends == "by the worker" else 2.5)
    kept = [tenant.controller() for _ in range(3)]
    assert [kept[0].bid(1), kept[1].bid(None), kept[2].bid(2**128 - 1)] == ["OK", "ALREADY_EXISTS", "OK"]
    silent = tenant.controller()
    silent.say(_bid(None))
    if ends == "by the worker":
        worker.close(lease_id="lease-1", epoch=6)
        worker.forget(lease_id="lease-1", epoch=6)
        admit("lease-2", epoch=7).controller().bid(1)
    eventually(lambda: all(c.election_id != SEEN for c in switch.device.arbitration.controllers))
    unheard()

    for controller in [*kept, silent]:
        for message in (
            _bid(2**128 - 1),
            _bid(SEEN),
            p4r.StreamMessageRequest(packet=p4r.PacketOut(payload=b"x")),
        ):
            controller.say(message)
    ended = attack(f"127.0.0.1:{tenant.door.port}", tenant.credentials, ATTEMPTS)

    assert ended.total() == ATTEMPTS
    assert set(ended) == {"PERMISSION_DENIED", "UNIMPLEMENTED"}
    assert ended["UNIMPLEMENTED"] < 50  # only what the gateway offers to nobody
    for controller in [*kept, silent]:
        assert eventually(lambda heard=controller: not heard.reader.is_alive())
        said = [controller.heard.get() for _ in range(controller.heard.qsize())]
        assert said[-1].code() is grpc.StatusCode.PERMISSION_DENIED
        assert not any(isinstance(word, Exception) for word in said[:-1])


def test_a_read_that_was_begun_before_the_end_brings_nothing_after_it(admit, worker, switch):
    tenant: Tenant = admit()
    holder = tenant.controller()
    holder.bid(1)
    holder.write(*((INSERT, mac_entry(0x020000000000 + number)) for number in range(1024)))
    info = p4r.ReadRequest(device_id=1, entities=[p4r.Entity(table_entry=p4r.TableEntry())] * 400)
    slow = holder.stub.Read(info, timeout=30)
    assert next(slow).entities
    worker.close(lease_id="lease-1", epoch=6)
    with pytest.raises(grpc.RpcError) as caught:
        for number, _ in enumerate(slow):
            assert number < 400  # what was on its way already may arrive
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize("who", ["stolen", "of another switch", "none", "plain", "self-signed"])
def test_strangers_reach_nothing_while_the_next_lease_runs(admit, worker, unheard, who):
    ex: Tenant = admit()
    other: Tenant = admit("lease-of-2", epoch=3, device_id=2)
    for lease, epoch in (("lease-1", 6), ("lease-of-2", 3)):
        worker.close(lease_id=lease, epoch=epoch)
        worker.forget(lease_id=lease, epoch=epoch)
    holder = admit("lease-2", epoch=7).controller()
    assert holder.bid(1) == "OK"
    authority = ex.door.authority.encode()
    credentials = {
        "stolen": ex.credentials,
        "of another switch": other.credentials,
        "none": grpc.ssl_channel_credentials(authority),
        "plain": None,
        "self-signed": grpc.ssl_channel_credentials(authority, *self_signed("shary-lease-2")),
    }[who]
    unheard()

    ended = attack(f"127.0.0.1:{ex.door.port}", credentials, ATTEMPTS // 5)

    assert ended.total() == ATTEMPTS // 5
    unknown = who in ("none", "plain", "self-signed")  # refused before a word is heard
    assert set(ended) <= ({"UNAVAILABLE"} if unknown else {"PERMISSION_DENIED", "UNIMPLEMENTED"})


def test_what_the_network_has_to_keep_out_is_not_kept_out_by_the_switch(admit, switch):
    # Why a firewall belongs before the switch: whoever reaches it needs no certificate and outbids everybody.
    holder = admit().controller()
    assert holder.bid(1) == "OK"
    with Controller(switch.address) as passer_by:
        assert passer_by.bid(SEEN + 1) == "OK"
        passer_by.push(example_config(cookie=666))
        with pytest.raises(grpc.RpcError):
            holder.write((INSERT, mac_entry()))
