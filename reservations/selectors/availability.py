"""What is free, what is taken, and until when."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import OuterRef, Q, Subquery

from accounts.models import User
from resources.models import Cover, ModelSpeed, Resource


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which resources would do. An empty field means any."""

    kind: str = ""
    model: str = ""
    site: str = ""
    minimum: Mapping[str, float] | None = None
    """Least values of numeric attributes: `{"memory_gib": 40}`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBy:
    """Which holds keep a device from being had: all of them, or those of others that still last."""

    now: datetime | None = None
    by_others_than: User | None = None

    @property
    def parameters(self) -> dict[str, Any]:
        """What the statements need to know of it."""
        person = self.by_others_than
        return {
            "held_after": self.now or datetime(1970, 1, 1, tzinfo=UTC),
            "held_not_by": -1 if person is None or person.pk is None else person.pk,
        }


HELD_BY_ANYBODY = HeldBy()

# Holds are few: this is asked once and then looked up.
_COUNTS = """(e.hold_id IS NULL OR e.hold_id IN (
    SELECT id FROM reservations_hold
    WHERE over_at IS NULL AND expires_at > %(held_after)s AND holder_id <> %(held_not_by)s))"""


RELATIVE_SPEED = "relative_speed"
"""How quick a model is beside the one that counts as 1: asked for like an attribute, kept beside the devices."""


def resources_that_could_do(named: Collection[UUID], sorts: Sequence[Wanted]) -> list[Resource]:
    """Return the resources in service that are named or of one of the sorts, whoever has them; one statement."""
    found = Resource.objects.select_related("site").filter(in_service=True, quarantined_at__isnull=True)
    if any(RELATIVE_SPEED in (wanted.minimum or {}) for wanted in sorts):
        speed = ModelSpeed.objects.filter(kind=OuterRef("kind"), model__iexact=OuterRef("model"))
        found = found.annotate(relative_speed=Subquery(speed.values("factor")[:1]))
    would_do = Q(pk__in=list(named))
    for wanted in sorts:
        would_do |= _condition(wanted)
    return list(found.filter(would_do))


def attributes_of(resource: Resource) -> Mapping[str, Any]:
    """Return the attributes by which a resource is chosen, its speed among them where it was asked for."""
    speed = getattr(resource, RELATIVE_SPEED, None)
    return resource.attributes if speed is None else {**resource.attributes, RELATIVE_SPEED: float(speed)}


def _condition(wanted: Wanted) -> Q:
    condition = Q(kind=wanted.kind)
    if wanted.model:
        condition &= Q(model__iexact=wanted.model)
    if wanted.site:
        condition &= Q(site__slug=wanted.site)
    for name, least in (wanted.minimum or {}).items():
        condition &= Q(**{f"{name if name == RELATIVE_SPEED else f'attributes__{name}'}__gte": least})
    return condition


# The busy ones are fetched through the index on (kind, occupies), once, and then taken away.
# Asking for each resource on its own would probe the calendar as often as there are resources.
# Who would do is found first: only their preparation and clean-up widen the window that is fetched.
_FREE = f"""
WITH wanted AS MATERIALIZED (
    SELECT r.id, r.site_id, r.name, tstzrange(%(starts_at)s - r.preparation_s * interval '1 second',
                                              %(ends_at)s + r.cleanup_s * interval '1 second') AS needs
    FROM resources_resource r JOIN resources_site s ON s.id = r.site_id
    WHERE r.kind = %(kind)s AND r.in_service AND r.quarantined_at IS NULL
      AND (r.health <> 'unhealthy' OR NOT %(health_matters)s)
      AND (%(model)s = '' OR lower(r.model) = lower(%(model)s)) AND (%(site)s = '' OR s.slug = %(site)s)
      AND (s.longest_lease IS NULL OR s.longest_lease >= %(ends_at)s - %(starts_at)s)
), busy AS MATERIALIZED (
    SELECT e.resource_id, e.occupies FROM reservations_calendarentry e
    WHERE e.holding AND e.kind = %(kind)s AND {_COUNTS} AND e.occupies && (
        SELECT tstzrange(min(lower(needs)), max(upper(needs))) FROM wanted HAVING count(*) > 0)
)
SELECT wanted.id FROM wanted
WHERE NOT EXISTS (SELECT 1 FROM busy WHERE busy.resource_id = wanted.id AND busy.occupies && wanted.needs)
ORDER BY wanted.site_id, wanted.name LIMIT %(limit)s
"""  # noqa: S608 - put together from constants only


def free_resource_ids(
    wanted: Wanted,
    *,
    starts_at: datetime,
    ends_at: datetime,
    limit: int = 100,
    health_matters: bool = False,
    held: HeldBy = HELD_BY_ANYBODY,
) -> list[UUID]:
    """Return the resources of a kind that are free for the whole window, in one statement.

    Free includes the time to prepare before and to clean after. A whole of which a part is
    taken is not free. `wanted.kind` must be given; least values are for the caller to filter.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _FREE,
            held.parameters
            | {
                "kind": wanted.kind,
                "model": wanted.model,
                "site": wanted.site,
                "starts_at": starts_at,
                "ends_at": ends_at,
                "limit": limit,
                "health_matters": health_matters,
            },
        )
        return [row[0] for row in cursor.fetchall()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Busy:
    """A time in which a resource cannot be occupied."""

    resource_id: UUID
    starts_at: datetime
    ends_at: datetime
    is_maintenance: bool
    held_until: datetime | None = None
    """For somebody who is about to book it, and until when at the latest."""


_BUSY = f"""
SELECT e.resource_id, lower(e.occupies), upper(e.occupies), e.maintenance_id IS NOT NULL, h.expires_at
FROM reservations_calendarentry e LEFT JOIN reservations_hold h ON h.id = e.hold_id
WHERE e.holding AND e.resource_id = ANY(%(resources)s) AND e.occupies && tstzrange(%(earliest)s, %(latest)s)
  AND (e.lease_id IS NULL OR e.lease_id <> ALL(%(ignoring)s)) AND {_COUNTS}
ORDER BY lower(e.occupies)
"""  # noqa: S608 - put together from constants only


def busy_times(
    resource_ids: Collection[UUID],
    *,
    earliest: datetime,
    latest: datetime,
    ignoring: Sequence[UUID] = (),
    held: HeldBy = HELD_BY_ANYBODY,
) -> list[Busy]:
    """Return when the resources are occupied, earliest first, leaving out some leases and holds."""
    with connection.cursor() as cursor:
        cursor.execute(
            _BUSY,
            held.parameters
            | {
                "resources": list(resource_ids),
                "earliest": earliest,
                "latest": latest,
                "ignoring": list(ignoring),
            },
        )
        return [
            Busy(
                resource_id=row[0],
                starts_at=row[1],
                ends_at=row[2],
                is_maintenance=row[3],
                held_until=row[4],
            )
            for row in cursor.fetchall()
        ]


_SURROUNDINGS = f"""
SELECT e.resource_id, lower(e.occupies), upper(e.occupies), e.maintenance_id IS NOT NULL, h.expires_at, NULL::uuid
FROM reservations_calendarentry e LEFT JOIN reservations_hold h ON h.id = e.hold_id
WHERE e.holding AND e.resource_id = ANY(%(resources)s) AND e.occupies && tstzrange(%(earliest)s, %(latest)s)
  AND (e.lease_id IS NULL OR e.lease_id <> ALL(%(ignoring)s)) AND {_COUNTS}
UNION ALL
SELECT whole_id, NULL, NULL, NULL, NULL, part_id FROM resources_cover
WHERE whole_id = ANY(%(resources)s) OR part_id = ANY(%(resources)s)
ORDER BY 2
"""  # noqa: S608 - put together from constants only


def occupied_and_related(
    resource_ids: Collection[UUID],
    *,
    earliest: datetime,
    latest: datetime,
    ignoring: Sequence[UUID] = (),
    held: HeldBy = HELD_BY_ANYBODY,
) -> tuple[list[Busy], dict[UUID, set[UUID]]]:
    """Return `busy_times` and `relatives` of resources in one statement."""
    busy: list[Busy] = []
    kin: dict[UUID, set[UUID]] = defaultdict(set)
    with connection.cursor() as cursor:
        cursor.execute(
            _SURROUNDINGS,
            held.parameters
            | {
                "resources": list(resource_ids),
                "earliest": earliest,
                "latest": latest,
                "ignoring": list(ignoring),
            },
        )
        for key, starts_at, ends_at, is_maintenance, held_until, part in cursor.fetchall():
            if part is not None:
                kin[key].add(part)
                kin[part].add(key)
                continue
            busy.append(
                Busy(
                    resource_id=key,
                    starts_at=starts_at,
                    ends_at=ends_at,
                    is_maintenance=is_maintenance,
                    held_until=held_until,
                )
            )
    return busy, kin


def relatives(resource_ids: Collection[UUID]) -> dict[UUID, set[UUID]]:
    """Return for each resource those that cannot be had together with it: itself, its parts, its wholes."""
    found: dict[UUID, set[UUID]] = defaultdict(set)
    pairs = Cover.objects.filter(Q(whole__in=resource_ids) | Q(part__in=resource_ids)).values_list(
        "whole_id", "part_id"
    )
    for whole, part in pairs:
        found[whole].add(part)
        found[part].add(whole)
    return found
