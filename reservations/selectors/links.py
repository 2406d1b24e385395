"""How a reservation's devices are wired to each other."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from django.db import connection
from django.db.models import Q

from adapters.catalogue import CATALOGUE
from reservations.selectors.availability import relatives
from resources.models import Cable, Cover, Resource
from scheduling.wiring import Network


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkEnd:
    """One end of a link: a port that a lease has through its device, or through the whole of it."""

    lease: UUID
    resource: UUID
    name: str
    port: str
    site_id: int
    sets_vlan: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WiredLink:
    """A cable between two devices of one reservation."""

    cable: UUID
    a: LinkEnd
    b: LinkEnd
    speed_gbps: float | None
    vlans: Mapping[int, int] = field(default_factory=dict)
    """The VLAN allotted for it, by site."""

    @property
    def vlan(self) -> int | None:
        """The VLAN that both ends have; None where it is a bare cable."""
        return next(iter(self.vlans.values()), None)

    @property
    def sites(self) -> frozenset[int]:
        """The sites that it touches."""
        return frozenset((self.a.site_id, self.b.site_id))


# A lease has the ports of its device, of the device's parts and of the wholes that it belongs to.
_LINKS = """
WITH held AS MATERIALIZED (
    SELECT l.reservation_id, l.id AS lease, r.id AS resource, r.name, r.adapter, r.site_id, v.point
    FROM reservations_lease l JOIN resources_resource r ON r.id = l.resource_id
    CROSS JOIN LATERAL (SELECT part_id AS point FROM resources_cover WHERE whole_id = r.id
                        UNION SELECT whole_id FROM resources_cover WHERE part_id = r.id) v
    WHERE l.reservation_id = ANY(%s) AND l.status NOT IN ('REJECTED', 'CANCELLED')
)
SELECT a.reservation_id, c.id, c.speed_gbps, c.a_sets_vlan, c.b_sets_vlan,
       a.lease, a.resource, a.name, c.a_port, a.site_id, a.adapter,
       b.lease, b.resource, b.name, c.b_port, b.site_id, b.adapter,
       (SELECT array_agg(ARRAY[v.site_id::int, v.vlan::int]) FROM reservations_vlanallotment v
        WHERE v.reservation_id = a.reservation_id AND v.cable_id = c.id)
FROM held a JOIN resources_cable c ON c.a_id = a.point
JOIN held b ON b.point = c.b_id AND b.reservation_id = a.reservation_id AND b.lease <> a.lease
ORDER BY a.name, c.a_port, b.name
"""


def links_of(reservation_ids: Collection[UUID]) -> dict[UUID, list[WiredLink]]:
    """Return for each reservation the cables between its devices, in one statement."""
    found: dict[UUID, list[WiredLink]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(_LINKS, [list(reservation_ids)])
        for reservation, cable, speed, a_flag, b_flag, *rest in cursor.fetchall():
            *ends, vlans = rest
            found[reservation].append(
                WiredLink(
                    cable=cable,
                    a=_end(ends[:6], a_flag),
                    b=_end(ends[6:], b_flag),
                    speed_gbps=speed,
                    vlans=dict(vlans or ()),
                )
            )
    return found


def _end(columns: Sequence[object], flag: bool | None) -> LinkEnd:
    lease, resource, name, port, site_id, adapter = columns
    return LinkEnd(
        lease=lease,  # type: ignore[arg-type]
        resource=resource,  # type: ignore[arg-type]
        name=name,  # type: ignore[arg-type]
        port=port,  # type: ignore[arg-type]
        site_id=site_id,  # type: ignore[arg-type]
        sets_vlan=_can_set_vlan(str(adapter)) if flag is None else flag,
    )


def _can_set_vlan(adapter: str) -> bool:
    description = CATALOGUE.get(adapter)
    return description is not None and description.sets_vlan


def network_of(resources: Collection[Resource]) -> Network:
    """Return how resources are wired to each other; parts of one machine need no cable between them."""
    ids = {resource.pk for resource in resources}
    kin = relatives(ids)
    at: dict[UUID, set[UUID]] = defaultdict(set)
    for key in ids:
        for point in kin[key] | {key}:
            at[point].add(key)
    joins: dict[str, set[str]] = {str(key): set() for key in ids}
    cables = Cable.objects.filter(a__in=at, b__in=at).values_list("a_id", "b_id")
    machines: dict[UUID, set[UUID]] = defaultdict(set)
    wholes = Cover.objects.filter(part__in=ids, whole__parent__isnull=True).values_list("whole_id", "part_id")
    for whole, part in wholes:
        machines[whole].add(part)
    groups = [(at[a], at[b]) for a, b in cables] + [(parts, parts) for parts in machines.values()]
    for ones, others in groups:
        for one in ones:
            for other in others:
                if one != other:
                    joins[str(one)].add(str(other))
                    joins[str(other)].add(str(one))
    return Network(
        joins={key: frozenset(others) for key, others in joins.items()},
        forwards=frozenset(str(each.pk) for each in resources if _forwards(each.adapter)),
    )


def _forwards(adapter: str) -> bool:
    description = CATALOGUE.get(adapter)
    return description is not None and description.forwards


def neighbours_of(resource: Resource) -> list[str]:
    """Return the names of the devices that it, or the whole that it is a part of, is wired to."""
    points = relatives([resource.pk])[resource.pk] | {resource.pk}
    names = set()
    for cable in Cable.objects.select_related("a__site", "b__site").filter(Q(a__in=points) | Q(b__in=points)):
        other = cable.b if cable.a_id in points else cable.a
        names.add(other.name if other.site_id == resource.site_id else str(other))
    return sorted(names)
