"""What the looks at a device say about its health, and what follows for those who have it or booked it.

`unhealthy` comes and goes by itself. `unfit` does not: the device is kept back until an operator has looked.
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Coalesce

from adapters.contract.wire import Report
from reservations.models import Lease
from reservations.policy import UNHEALTHY_IS_SAID_AFTER, UNHEALTHY_MATTERS_WITHIN
from reservations.services.cleaning import begin_release
from reservations.services.engine.post import tell_holder, tell_operators
from reservations.services.quarantine import (
    WAITING,
    keep_back,
    leases_on,
    locked_family,
    move_or_tell,
    relatives_of,
    touch_reservations,
)
from reservations.states import ON_DEVICE, Status
from reservations.words import say_length, say_moment
from resources.models import Resource, Site, Unfitness

HEALTHY, UNHEALTHY = Resource.Health.HEALTHY, Resource.Health.UNHEALTHY


def take_observed(report: Report, *, site: Site, now: datetime) -> None:
    """Keep what a look at a device showed; an older look does not overrule a newer one."""
    resource_id = _key(report.resource_id or "")
    if resource_id is None:
        return
    seen = report.observation
    healthy = seen is not None and seen.healthy and not seen.unfit
    detail = seen.detail if seen else report.failure.message if report.failure else "It could not be looked at."
    if seen is not None and seen.carries:
        healthy, detail = _judge_carried(seen.carries, resource_id, healthy, detail)
    if seen is not None and seen.unfit:
        detail = seen.unfit
    Resource.objects.filter(pk=resource_id, site=site).exclude(observed_at__gt=report.at).update(
        health=HEALTHY if healthy else UNHEALTHY,
        health_detail=detail,
        unhealthy_since=None
        if healthy
        else Case(
            When(health=UNHEALTHY, then=Coalesce("unhealthy_since", report.at)), default=Value(report.at)
        ),
        observed_at=report.at,
        measurements=dict(seen.measurements) if seen else F("measurements"),
    )
    if seen is None:
        return
    if seen.unfit:
        _take_unfit(resource_id, seen.unfit, site=site, at=report.at, now=now)
    else:
        # It was lifted, and by now it is gone: if it comes again, it is a new error.
        Unfitness.objects.filter(
            resource=resource_id,
            resource__site=site,
            lifted_at__isnull=False,
            gone_at__isnull=True,
            last_seen_at__lt=report.at,
        ).update(gone_at=report.at)


def warn_of_unhealthy(*, now: datetime) -> None:
    """Warn the holders of leases that start soon on devices that have been unhealthy for some minutes."""
    ill = Resource.objects.select_related("site").filter(
        health=UNHEALTHY, unhealthy_since__lte=now - UNHEALTHY_IS_SAID_AFTER, in_service=True
    )
    for resource in ill:
        soon = [
            lease
            for lease in leases_on(relatives_of([resource.pk]), WAITING)
            if lease.starts_at < now + UNHEALTHY_MATTERS_WITHIN and lease.ends_at > now
        ]
        for lease in soon:
            since = say_length(now - (resource.unhealthy_since or now))
            tell_holder(
                lease,
                "late",
                since=since,
                why=(resource.health_detail or "no answer").rstrip("."),
                now=now,
            )


def _take_unfit(resource_id: UUID, reason: str, *, site: Site, at: datetime, now: datetime) -> None:
    with transaction.atomic():
        family = locked_family(resource_id)
        resource = next((each for each in family if each.pk == resource_id and each.site_id == site.pk), None)
        kept = Unfitness.objects.filter(resource__in=family, lifted_at__isnull=True).exists()
        if resource is None or not _is_new(resource, reason, at):
            return
        # Errors that rise in number are told of once; a quarantine for want of a proof told of no error.
        if keep_back(resource, reason=reason, now=now) or not kept:
            _tell_everybody(resource, reason, now)


def _is_new(resource: Resource, reason: str, at: datetime) -> bool:
    """Note the error; return whether nobody knew of it, nor has lifted it since."""
    fingerprint = hashlib.sha256(" ".join(reason.split()).casefold().encode()).hexdigest()
    known = resource.unfitnesses.filter(fingerprint=fingerprint).order_by("-id").first()
    if known is not None and known.gone_at is None:
        if at > known.last_seen_at:
            known.last_seen_at = at
            known.save(update_fields=["last_seen_at"])
        return False
    if known is not None and known.gone_at is not None and at <= known.gone_at:
        return False
    Unfitness.objects.create(
        resource=resource, reason=reason, fingerprint=fingerprint, first_seen_at=at, last_seen_at=at
    )
    return True


def _tell_everybody(resource: Resource, reason: str, now: datetime) -> None:
    """Move or tell those who booked it, tell those who have it, and tell the operators of all of them."""
    relatives = relatives_of([resource.pk])
    under_way = leases_on(relatives, (Status.PROVISIONING, Status.ACTIVE))
    waiting = leases_on(relatives, WAITING)
    said: dict[UUID, str] = {}
    for lease in under_way:
        said[lease.pk] = _tell_current_holder(lease, resource, reason, now)
    moved = move_or_tell(waiting, f"{resource} reported an error: {reason} Its operator has to look.", now=now)
    for lease in waiting:
        if moved[lease.pk]:
            lease.resource = Resource.objects.select_related("site").get(leases=lease.pk)
            said[lease.pk] = f"moved to {lease.resource}, told"
        else:
            said[lease.pk] = "at risk, told; it starts if the device is back in time"
    touch_reservations([*under_way, *waiting])
    tell_operators(
        resource,
        f"{resource} must not be lent",
        _words_for_operators(resource, reason, [*under_way, *waiting], said),
        now=now,
    )


def _tell_current_holder(lease: Lease, resource: Resource, reason: str, now: datetime) -> str:
    """Tell the holder who has the device; return what became of the lease, for the operators."""
    if lease.status == Status.ACTIVE and not resource.site.ends_unfit_leases:
        tell_holder(lease, "device_error", cause=str(resource), why=reason, now=now)
        return "has it now and goes on; told"
    begin_release(
        [lease], source=Status(lease.status), reason=f"{resource} must not be lent: {reason}", now=now
    )
    tell_holder(
        lease,
        "ended_by_error",
        cause=str(resource),
        why=reason,
        was_active=lease.status == Status.ACTIVE,
        now=now,
    )
    return "ended, told" if lease.status == Status.ACTIVE else "not begun, told"


def _words_for_operators(
    resource: Resource, reason: str, leases: Iterable[Lease], said: Mapping[UUID, str]
) -> str:
    zone = resource.site.time_zone
    rows = [
        f"- {lease.reservation.holder} <{lease.reservation.holder.email}>, {lease.reservation.project},"
        f" {say_moment(lease.starts_at, zone)} to {say_moment(lease.ends_at, zone)}: {said[lease.pk]}"
        for lease in leases
    ]
    affected = "\n".join(rows) if rows else "Nobody has it or has booked it."
    return (
        f"{reason}\n\nNobody can book {resource} until you have looked, nor what contains it or is a part of"
        f" it.\n\nAffected:\n{affected}\n\nLook at the device, mend or replace it, and then choose “Back in"
        " service” on its page at the desk. What you write there is kept."
    )


def _judge_carried(lease_id: str, resource: UUID, healthy: bool, detail: str) -> tuple[bool, str]:
    """A device that carries a lease which is over was missed by a clean-up: nobody may get it like that."""
    key = _key(lease_id)
    # A host shows the lease of a card in it, and a card that of its host.
    related = Q(resource__covers__part=resource) | Q(resource__covered_by__whole=resource)
    lease = None if key is None else Lease.objects.filter(related, pk=key).first()
    if lease is None:
        return False, f"It carries the lease {lease_id}, which is none of ours; look at the device."
    if lease.status not in ON_DEVICE:
        return False, f"It still carries the lease {lease_id}, which is over; clean it by hand and look again."
    return healthy, detail


def _key(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
