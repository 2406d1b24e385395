"""The phase of a reservation, summed up from its leases: it has no status of its own."""

from collections.abc import Collection
from enum import StrEnum

from reservations.states import Status


class Phase(StrEnum):
    """Where a reservation is, in a word."""

    ASKED = "asked"
    SCHEDULED = "scheduled"
    PREPARING = "preparing"
    ACTIVE = "active"
    CLEANING = "cleaning"
    OVER = "over"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    TROUBLE = "trouble"


# The first rule whose states all occur among the leases says the phase. What somebody has to look at
# comes before what goes by itself, and what goes on comes before what is over.
RULES: tuple[tuple[frozenset[Status], Phase], ...] = (
    (frozenset({Status.RELEASE_FAILED}), Phase.TROUBLE),
    (frozenset({Status.REQUESTED}), Phase.ASKED),
    (frozenset({Status.PROVISIONING}), Phase.PREPARING),
    (frozenset({Status.ACTIVE, Status.SCHEDULED}), Phase.PREPARING),
    (frozenset({Status.ACTIVE}), Phase.ACTIVE),
    (frozenset({Status.SCHEDULED}), Phase.SCHEDULED),
    (frozenset({Status.RELEASING}), Phase.CLEANING),
    (frozenset({Status.REJECTED}), Phase.REJECTED),
    (frozenset({Status.RELEASED}), Phase.OVER),
    (frozenset({Status.CANCELLED}), Phase.CANCELLED),
)


def phase_of(statuses: Collection[str]) -> Phase:
    """Return the phase of a reservation whose leases are in these states."""
    present = set(statuses)
    return next((phase for needed, phase in RULES if needed <= present), Phase.CANCELLED)
