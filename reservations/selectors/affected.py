"""Whom it concerns when a device goes away."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db.models import Q

from reservations.models import Lease
from reservations.states import HOLDING
from resources.models import Cover

MOST_NAMED = 20


def leases_affected(resource_ids: Collection[UUID], *, now: datetime) -> dict[UUID, list[Lease]]:
    """Return for each device the leases to come, or under way, that need it: its own, its parts', its wholes'."""
    if not resource_ids:
        return {}
    needed_by: dict[UUID, set[UUID]] = {}
    pairs = Cover.objects.filter(Q(whole__in=resource_ids) | Q(part__in=resource_ids))
    for whole, part in pairs.values_list("whole_id", "part_id"):
        for key, other in ((whole, part), (part, whole)):
            if key in resource_ids:
                needed_by.setdefault(other, set()).add(key)
    leases = (
        Lease.objects.select_related("resource__site", "reservation__holder", "reservation__project")
        .defer("access")
        .filter(resource__in=needed_by, status__in=HOLDING, ends_at__gt=now)
        .order_by("starts_at", "pk")
    )
    affected: dict[UUID, list[Lease]] = {}
    for lease in leases:
        for key in needed_by[lease.resource_id]:
            affected.setdefault(key, []).append(lease)
    return affected
