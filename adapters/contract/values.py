"""The frozen values that cross between the portal, the sites and the adapters.

Every value is a plain dataclass that pydantic can turn into JSON and back without loss
(`adapters.contract.wire`). Moments are aware and in UTC, identifiers are strings.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Literal

from pydantic import ConfigDict

Json = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who uses the lease."""

    username: str
    project: str
    ssh_keys: tuple[str, ...] = ()
    """Public keys in OpenSSH's one-line form, checked by the portal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    """A file that the holder gave for the device, such as a P4Info."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    name: str
    """The name of the parameter that asked for it: `p4info`, `device_config`."""
    filename: str
    sha256: str
    content: bytes

    def __repr__(self) -> str:
        return f"Artefact(name={self.name!r}, sha256={self.sha256[:12]!r}, {len(self.content)} bytes)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One device, or one bookable part of a device, as the adapter must address it."""

    resource_id: str
    name: str
    kind: str
    adapter: str
    settings: Json
    """The adapter's settings: those of the whole device, overlaid by those of the part."""
    attributes: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A cable between the lease's device and another device of the same reservation."""

    port: str
    """The port here, as the site's topology names it."""
    peer: str
    """The resource at the other end."""
    peer_name: str
    peer_port: str
    vlan: int | None = None
    """The VLAN that was allotted to the reservation for this link; None where it is a bare cable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseOrder:
    """All that an adapter needs to know of a lease."""

    lease_id: str
    epoch: int
    """The fencing token: each hand-over of a device has a higher one than all before it."""
    revision: int
    """Counts the orders of one lease; a lower one than the last seen is stale."""
    target: Target
    covers: tuple[str, ...]
    """The resource and all its parts: what this lease takes with it."""
    holder: Holder
    starts_at: datetime
    ends_at: datetime
    parameters: Json = field(default_factory=dict)
    """What the holder chose, valid against the adapter's `parameters`."""
    artefacts: tuple[Artefact, ...] = ()
    links: tuple[Link, ...] = ()
    """How the device is wired to the reservation's other devices."""

    @property
    def tag(self) -> str:
        """The name of everything on the device that belongs to this lease."""
        return f"shary-{self.lease_id}"

    def artefact(self, name: str) -> Artefact | None:
        """Return the artefact given for the parameter, or None."""
        return next((artefact for artefact in self.artefacts if artefact.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One way in for the holder."""

    label: str
    protocol: str
    """`ssh`, `p4runtime`, `redfish`, `https` …"""
    host: str
    port: int
    username: str = ""
    secret: str = field(default="", repr=False)
    """A credential that lives as long as the lease. Prefer the holder's own ssh key."""
    command: str = ""
    """What the holder can paste into a terminal, complete."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessFile:
    """A file that the holder saves and names in a command, such as a certificate."""

    name: str
    content: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How the holder gets in, from `starts_at` to `ends_at`."""

    instructions: str
    endpoints: tuple[Endpoint, ...] = ()
    files: tuple[AccessFile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What a look at the device showed. Looking changes nothing."""

    healthy: bool
    carries: str | None
    """The id of the lease found on the device; None when it carries none."""
    epoch: int | None = None
    """The epoch of the hand-over that has the device; alone, without `carries`, it says that the holder
    has taken the lease's mark off, as a program of their own does."""
    detail: str = ""
    measurements: Mapping[str, float] = field(default_factory=dict)
    """Numbers with their unit in the name: `memory_used_mib`, `utilisation_percent`; of a counter, which
    only ever rises, the name ends in `_total`.

    Those taken while a lease is open become the lease's measured use.
    """
    unmeasured: str = ""
    """Why the load cannot be measured, such as a card that a virtual machine has; empty when it can."""
    unfit: str = ""
    """Why the device must not be lent until an operator has looked, such as an uncorrectable memory
    error; empty when it may be. `healthy` may come back by itself, this may not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at to prove a device clean."""

    name: str
    expected: str
    found: str
    passed: bool
    method: str = ""
    """How it was looked at; by another path than the one that cleaned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanProof:
    """The evidence that nothing of the holder remains."""

    checks: tuple[Check, ...]
    verified_at: datetime
    verifier: str
    """Who looked: the adapter and its version, or an operator."""

    @property
    def is_clean(self) -> bool:
        """A proof needs at least one check, and every check must have passed."""
        return bool(self.checks) and all(check.passed for check in self.checks)

    @property
    def digest(self) -> str:
        """SHA-256 over the checks, in hexadecimal."""
        text = "\n".join(f"{c.name}\t{c.expected}\t{c.found}\t{c.passed}\t{c.method}" for c in self.checks)
        return hashlib.sha256(f"{self.verified_at.isoformat()}\n{self.verifier}\n{text}".encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What came of trying a lease's files before its start, on something that is not the device."""

    passed: bool
    steps: tuple[Check, ...]
    """What was tried, in order, up to the first that failed."""
    stage: str
    """What it was tried on, in words for the holder: “an emulated P4Runtime switch”."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundDevice:
    """A device that `discover` met, for the operator to accept."""

    name: str
    kind: str
    model: str
    serial: str = ""
    attributes: Json = field(default_factory=dict)
    settings: Json = field(default_factory=dict)
    parts: tuple["FoundDevice", ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UseBlock:
    """How much a lease used its device, at even steps over a span of time."""

    began_at: datetime
    step_s: int
    columns: Mapping[str, tuple[float | None, ...]]
    """Each measurement's mean per step, oldest first, all of one length; None where nothing was seen.

    Beside each `utilisation_percent` stands the highest of the step as `utilisation_percent_max`. Of a
    counter, whose name ends in `_total`, there is the rise per second: `cpu_seconds_per_s`. A host with
    many cards has a column for each, with the card's address before the name.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong with one field of a form, in words that say how to mend it."""

    field: str
    """A dotted path: `port`, `image.alias`; empty when it is about the whole."""
    message: str


ErrorName = Literal["InvalidSettings", "DeviceRefused", "DeviceUnreachable", "DeviceBusy", "OutcomeUnknown"]
