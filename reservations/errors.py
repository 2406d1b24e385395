"""Refusals. Each names the thing, the cause and the way out, and has a code that programs can rely on."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID


class Refusal(Exception):
    """The portal understood and says no. Nothing was changed."""

    code = "refused"
    status = 409

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Invalid(Refusal):
    """What was asked is malformed; `errors` says what is wrong with each field."""

    code = "invalid"
    status = 400

    def __init__(self, errors: dict[str, list[str]]) -> None:
        super().__init__(" ".join(message for messages in errors.values() for message in messages))
        self.errors = errors


class NotAllowed(Refusal):
    """The person may not do this."""

    code = "not_allowed"
    status = 403


class NotFound(Refusal):
    """There is no such thing, or it is not theirs to see."""

    code = "not_found"
    status = 404


class IllegalMove(Refusal):
    """The lease is not in a state from which this can be done."""

    code = "illegal_move"


class SeriesClash(Refusal):
    """Some occurrences of a series cannot be booked; `occurrences` says how things stand for each."""

    code = "series_clash"

    def __init__(self, message: str, occurrences: Sequence[Any]) -> None:
        super().__init__(message)
        self.occurrences = tuple(occurrences)


class NeedsSecondPerson(Refusal):
    """It was noted, and is done as soon as a second person confirms it."""

    code = "second_person"


class LeasesInTheWay(Refusal):
    """Maintenance never silently takes a booked slot."""

    code = "leases_in_the_way"

    def __init__(self, message: str, leases: Sequence[UUID]) -> None:
        super().__init__(message)
        self.leases = tuple(leases)


Reason = Literal[
    "taken",
    "held",
    "maintenance",
    "quarantined",
    "unhealthy",
    "not_enough",
    "unknown",
    "limit",
    "policy",
    "closed",
    "unconnected",
    "no_vlan",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class WishRefusal:
    """Why one of the asked resources cannot be had."""

    wish: int | None
    """The place of the ask in the request; None when it is about the whole."""
    reason: Reason
    message: str
    resource: UUID | None = None
    resource_name: str = ""
    never: bool = False
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A window that would work, with the resources that it would take."""

    starts_at: datetime
    ends_at: datetime
    resources: tuple[UUID, ...] = ()


@dataclass(slots=True)
class CannotBook(Refusal):
    """The bundle cannot be booked as asked: why for each resource, and what would work instead."""

    refusals: tuple[WishRefusal, ...]
    alternatives: tuple[Window, ...] = field(default_factory=tuple)

    code = "cannot_book"
    status = 409

    def __post_init__(self) -> None:
        Refusal.__init__(self, " ".join(refusal.message for refusal in self.refusals))

    @property
    def never(self) -> bool:
        """Whether no window would ever work."""
        return any(refusal.never for refusal in self.refusals)
