"""What another policy would have made of the bookings that there were: pure, over rows.

The bookings are played again in the order in which they came, against the same limits as when somebody books.
One that would have been refused holds nothing, so that those after it find more room.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from accounts.limits import Limits
from reservations.services.limits import Use, broken_limits
from reservations.services.windows import BookedWindow


@dataclass(frozen=True, slots=True, kw_only=True)
class PastBooking:
    """One reservation at the site, as far as limits look at it."""

    reservation: UUID
    project: str
    purpose: str = ""
    booked_at: datetime
    starts_at: datetime
    ends_at: datetime
    devices: int
    over_at: datetime | None = None
    """When it was given up or proven clean; from then on it counts no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WouldBeRefused:
    """One that the policy would have refused, and in which words."""

    booking: PastBooking
    why: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class Replayed:
    """What the policy would have made of them."""

    looked_at: int = 0
    refused: list[WouldBeRefused] = field(default_factory=list)

    @property
    def keys(self) -> set[UUID]:
        """The reservations that would have been refused."""
        return {each.booking.reservation for each in self.refused}


def replay(
    bookings: Iterable[PastBooking], limits: Limits, *, site: str, since: datetime, zone: str
) -> Replayed:
    """Play the bookings again under the limits of a site; those from before `since` only take up room."""
    replayed = Replayed()
    holding: dict[str, list[PastBooking]] = defaultdict(list)
    for booking in sorted(bookings, key=lambda each: (each.booked_at, each.reservation)):
        now = booking.booked_at
        held = holding[booking.project] = [each for each in holding[booking.project] if _holds(each, now)]
        if now >= since:
            replayed.looked_at += 1
            window = BookedWindow(max(booking.starts_at, now), max(booking.ends_at, now))
            broken = broken_limits(site, limits, _use(held, now), booking.devices, window, now, zone)
            if broken:
                why = tuple(refusal.message for refusal in broken)
                replayed.refused.append(WouldBeRefused(booking=booking, why=why))
                continue
        held.append(booking)
    return replayed


def _holds(booking: PastBooking, now: datetime) -> bool:
    return booking.ends_at > now and (booking.over_at is None or booking.over_at > now)


def _use(held: Sequence[PastBooking], now: datetime) -> Use:
    booked = sum(
        ((each.ends_at - max(each.starts_at, now)) * each.devices for each in held),
        timedelta(),
    )
    return Use(len(held), booked)
