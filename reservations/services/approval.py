"""Approval: each site says yes or no to its own leases."""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from accounts.models import User
from reservations.errors import IllegalMove, NotAllowed, NotFound
from reservations.models import Lease
from reservations.selectors.visibility import may_operate
from reservations.services.engine.doorbell import ring_after_commit
from reservations.services.engine.post import tell_holder
from reservations.services.gate import move
from reservations.states import Status


def approve_lease(*, lease_id: UUID, actor: User, reason: str = "", now: datetime) -> Lease:
    """Schedule a lease that was asked for."""
    with transaction.atomic():
        lease = _to_judge(lease_id, actor)
        preparation = timedelta(seconds=lease.preparation_s)
        moved = move(
            lease_id=lease.pk,
            source=Status.REQUESTED,
            to=Status.SCHEDULED,
            now=now,
            actor=actor,
            reason=reason or "Approved",
            next_action_at=max(lease.starts_at - preparation, now),
        )
        if not moved:
            raise IllegalMove(
                f"{lease.resource} is not waiting for approval: it is {lease.get_status_display()}."
            )
        tell_holder(lease, "approved", why=reason, waits_for=_still_asked(lease), now=now)
        ring_after_commit()
    return Lease.objects.get(pk=lease.pk)


def reject_lease(*, lease_id: UUID, actor: User, reason: str = "", now: datetime) -> Lease:
    """Refuse a lease that was asked for, and cancel its siblings: a reservation is all or nothing."""
    with transaction.atomic():
        lease = _to_judge(lease_id, actor)
        moved = move(
            lease_id=lease.pk,
            source=Status.REQUESTED,
            to=Status.REJECTED,
            now=now,
            actor=actor,
            reason=reason or "Rejected",
        )
        if not moved:
            raise IllegalMove(
                f"{lease.resource} is not waiting for approval: it is {lease.get_status_display()}."
            )
        siblings = Lease.objects.filter(
            reservation=lease.reservation_id, status__in=[Status.REQUESTED, Status.SCHEDULED]
        ).order_by("pk")
        for sibling in siblings:
            move(
                lease_id=sibling.pk,
                source=Status(sibling.status),
                to=Status.CANCELLED,
                now=now,
                actor=actor,
                reason=f"The reservation is all or nothing: {lease.resource.site} rejected {lease.resource.name}",
            )
        tell_holder(lease, "rejected", why=reason, now=now)
    return Lease.objects.get(pk=lease.pk)


def _still_asked(lease: Lease) -> str:
    """Return the other sites that have yet to approve their part."""
    sites = Lease.objects.filter(reservation=lease.reservation_id, status=Status.REQUESTED).values_list(
        "resource__site__name", flat=True
    )
    return ", ".join(sorted(set(sites)))


def _to_judge(lease_id: UUID, actor: User) -> Lease:
    lease = (
        Lease.objects.select_related("resource__site", "reservation__holder")
        .select_for_update(of=("self",), no_key=True)
        .filter(pk=lease_id)
        .first()
    )
    if lease is None:
        raise NotFound("There is no such lease.")
    if not may_operate(actor, lease.resource.site):
        raise NotAllowed(f"Only an operator of {lease.resource.site} can approve or reject its leases.")
    return lease
