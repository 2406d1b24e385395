"""Which windows make sense at all, before any resource is looked at."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from reservations.errors import Invalid
from reservations.policy import LONGEST_LEASE, NOW_TOLERANCE, SHORTEST_LEASE
from reservations.words import say_length


@dataclass(frozen=True, slots=True)
class BookedWindow:
    """A half-open window `[starts_at, ends_at)`, aware."""

    starts_at: datetime
    ends_at: datetime

    @property
    def length(self) -> timedelta:
        """How long it is."""
        return self.ends_at - self.starts_at


def checked_window(starts_at: datetime | None, ends_at: datetime, *, now: datetime) -> BookedWindow:
    """Return the window that was asked for; no start means now.

    Raises `Invalid` for a window that is naive, in the past, empty, reversed, too short or absurd.
    """
    for name, moment in (("starts_at", starts_at), ("ends_at", ends_at)):
        if moment is not None and moment.tzinfo is None:
            raise Invalid({name: ["Give the time with its zone, such as 2030-01-31T14:00:00+01:00."]})
    if starts_at is None or now - NOW_TOLERANCE <= starts_at < now:
        starts_at = now
    if starts_at < now:
        raise Invalid({"starts_at": ["The start is in the past; leave it out to start now."]})
    check_length(starts_at, ends_at)
    return BookedWindow(starts_at, ends_at)


def check_length(starts_at: datetime, ends_at: datetime) -> None:
    """Raise `Invalid` for a window that is empty, reversed, too short or absurdly long."""
    if ends_at <= starts_at:
        raise Invalid({"ends_at": ["The end must come after the start."]})
    length = ends_at - starts_at
    if length < SHORTEST_LEASE:
        raise Invalid({"ends_at": [f"The shortest lease is {say_length(SHORTEST_LEASE)}; end it later."]})
    if length > LONGEST_LEASE:
        raise Invalid({"ends_at": ["No lease can be longer than a year; end it earlier."]})
