"""What the journal knows of a lease, and what is to be done about it next. Pure: no clock, no device."""

from dataclasses import dataclass, replace
from typing import Literal

Wanted = Literal["held", "released", "closed"]
"""What the hub wants; `closed`: a later lease took the device over, only access has to be shut."""
Phase = Literal["new", "ready", "open", "isolated", "clean", "fenced"]
Verb = Literal["isolate", "admit", "release", "provision", "observe"]

OVER: frozenset[str] = frozenset({"clean", "fenced"})
RANK: dict[str, int] = {"isolate": 0, "admit": 1, "release": 2, "provision": 3, "observe": 4}
"""Ends before starts, people at the door before preparation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A lease as the journal has it; moments are seconds since 1970."""

    lease_id: str
    epoch: int
    revision: int
    resource_id: str
    adapter: str
    starts_at: float
    ends_at: float
    wanted: Wanted
    phase: Phase = "new"
    may_be_open: bool = False
    """Set before access is opened, cleared only after it was closed."""
    unsure: bool = False
    """A call went out and its outcome is not known: look before acting."""
    renew: bool = False
    """The order changed while access is open: hand it to the device again."""
    gave_up: bool = False
    attempts: int = 0
    since: float = 0.0
    """When the present row of failures began; 0 without one."""
    tried: str = ""
    """The verb that failed last."""
    retry_at: float = 0.0
    drifts: int = 0
    access: str | None = None
    proof: str | None = None
    failure: str | None = None
    ready_at: float | None = None
    opened_at: float | None = None
    isolated_at: float | None = None

    def succeeded(self) -> "Lease":
        """Return the lease with its row of failures forgotten."""
        return replace(self, attempts=0, since=0.0, tried="", retry_at=0.0, unsure=False, failure=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The next thing to do, and not before when."""

    verb: Verb
    due_at: float


def next_step(lease: Lease, now: float) -> Step | None:
    """Return what is to be done next for the lease; None when the next word is the hub's."""
    if lease.phase in OVER:
        return None
    if lease.wanted == "held":
        step = _held(lease, now)
        # Whatever else is planned, the end is the latest moment to look at the lease again.
        if step is not None and now < lease.ends_at < step.due_at:
            return replace(step, due_at=lease.ends_at)
        return step
    if lease.wanted == "closed":
        return _isolate(lease, 0.0)
    if lease.gave_up:
        return _isolate(lease, 0.0) if lease.may_be_open else None
    if lease.may_be_open or lease.phase != "isolated":
        return _isolate(lease, 0.0)
    return Step(verb="observe" if lease.unsure else "release", due_at=lease.retry_at)


def _held(lease: Lease, now: float) -> Step | None:
    if now >= lease.ends_at or lease.gave_up:
        if lease.may_be_open or not (lease.phase == "isolated" or lease.gave_up):
            return _isolate(lease, lease.ends_at)
        return None
    if lease.unsure:
        return Step(verb="observe", due_at=lease.retry_at)
    if lease.phase == "new" or lease.renew or lease.access is None:
        return Step(verb="provision", due_at=lease.retry_at)
    if lease.phase == "open":
        return _isolate(lease, lease.ends_at)
    return Step(verb="admit", due_at=max(lease.starts_at, lease.retry_at))


def _isolate(lease: Lease, not_before: float) -> Step:
    # The wait after another verb's failure is no reason to leave access open.
    waited = lease.retry_at if lease.tried == "isolate" else 0.0
    return Step(verb="isolate", due_at=max(not_before, waited))
