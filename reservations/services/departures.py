"""Ending the leases of those who may hold them no more: put out of the project, switched off, vouched for by nobody.

This looks at how things are, not at what happened, so that whatever took somebody's place away, and whoever
missed it, their leases end in order, with the reason in the history.
"""

from collections import defaultdict
from datetime import datetime
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from accounts.federation.consequences import end_expired_memberships
from accounts.federation.standing import provider_of, vouched_for_by_nobody
from accounts.models import Membership, MembershipEvent, User
from accounts.rules import COUNTS
from accounts.telling import tell
from reservations.models import Lease, Reservation
from reservations.services.cleaning import begin_release
from reservations.services.engine.doorbell import ring_after_commit
from reservations.services.gate import move
from reservations.states import Status
from resources.services.operator_rules import end_stale_operatorships

log = structlog.get_logger(__name__)

NOT_STARTED = (Status.REQUESTED, Status.SCHEDULED)
UNDER_WAY = (Status.PROVISIONING, Status.ACTIVE)
AT_ONCE = 50


def end_for_departed(*, now: datetime) -> int:
    """End what is held by people who may hold it no more; return how many reservations that were."""
    end_expired_memberships(now=now)
    end_stale_operatorships(now=now)
    departed = list(_departed().values_list("pk", flat=True)[:AT_ONCE])
    return sum(_end(reservation_id, now) for reservation_id in departed)


def _departed() -> QuerySet[Reservation]:
    open_leases = Lease.objects.filter(reservation=OuterRef("pk"), status__in=[*NOT_STARTED, *UNDER_WAY])
    belongs = Membership.objects.filter(COUNTS, user=OuterRef("holder"), project=OuterRef("project"))
    return (
        Reservation.objects.filter(Exists(open_leases))
        .filter(
            Q(holder__is_active=False)
            | vouched_for_by_nobody("holder")
            # Federation managers book for any project.
            | Q(~Exists(belongs), holder__is_superuser=False)
        )
        .order_by("pk")
    )


def _end(reservation_id: UUID, now: datetime) -> bool:
    with transaction.atomic():
        leases = list(
            Lease.objects.select_related("resource__site")
            .select_for_update(of=("self",), no_key=True)
            .filter(reservation=reservation_id, status__in=[*NOT_STARTED, *UNDER_WAY])
            .order_by("pk")
        )
        # Between the look and the lock somebody may have come back.
        reservation = _departed().select_related("holder", "project").filter(pk=reservation_id).first()
        if reservation is None or not leases:
            return False
        why = _why(reservation)
        groups: dict[Status, list[Lease]] = defaultdict(list)
        for lease in leases:
            groups[Status(lease.status)].append(lease)
        for status, group in groups.items():
            if status in NOT_STARTED:
                for lease in group:
                    move(lease_id=lease.pk, source=status, to=Status.CANCELLED, now=now, reason=why)
                continue
            for lease in group:
                # Ending early is no move of its own: the end comes to now, and what is over is released.
                if lease.starts_at < now < lease.ends_at:
                    Lease.objects.filter(pk=lease.pk).update(ends_at=now)
            begin_release(group, source=status, reason=why, now=now)
        if reservation.starts_at < now < reservation.ends_at:
            reservation.ends_at = now
            reservation.save(update_fields=["ends_at"])
        ring_after_commit()
        _tell(reservation, leases, why, now)
    log.info("reservation.departed", reservation=str(reservation_id), why=why)
    return True


def _why(reservation: Reservation) -> str:
    holder = reservation.holder
    if not holder.is_active:
        return _("The account of its holder was switched off")
    provider = provider_of(holder)
    if provider is not None and not provider.is_enabled:
        why = _("Sign-on with %(provider)s is switched off") % {"provider": provider}
        return f"{why}: {provider.disabled_because}"[:300] if provider.disabled_because else why
    event = (
        MembershipEvent.objects.filter(
            user=holder,
            project=reservation.project,
            what__in=[MembershipEvent.What.REMOVED, MembershipEvent.What.LEFT],
        )
        .order_by("-at", "-pk")
        .first()
    )
    why = _("Its holder is no longer in %(project)s") % {"project": reservation.project}
    return f"{why}: {event.words}"[:300] if event is not None and event.words else why


def _tell(reservation: Reservation, leases: list[Lease], why: str, now: datetime) -> None:
    devices = ", ".join(str(lease.resource) for lease in leases)
    holder: User = reservation.holder
    tell(
        holder,
        key=f"departed:{reservation.pk}",
        subject=_("Your reservation in %(project)s was ended") % {"project": reservation.project},
        body=_(
            "%(why)s, so your reservation of %(devices)s was ended. What ran is closed and cleaned, and what lay"
            " ahead is free for others. If this is a mistake, ask a leader of the project, or sign in again."
        )
        % {"why": why, "devices": devices},
        now=now,
    )
