"""How much leases used their devices."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from django.db import connection
from django.db.models import Max, Q, Sum

from reservations.measured import (
    DAY_S,
    IDLE_BELOW_PERCENT,
    IDLE_FOR,
    STEPS_S,
    Measured,
    UseSummary,
    idle_since,
    is_utilisation,
    join,
)
from reservations.models import Lease, LeaseUse
from reservations.packing import names_in, unpack
from reservations.states import Status

_LOOK_BACK = timedelta(days=2)
_MOST_POINTS = 480


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleLease:
    """A lease that holds its device and does nothing with it."""

    lease_id: UUID
    since: datetime
    """At the latest; who looks further back than two days may find an earlier moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectUse:
    """What a project had, and what it made of it, in hours times devices."""

    project_id: int
    booked_h: float
    """From the opening of access to its closing."""
    measured_h: float
    """Of these, how much was measured."""
    used_h: float
    """Of the measured ones, each weighed by how busy the device was."""


def use_of(
    lease_id: UUID,
    *,
    step_s: int | None = None,
    since: date | None = None,
    only_utilisation: bool = False,
) -> Measured:
    """Return what was measured of a lease; without a step, with the finest that gives a readable chart."""
    rows = LeaseUse.objects.filter(lease_id=lease_id)
    if since is not None:
        rows = rows.filter(day__gte=since)
    found = rows.order_by("day").values_list("day", "step_s", "packed")
    days = [(day, own, bytes(packed)) for day, own, packed in found]
    return _joined(days, step_s=step_s or _readable(days), only_utilisation=only_utilisation)


def use_summary(lease_id: UUID) -> UseSummary:
    """Return a lease's use in a few numbers, which no folding changes."""
    found = LeaseUse.objects.filter(lease_id=lease_id).aggregate(
        devices=Max("devices"), measured_s=Sum("measured_s"), busy_s=Sum("busy_s"), updated_at=Max("updated_at")
    )
    unmeasured = (
        LeaseUse.objects.filter(lease_id=lease_id).order_by("-day").values_list("unmeasured", flat=True)
    )
    return UseSummary(
        devices=found["devices"] or 0,
        measured_s=found["measured_s"] or 0.0,
        busy_s=found["busy_s"] or 0.0,
        unmeasured=unmeasured.first() or "",
        updated_at=found["updated_at"],
    )


def idle_leases(
    now: datetime, *, below_percent: float = IDLE_BELOW_PERCENT, at_least: timedelta = IDLE_FOR
) -> list[IdleLease]:
    """Return the active leases all of whose cards have been idle for so long, longest first; one statement.

    What is not measured is not idle.
    """
    earliest = (now - max(at_least, _LOOK_BACK)).date()
    rows = (
        LeaseUse.objects.filter(
            Q(lease__opened_at__lte=now - at_least),
            lease__status=Status.ACTIVE,
            day__gte=earliest,
            devices__gt=0,
        )
        .order_by("lease_id", "day")
        .values_list("lease_id", "day", "step_s", "packed")
    )
    by_lease: dict[UUID, list[tuple[date, int, bytes]]] = {}
    for lease_id, day, step_s, packed in rows:
        by_lease.setdefault(lease_id, []).append((day, step_s, bytes(packed)))
    found = []
    for lease_id, days in by_lease.items():
        measured = _joined(days, step_s=STEPS_S[0], only_utilisation=True)
        since = idle_since(measured, now=now, below_percent=below_percent, at_least=at_least)
        if since is not None:
            found.append(IdleLease(lease_id=lease_id, since=since))
    return sorted(found, key=lambda each: each.since)


def idle_since_of(lease: Lease, *, now: datetime) -> datetime | None:
    """Return since when an active lease has been idle; None when it is not, or nobody knows."""
    if lease.status != Status.ACTIVE:
        return None
    measured = use_of(lease.pk, step_s=STEPS_S[0], since=(now - _LOOK_BACK).date(), only_utilisation=True)
    return idle_since(measured, now=now)


def use_by_project(*, since: datetime, until: datetime, site_id: int | None = None) -> list[ProjectUse]:
    """Return what each project had and used between two moments, the largest first; one statement.

    A host counts as often as it has cards that tell how busy they are. What was used is known by days (UTC).
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _BY_PROJECT,
            {
                "since": since,
                "until": until,
                "first": since.astimezone(UTC).date(),
                "last": (until - timedelta(microseconds=1)).astimezone(UTC).date(),
                "site": site_id,
            },
        )
        return [
            ProjectUse(project_id=project, booked_h=booked, measured_h=measured, used_h=used)
            for project, booked, measured, used in cursor.fetchall()
        ]


_BY_PROJECT = """
WITH used AS (
    SELECT lease_id, max(devices) AS devices, sum(measured_s) AS measured_s, sum(busy_s) AS busy_s
    FROM reservations_leaseuse WHERE day BETWEEN %(first)s AND %(last)s GROUP BY lease_id
)
SELECT reservation.project_id,
    (sum(extract(epoch FROM least(coalesce(lease.isolated_at, lease.ends_at), %(until)s)
        - greatest(lease.opened_at, %(since)s)) * greatest(used.devices, 1)) / 3600)::float8,
    (coalesce(sum(used.measured_s), 0) / 3600)::float8,
    (coalesce(sum(used.busy_s), 0) / 3600)::float8
FROM reservations_lease lease
JOIN reservations_reservation reservation ON reservation.id = lease.reservation_id
JOIN resources_resource resource ON resource.id = lease.resource_id
LEFT JOIN used ON used.lease_id = lease.id
WHERE lease.opened_at < %(until)s AND coalesce(lease.isolated_at, lease.ends_at) > %(since)s
    AND (%(site)s::bigint IS NULL OR resource.site_id = %(site)s::bigint)
GROUP BY reservation.project_id ORDER BY 2 DESC, 1
"""

_Days = Sequence[tuple[date, int, bytes]]


def _joined(days: Iterable[tuple[date, int, bytes]], *, step_s: int, only_utilisation: bool) -> Measured:
    return join(
        (
            (datetime.combine(day, time(0), UTC), own, _columns(packed, only_utilisation))
            for day, own, packed in days
        ),
        step_s=step_s,
    )


def _columns(packed: bytes, only_utilisation: bool) -> dict[str, list[float | None]]:
    only = [name for name in names_in(packed) if is_utilisation(name)] if only_utilisation else None
    return unpack(packed, only=only)


def _readable(days: _Days) -> int:
    """Return the finest step with which the days make no more points than a chart can show."""
    if not days:
        return STEPS_S[0]
    if len(days) <= 2:
        # A lease of some hours may lie on two days: what counts is what was measured.
        span_s = _joined(days, step_s=STEPS_S[0], only_utilisation=False).length * days[0][1]
    else:
        span_s = ((days[-1][0] - days[0][0]).days + 1) * DAY_S
    return next((step for step in STEPS_S if span_s / step <= _MOST_POINTS), STEPS_S[-1])
