"""What the portal and the sites share: values, descriptions, sealed messages."""

import base64
import dataclasses
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from adapters.contract import (
    Access,
    AdapterDescription,
    Artefact,
    ArtefactSlot,
    Check,
    CleanProof,
    Endpoint,
    FoundDevice,
    Holder,
    LeaseOrder,
    Observation,
    Problem,
    Target,
)
from adapters.contract.wire import (
    BadSeal,
    Failure,
    Order,
    Report,
    from_json,
    new_key,
    private_key,
    public_key,
    public_text,
    seal,
    sender_of,
    to_json,
    unseal,
)
from adapters.errors import BY_NAME, AdapterError, OutcomeUnknown, Remedy
from tests.adapters.conformance import VENDOR_LIBRARIES

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
KEY = private_key(new_key())
OTHER_KEY = private_key(new_key())

TARGET = Target(
    resource_id="r1",
    name="Roma · L40S 1",
    kind="gpu",
    adapter="gpu_lxd",
    settings={"url": "https://lxd.uni-a.example:8443", "port": 7, "nested": {"deep": [1, None, True]}},
)
LEASE = LeaseOrder(
    lease_id="7d3c",
    epoch=4,
    revision=2,
    target=TARGET,
    covers=("r1", "r2"),
    holder=Holder(username="researcher@uni-a.example", project="optics", ssh_keys=("ssh-ed25519 AAAA",)),
    starts_at=NOON,
    ends_at=NOON + timedelta(hours=3),
    parameters={"image": "ubuntu/24.04"},
    artefacts=(Artefact(name="p4info", filename="a.bin", sha256="00", content=bytes(range(256))),),
)
PROOF = CleanProof(
    checks=(Check(name="Memory", expected="0", found="0", passed=True, method="read back"),),
    verified_at=NOON,
    verifier="gpu_lxd 1",
)
ACCESS = Access(
    instructions="Log in.",
    endpoints=(Endpoint(label="SSH", protocol="ssh", host="h", port=22, username="u", secret="s3"),),
)
VALUES = [
    LEASE,
    ACCESS,
    PROOF,
    Observation(healthy=True, carries="7d3c", epoch=4, measurements={"memory_used_mib": 12.5}),
    FoundDevice(name="n", kind="gpu", model="L40S", parts=(FoundDevice(name="p", kind="gpu", model="1g"),)),
    Order(site="roma", verb="hold", issued_at=NOON, lease=LEASE),
    Order(site="roma", verb="watch", issued_at=NOON, targets=(TARGET,)),
    Report(
        site="roma",
        event="failed",
        at=NOON,
        lease_id="7d3c",
        failure=Failure(error="DeviceBusy", remedy="retry", verb="provision", message="“x” is busy."),
    ),
    Report(site="roma", event="clean", at=NOON, proof=PROOF, access=ACCESS),
]


# --- round trips ---------------------------------------------------------------------------------


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_value_survives_the_wire(value):
    assert from_json(type(value), to_json(value)) == value


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_value_survives_being_sealed(value):
    assert unseal(type(value), seal(value, key=KEY, sender="hub"), key=KEY.public_key()) == value


@given(content=st.binary(max_size=300))
def test_any_bytes_survive_as_an_artefact(content):
    artefact = Artefact(name="config", filename="c", sha256="0", content=content)

    assert from_json(Artefact, to_json(artefact)) == artefact


def test_moments_stay_aware_and_the_same():
    arrived = from_json(LeaseOrder, to_json(LEASE))

    assert arrived.ends_at.utcoffset() == timedelta()
    assert arrived.ends_at - arrived.starts_at == timedelta(hours=3)


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "{}", '{"lease_id": "1"}', to_json(PROOF), "\x00", '{"epoch": "many"}']
)
def test_what_is_no_order_is_refused(text):
    with pytest.raises(ValueError):
        from_json(LeaseOrder, text)


def test_an_order_with_an_unknown_verb_is_refused():
    text = to_json(VALUES[5]).replace('"hold"', '"format"')

    with pytest.raises(ValueError, match="verb"):
        from_json(Order, text)


# --- sealed messages -----------------------------------------------------------------------------


def test_a_message_says_who_claims_to_have_sent_it():
    assert sender_of(seal(PROOF, key=KEY, sender="site.roma")) == "site.roma"


def test_a_forged_message_is_refused():
    message = seal(VALUES[5], key=OTHER_KEY, sender="hub")

    with pytest.raises(BadSeal, match="not signed"):
        unseal(Order, message, key=KEY.public_key())


def _changed(message: str, **parts: str) -> str:
    return json.dumps(json.loads(message) | parts)


