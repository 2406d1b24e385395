"""How much a project may book, at a site and in all."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection

from accounts.limits import Limits
from accounts.models import Project
from reservations.errors import WishRefusal
from reservations.services.windows import BookedWindow
from reservations.words import say_length, say_moment
from resources.models import Site


@dataclass(frozen=True, slots=True)
class Use:
    """What a project has booked and not yet used up."""

    reservations: int = 0
    booked: timedelta = timedelta()


_USE = """
SELECT r.site_id, count(DISTINCT v.id),
       coalesce(sum(l.ends_at - greatest(l.starts_at, %(now)s)), interval '0')
FROM reservations_reservation v
JOIN reservations_lease l ON l.reservation_id = v.id
JOIN resources_resource r ON r.id = l.resource_id
WHERE v.project_id = %(project)s AND v.ends_at > %(now)s AND l.ends_at > %(now)s
  AND l.status NOT IN ('REJECTED', 'CANCELLED', 'RELEASED') AND v.id <> ALL(%(ignoring)s)
GROUP BY GROUPING SETS ((r.site_id), ())
"""


def use_of(project: Project, *, now: datetime, ignoring: Sequence[UUID] = ()) -> dict[int | None, Use]:
    """Return what the project has booked at each site (by its key) and in all (None)."""
    with connection.cursor() as cursor:
        cursor.execute(_USE, {"project": project.pk, "now": now, "ignoring": list(ignoring)})
        return {row[0]: Use(row[1], row[2]) for row in cursor.fetchall()}


def limit_refusals(
    *,
    project: Project,
    sites: Iterable[Site],
    window: BookedWindow,
    now: datetime,
    zone: str,
    ignoring: Sequence[UUID] = (),
    use: Mapping[int | None, Use] | None = None,
) -> list[WishRefusal]:
    """Return which limits a booking would break. `sites` names a site once for each of its leases.

    `ignoring` are reservations whose present booking does not count, because it is being changed. `use` is what
    is booked, where the caller knows it already.
    """
    leases_at = Counter(sites)
    holders: list[tuple[str, Limits, int | None, int]] = [
        (f"{site.name}", site, site.pk, count) for site, count in leases_at.items()
    ]
    holders.append((f"The project {project.name}", project, None, sum(leases_at.values())))
    counts = any(limits.most_open_reservations or limits.most_hours for _, limits, _, _ in holders)
    if use is None:
        use = use_of(project, now=now, ignoring=ignoring) if counts else {}
    refusals = []
    for who, limits, key, count in holders:
        refusals += broken_limits(who, limits, use.get(key, Use()), count, window, now, zone)
    return refusals


def with_booking(
    use: Mapping[int | None, Use], *, sites: Iterable[Site], window: BookedWindow
) -> dict[int | None, Use]:
    """Return what is booked once another booking is made. `sites` names a site once for each of its leases."""
    found = dict(use)
    counted: Counter[int | None] = Counter(site.pk for site in sites)
    counted[None] = counted.total()
    for key, count in counted.items():
        before = found.get(key, Use())
        found[key] = Use(before.reservations + 1, before.booked + window.length * count)
    return found


def is_too_far(*, project: Project, sites: Iterable[Site], window: BookedWindow, now: datetime) -> bool:
    """Whether a window lies beyond how far ahead may be booked, so that waiting would help."""
    return any(
        limits.look_ahead is not None and window.starts_at > now + limits.look_ahead
        for limits in (project, *sites)
    )


def broken_limits(
    who: str, limits: Limits, use: Use, count: int, window: BookedWindow, now: datetime, zone: str
) -> list[WishRefusal]:
    """Return which of one site's or one project's limits a booking would break, given what is booked already."""
    broken = []
    if limits.longest_lease is not None and window.length > limits.longest_lease:
        longest = say_length(limits.longest_lease)
        broken.append((f"{who} allows leases of at most {longest}; end it earlier.", True))
    if limits.look_ahead is not None and window.starts_at > now + limits.look_ahead:
        latest = say_moment(now + limits.look_ahead, zone)
        broken.append((f"{who} can be booked until {latest}; start by then.", False))
    if limits.most_open_reservations is not None and use.reservations >= limits.most_open_reservations:
        broken.append(
            (
                f"{who} allows {limits.most_open_reservations} unfinished reservations and there are"
                f" {use.reservations}; end or cancel one first.",
                False,
            )
        )
    if limits.most_booked is not None and use.booked + window.length * count > limits.most_booked:
        left = max(limits.most_booked - use.booked, timedelta())
        asked = say_length(window.length * count)
        broken.append(
            (
                f"{who} allows {limits.most_hours} device-hours booked ahead; {say_length(left)} are left and"
                f" this asks for {asked}.",
                False,
            )
        )
    return [WishRefusal(wish=None, reason="limit", message=message, never=never) for message, never in broken]
