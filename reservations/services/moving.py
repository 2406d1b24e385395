"""Moving a lease to another device of the sort that was asked for."""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, OperationalError, transaction

from reservations.errors import CannotBook
from reservations.messages.words import one_line
from reservations.models import Lease
from reservations.selectors.availability import HeldBy, Wanted, free_resource_ids
from reservations.services.engine.post import tell_holder
from reservations.services.engine.rehearsals import plan_rehearsals
from reservations.services.holds import let_holds_lapse
from reservations.services.races import is_lost_race
from reservations.services.wiring import rewire
from reservations.states import Status
from resources.models import Resource

LOOKED_AT = 50


def move_elsewhere(lease: Lease, *, now: datetime) -> bool:
    """Give the lease another free device of the kind that was wished for, at the same site if one is free.

    Return False, changing nothing, when the device was named by its holder or no other is free.
    """
    wish = lease.wish
    if not wish:
        return False
    let_holds_lapse(now=now)
    wanted = Wanted(kind=wish["kind"], model=wish["model"], site=wish["site"])
    free = free_resource_ids(
        wanted,
        starts_at=lease.starts_at,
        ends_at=lease.ends_at,
        limit=LOOKED_AT,
        health_matters=True,
        held=HeldBy(now=now),
    )
    here = lease.resource.site_id
    others = Resource.objects.select_related("site").filter(pk__in=free, adapter=lease.resource.adapter)
    for other in sorted(others, key=lambda resource: (resource.site_id != here, resource.name)):
        # Two lines of one reservation may be tied to one site: only that site is safe to take.
        if other.site_id != here or not _meets(other, wish.get("minimum") or {}):
            continue
        if _take(lease, other.pk, now):
            tell_holder(
                lease,
                "moved",
                other=one_line(str(other)),
                now=now,
            )
            return True
    return False


def _meets(resource: Resource, minimum: dict[str, float]) -> bool:
    return all(resource.attributes.get(name, float("-inf")) >= least for name, least in minimum.items())


def _take(lease: Lease, resource_id: UUID, now: datetime) -> bool:
    other = Resource.objects.get(pk=resource_id)
    try:
        with transaction.atomic():
            Lease.objects.filter(pk=lease.pk).update(
                resource=other,
                preparation_s=other.preparation_s,
                cleanup_s=other.cleanup_s,
                next_action_at=max(now, lease.starts_at - timedelta(seconds=other.preparation_s))
                if lease.status == Status.SCHEDULED
                else lease.next_action_at,
                trouble="",
            )
            plan_rehearsals(Lease.objects.select_related("resource").filter(pk=lease.pk), now=now)
            rewire(lease.reservation, now=now)
    except CannotBook:
        return False  # it is not wired to the reservation's other devices
    except (IntegrityError, OperationalError) as error:
        if is_lost_race(error):
            return False
        raise
    return True


def move_to(lease: Lease, resource_id: UUID, *, now: datetime) -> bool:
    """Give a lease that has not started this very device; return False, changing nothing, if it is not free.

    For operators, who may also move a lease whose holder had named the device; they tell the holder why.
    """
    return _take(lease, resource_id, now)