def test_a_message_with_another_body_is_refused():
    message = seal(VALUES[5], key=KEY, sender="hub")
    body = json.loads(message)["body"].replace('"epoch":4', '"epoch":5')
    assert body != json.loads(message)["body"]

    with pytest.raises(BadSeal):
        unseal(Order, _changed(message, body=body), key=KEY.public_key())


def test_a_message_under_another_name_is_refused():
    message = seal(VALUES[8], key=KEY, sender="site.roma")

    with pytest.raises(BadSeal):
        unseal(Report, _changed(message, **{"from": "site.pisa"}), key=KEY.public_key())


def test_a_signature_of_another_message_is_refused():
    message, other = (seal(value, key=KEY, sender="hub") for value in (VALUES[5], VALUES[6]))
    signature = json.loads(other)["signature"]

    with pytest.raises(BadSeal):
        unseal(Order, _changed(message, signature=signature), key=KEY.public_key())


@given(position=st.integers(min_value=0, max_value=511))
def test_any_flipped_bit_of_a_signature_is_noticed(position):
    message = seal(PROOF, key=KEY, sender="hub")
    signature = bytearray(base64.b64decode(json.loads(message)["signature"]))
    signature[position // 8] ^= 1 << position % 8

    with pytest.raises(BadSeal):
        unseal(
            CleanProof,
            _changed(message, signature=base64.b64encode(signature).decode()),
            key=KEY.public_key(),
        )


def test_an_order_cannot_be_passed_off_as_a_report():
    order = Order(site="roma", verb="watch", issued_at=NOON)
    report = Report(site="roma", event="alive", at=NOON)
    as_report = seal(order, key=KEY, sender="roma")
    body_of_report = _changed(as_report, body=to_json(report))

    for message in (as_report, body_of_report):
        with pytest.raises(BadSeal):
            unseal(Report, message, key=KEY.public_key())


def test_values_of_the_same_fields_are_still_different_messages():
    """The shape is signed, not only the body: equal JSON under another shape does not pass."""

    @dataclasses.dataclass(frozen=True)
    class Twin:
        name: str

    @dataclasses.dataclass(frozen=True)
    class Sibling:
        name: str

    message = seal(Twin(name="x"), key=KEY, sender="hub")

    assert unseal(Twin, message, key=KEY.public_key()) == Twin(name="x")
    with pytest.raises(BadSeal):
        unseal(Sibling, message, key=KEY.public_key())


def test_a_signed_body_that_describes_nothing_is_refused():
    class Order:
        pass

    @dataclasses.dataclass(frozen=True)
    class Lookalike:
        site: int

    Lookalike.__name__ = "Order"
    from adapters.contract import wire

    with pytest.raises(BadSeal, match="malformed"):
        unseal(wire.Order, seal(Lookalike(site=1), key=KEY, sender="hub"), key=KEY.public_key())


@pytest.mark.parametrize(
    "message",
    [
        "",
        "{}",
        "[]",
        "null",
        "7",
        "not json",
        '{"from": "hub", "body": "{}"}',
        '{"from": "hub", "body": "{}", "signature": null}',
        '{"from": "hub", "body": "{}", "signature": "%%%"}',
        '{"from": "hub", "body": "{}", "signature": "AAAA"}',
        "\ud800",
        '{"from": "hub", "body": "\\ud800", "signature": "AAAA"}',
        pytest.param("[" * 100_000, id="deeply nested"),
    ],
)
def test_what_is_no_message_is_refused(message):
    with pytest.raises(BadSeal):
        unseal(Order, message, key=KEY.public_key())


def test_keys_survive_being_written_down():
    text = new_key()

    assert private_key(text).private_bytes_raw() == private_key(text).private_bytes_raw()
    public = public_key(public_text(private_key(text)))
    assert unseal(CleanProof, seal(PROOF, key=private_key(text), sender="x"), key=public) == PROOF
    assert new_key() != text


# --- values --------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_value_cannot_be_changed(value):
    name = dataclasses.fields(value)[0].name

    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, name, "other")


def test_neither_secrets_nor_files_are_shown_in_logs():
    assert "s3" not in repr(ACCESS)
    assert len(repr(LEASE.artefacts[0])) < 100


def test_everything_of_a_lease_carries_its_tag():
    assert LEASE.tag == "shary-7d3c"


def test_an_artefact_is_found_by_the_name_of_its_slot():
    assert LEASE.artefact("p4info") is LEASE.artefacts[0]
    assert LEASE.artefact("device_config") is None


def test_a_proof_without_checks_proves_nothing():
    assert not CleanProof(checks=(), verified_at=NOON, verifier="v").is_clean


