"""How far a reservation could be extended now."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from django.db import connection

from accounts.limits import Limits
from reservations.models import Reservation
from reservations.policy import LONGEST_LEASE
from reservations.states import HOLDING

_NEXT = """
SELECT min(lower(e.occupies) - l.cleanup_s * interval '1 second')
FROM reservations_lease l
JOIN reservations_calendarentry mine ON mine.lease_id = l.id AND mine.exclusive AND mine.holding
JOIN reservations_calendarentry e
  ON e.resource_id = mine.resource_id AND e.holding AND e.exclusive AND e.id <> mine.id
 AND lower(e.occupies) >= upper(mine.occupies)
WHERE l.reservation_id = %s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """How far a reservation could be extended, and what comes then."""

    latest: datetime
    because: Literal["taken", "limit"]
    """Somebody else comes, or maintenance; or the site or the project allows no more."""


def extension_of(reservation: Reservation, *, now: datetime) -> Extension | None:
    """Return the latest end that all its leases could have, or None if it cannot be extended.

    The next booking or maintenance on any of its devices, and the longest lease that the sites and
    the project allow, set it. It may be taken by somebody else the moment after.
    """
    leases = [lease for lease in reservation.leases.all() if lease.status in HOLDING]
    if not leases or reservation.ends_at <= now:
        return None
    limits: list[Limits] = [reservation.project, *(lease.resource.site for lease in leases)]
    longest = min(
        (limit.longest_lease for limit in limits if limit.longest_lease is not None), default=LONGEST_LEASE
    )
    latest, because = reservation.starts_at + min(longest, LONGEST_LEASE), "limit"
    with connection.cursor() as cursor:
        cursor.execute(_NEXT, [reservation.pk])
        (next_taken,) = cursor.fetchone()
    if next_taken is not None and next_taken < latest:
        latest, because = next_taken, "taken"
    latest = latest.replace(second=0, microsecond=0)
    if latest < reservation.ends_at + timedelta(minutes=1):
        return None
    return Extension(latest=latest, because="taken" if because == "taken" else "limit")


def latest_end(reservation: Reservation, *, now: datetime) -> datetime | None:
    """Return the latest end that all its leases could have, or None if it cannot be extended."""
    extension = extension_of(reservation, now=now)
    return extension.latest if extension else None
