"""Signed messages between the hub and the sites.

A message is JSON, sealed with Ed25519 (RFC 8032). The broker between the two is trusted with
nothing: whoever can write to it can delay or drop a message, but neither make nor change one.
"""

import base64
import json
import uuid
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any, Literal, TypeVar, cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import TypeAdapter, ValidationError

from adapters.contract.values import (
    Access,
    Artefact,
    CleanProof,
    ErrorName,
    FoundDevice,
    LeaseOrder,
    Observation,
    Rehearsal,
    Target,
    UseBlock,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the hub wants to be true at a site. Sent again until the site reports that it is.

    `hold`: be ready for the lease, open access at its start, close it at its end.
    `release`: close access now, clean, prove. `watch`: these are the site's devices, look at
    each of them regularly. `discover`: say what is found behind these settings. `reshape`: cut
    the one target, which is idle, into the parts that `geometry` names. `rehearse`: try the files
    of the lease, long before its start, on something that is not the device. `build`: make of the
    source in `files` the files that the one target takes.
    """

    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    site: str
    verb: Literal["hold", "release", "watch", "discover", "reshape", "rehearse", "build"]
    issued_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    lease: LeaseOrder | None = None
    targets: tuple[Target, ...] = ()
    geometry: tuple[str, ...] = ()
    """The profiles that a card is to be cut into, such as `3g.40gb`; empty for the whole card."""
    epoch: int | None = None
    """Of a `reshape`: it fences the target and its parts as a hand-over does."""
    covers: tuple[str, ...] = ()
    """Of a `reshape`: the target and all its parts as they are now. Of a `watch`: those to look at at once."""
    files: tuple[Artefact, ...] = ()
    """Of a `build`: the source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a verb did not reach its promise."""

    error: ErrorName
    remedy: Literal["stop", "retry", "look"]
    verb: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a site says. The same report may arrive many times, late, and out of order.

    `prepared`: ready, access closed. `opened` / `isolated`: access was opened / closed at `at`.
    `clean`: released, with its proof. `failed`: a verb gave up or is being tried again (see
    `failure`); `final` says that the site will not try again by itself. `stale`: the order was
    refused for its epoch or revision. `used`: how much a lease used its device. `reshaped`: the
    card with its parts as they are now, or why it could not be cut. `rehearsed`: how the trial of a
    lease's files went. `built`: the files made, or why the source could not be built (`detail` names
    the order). `observed`, `discovered`, `alive`: as they say.
    """

    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    site: str
    event: Literal[
        "prepared",
        "opened",
        "isolated",
        "clean",
        "failed",
        "stale",
        "used",
        "observed",
        "discovered",
        "reshaped",
        "rehearsed",
        "built",
        "alive",
    ]
    at: datetime
    lease_id: str | None = None
    epoch: int | None = None
    revision: int | None = None
    resource_id: str | None = None
    access: Access | None = None
    proof: CleanProof | None = None
    failure: Failure | None = None
    final: bool = False
    observation: Observation | None = None
    devices: tuple[FoundDevice, ...] = ()
    use: UseBlock | None = None
    rehearsal: Rehearsal | None = None
    files: tuple[Artefact, ...] = ()
    detail: Mapping[str, Any] = field(default_factory=dict)


class BadSeal(Exception):
    """The message was not made by whom it claims, or was changed on the way."""


@cache
def _codec(shape: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(cast(Any, shape))


def to_json(value: object) -> str:
    """Return the JSON of a contract value."""
    return _codec(cast(Hashable, type(value))).dump_json(value).decode()


def from_json(shape: type[T], text: str | bytes) -> T:
    """Return the contract value that the JSON describes; raise ValueError when it describes none."""
    try:
        value: T = _codec(cast(Hashable, shape)).validate_json(text)
    except ValidationError as error:
        raise ValueError(str(error)) from error
    return value


def seal(value: object, *, key: Ed25519PrivateKey, sender: str) -> str:
    """Return the signed message that carries a contract value."""
    body = to_json(value)
    signature = key.sign(_signed_bytes(type(value).__name__, sender, body))
    return json.dumps({"from": sender, "body": body, "signature": base64.b64encode(signature).decode()})


def sender_of(message: str) -> str:
    """Return who claims to have sent the message, to find their key; proves nothing."""
    return _parts(message)[0]


def unseal(shape: type[T], message: str, *, key: Ed25519PublicKey) -> T:
    """Return the value that the message carries.

    Raises `BadSeal` when the signature is not the key's, or the message is no message.
    """
    sender, body, signature = _parts(message)
    try:
        key.verify(signature, _signed_bytes(shape.__name__, sender, body))
    except InvalidSignature as error:
        raise BadSeal(f"The {shape.__name__} said to be from “{sender}” is not signed by its key.") from error
    try:
        return from_json(shape, body)
    except ValueError as error:
        raise BadSeal(f"The {shape.__name__} from “{sender}” is signed but malformed: {error}") from error


def new_key() -> str:
    """Return a new private key as text, to be kept secret."""
    return base64.b64encode(Ed25519PrivateKey.generate().private_bytes_raw()).decode()


def private_key(text: str) -> Ed25519PrivateKey:
    """Return the private key that `new_key` wrote down."""
    return Ed25519PrivateKey.from_private_bytes(base64.b64decode(text))


def public_key(text: str) -> Ed25519PublicKey:
    """Return the public key from its text."""
    return Ed25519PublicKey.from_public_bytes(base64.b64decode(text))


def public_text(key: Ed25519PrivateKey) -> str:
    """Return the public half of a private key as text, to be handed to the other side."""
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def _signed_bytes(shape: str, sender: str, body: str) -> bytes:
    # The shape and the sender are signed too: an order can never be passed off as a report.
    # What is no text (a lone surrogate) has to fail as a wrong seal, not on the way to it.
    return f"shary/1\n{shape}\n{sender}\n{body}".encode(errors="surrogatepass")


def _parts(message: str) -> tuple[str, str, bytes]:
    try:
        parts = json.loads(message)
        return str(parts["from"]), str(parts["body"]), base64.b64decode(parts["signature"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadSeal(f"Not a sealed message: {error}") from error