def test_one_failed_check_spoils_the_proof():
    failed = Check(name="Sessions", expected="0", found="1", passed=False)

    assert PROOF.is_clean
    assert not dataclasses.replace(PROOF, checks=(*PROOF.checks, failed)).is_clean


@pytest.mark.parametrize(
    "change",
    [
        {"verifier": "somebody else"},
        {"verified_at": NOON + timedelta(seconds=1)},
        {"checks": ()},
        *(
            {"checks": (dataclasses.replace(PROOF.checks[0], **{field: value}),)}
            for field, value in (
                ("name", "x"),
                ("expected", "x"),
                ("found", "x"),
                ("passed", False),
                ("method", "x"),
            )
        ),
    ],
    ids=str,
)
def test_the_digest_of_a_proof_covers_all_of_it(change):
    assert dataclasses.replace(PROOF, **change).digest != PROOF.digest


def test_every_error_has_a_remedy_and_is_found_by_its_name():
    assert all(BY_NAME[name].__name__ == name for name in BY_NAME)
    assert {error.remedy for error in BY_NAME.values()} == set(Remedy)
    assert all(issubclass(error, AdapterError) for error in BY_NAME.values())
    assert OutcomeUnknown("x").remedy is Remedy.LOOK


# --- descriptions --------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class Form:
    host: str
    port: int = 22


DESCRIPTION = AdapterDescription(
    name="demo",
    title="Demo",
    kinds=("gpu",),
    settings=Form,
    attributes=Form,
    parameters=Form,
    artefacts=(
        ArtefactSlot(name="program", title="The program", required=True, max_bytes=4096),
        ArtefactSlot(name="notes", title="The notes", required=False, max_bytes=4096),
    ),
    check_artefacts=lambda parameters, artefacts: (
        (Problem(field="program", message="Empty."),) if not artefacts[0].content else ()
    ),
    preparation=timedelta(minutes=1),
    cleanup=timedelta(minutes=2),
    deadlines={"isolate": timedelta(seconds=10)},
)


def _file(name: str, content: bytes = b"x") -> Artefact:
    return Artefact(name=name, filename=name, sha256="0", content=content)


def _fields(problems) -> list[str]:
    return [problem.field for problem in problems]


def test_settings_have_a_problem_for_each_wrong_field():
    assert DESCRIPTION.check_settings({"host": "h", "port": 1}) == ()
    assert sorted(_fields(DESCRIPTION.check_settings({"port": "many", "colour": "red"}))) == [
        "colour",
        "host",
        "port",
    ]
    assert _fields(DESCRIPTION.check_attributes({"host": 7})) == ["host"]


def test_files_are_asked_for_by_their_slots():
    good = {"host": "h"}

    assert DESCRIPTION.check_parameters(good, [_file("program")]) == ()
    assert DESCRIPTION.check_parameters(good, [_file("program"), _file("notes")]) == ()
    assert _fields(DESCRIPTION.check_parameters(good)) == ["program"]
    assert _fields(DESCRIPTION.check_parameters(good, [_file("program"), _file("virus")])) == ["virus"]
    assert _fields(DESCRIPTION.check_parameters(good, [_file("program", b"x" * 4097)])) == ["program"]


def test_files_are_looked_into_only_when_all_else_is_right():
    assert _fields(DESCRIPTION.check_parameters({"host": "h"}, [_file("program", b"")])) == ["program"]
    assert _fields(DESCRIPTION.check_parameters({}, [_file("program", b"")])) == ["host"]


def test_a_verb_has_its_own_deadline_or_a_minute():
    assert DESCRIPTION.deadline_of("isolate") == timedelta(seconds=10)
    assert DESCRIPTION.deadline_of("release") == timedelta(minutes=1)


def test_the_catalogue_loads_no_device_library():
    """The portal imports it: a broken vendor library must not take the portal with it."""
    program = (
        "import sys; from adapters.catalogue import CATALOGUE; assert CATALOGUE;"
        f"print(*(n for n in {VENDOR_LIBRARIES!r} if n in sys.modules))"
    )

    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30
    )

    assert loaded.stdout.split() == []


def test_the_catalogue_names_each_adapter_as_it_names_itself():
    from adapters.catalogue import CATALOGUE

    for name, description in CATALOGUE.items():
        assert name == description.name
        assert description.kinds
        assert all(json.dumps(description.schema_of(p)) for p in ("settings", "attributes", "parameters"))


def test_an_unknown_adapter_is_refused_with_those_that_there_are():
    from adapters.errors import InvalidSettings
    from adapters.registry import adapter_class

    with pytest.raises(InvalidSettings, match="smart_nic_bluefield"):
        adapter_class("quantum")
