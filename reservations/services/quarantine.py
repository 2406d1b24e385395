"""Keeping a device from being lent, and letting it be lent again.

A device is kept back for one of two reasons: it was not proven clean after a lease, or it reported an
error that only an operator can judge. The first concerns the device alone, since the lease itself stands in
the way of its wholes and parts; the second keeps back what contains it and what it is cut into as well.
"""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q

from accounts.models import User
from reservations.errors import IllegalMove, NotAllowed, NotFound
from reservations.models import CalendarEntry, Lease, Reservation
from reservations.selectors.visibility import may_operate
from reservations.services.engine.doorbell import ring_after_commit
from reservations.services.engine.post import tell_holder, tell_operators
from reservations.services.moving import move_elsewhere
from reservations.states import Status
from resources.models import Cover, Resource, Unfitness

WAITING = (Status.REQUESTED, Status.SCHEDULED)
UNPROVEN = (Status.RELEASING, Status.RELEASE_FAILED)


def quarantine(resource: Resource, *, reason: str, now: datetime) -> None:
    """Take a device that was not proven clean out of the calendar; move those who have booked it, or tell them."""
    changed = Resource.objects.filter(pk=resource.pk, quarantined_at__isnull=True).update(
        quarantined_at=now, quarantine_reason=reason
    )
    if not changed:
        return
    tell_operators(
        resource, f"{resource} is quarantined", f"{reason}\nRetry the release, or vouch for it.", now=now
    )
    move_or_tell(
        leases_on([resource.pk], WAITING),
        f"{resource} could not be proven clean and waits for its operator.",
        now=now,
    )


def move_or_tell(waiting: Iterable[Lease], words: str, *, now: datetime) -> dict[UUID, bool]:
    """Give each lease another device if one is free, or tell its holder; return which were moved."""
    moved: dict[UUID, bool] = {}
    for lease in waiting:
        moved[lease.pk] = move_elsewhere(lease, now=now)
        if not moved[lease.pk]:
            tell_holder(lease, "at_risk", why=words, now=now)
    return moved


def relatives_of(resource_ids: Collection[UUID]) -> set[UUID]:
    """Return the devices with what contains them and what they consist of, but not their sisters."""
    pairs = Cover.objects.filter(Q(whole__in=resource_ids) | Q(part__in=resource_ids))
    return {key for pair in pairs.values_list("whole_id", "part_id") for key in pair} | set(resource_ids)


def locked_family(resource_id: UUID) -> list[Resource]:
    """Return a device with its wholes and parts, held in the order of their keys so that two never wait crosswise."""
    return list(
        Resource.objects.select_related("site")
        .select_for_update(of=("self",), no_key=True)
        .filter(pk__in=relatives_of([resource_id]))
        .order_by("pk")
    )


def leases_on(resource_ids: Collection[UUID], statuses: Collection[Status]) -> list[Lease]:
    """Return the leases of the devices in some states, the earliest first."""
    return list(
        Lease.objects.select_related(
            "resource__site", "reservation__holder__home_organisation", "reservation__project"
        )
        .filter(status__in=statuses, resource__in=resource_ids)
        .order_by("starts_at", "pk")
    )


def keep_back(resource: Resource, *, reason: str, now: datetime) -> bool:
    """Keep an unfit device, its wholes and its parts from being lent; return whether it is news."""
    was_free = resource.quarantined_at is None
    Resource.objects.filter(pk=resource.pk).update(
        quarantined_at=resource.quarantined_at or now, quarantine_reason=reason
    )
    others = relatives_of([resource.pk]) - {resource.pk}
    for other in Resource.objects.filter(pk__in=others, quarantined_at__isnull=True):
        Resource.objects.filter(pk=other.pk, quarantined_at__isnull=True).update(
            quarantined_at=now, quarantine_reason=_because_of(resource, reason)
        )
    return was_free


def lift_quarantine(lease: Lease) -> None:
    """The device is clean: it can be booked again, unless another lease or an error still stands against it."""
    blocked = CalendarEntry.objects.filter(
        on_device=True, exclusive=True, resource__covered_by__whole=lease.resource_id
    ).exclude(lease=lease)
    if not blocked.exists():
        settle([lease.resource_id], ignoring=lease)


def settle(resource_ids: Collection[UUID], *, ignoring: Lease | None = None) -> list[UUID]:
    """Let devices be lent again against which nothing stands any more; return which."""
    free: list[UUID] = []
    quarantined = Resource.objects.select_for_update(no_key=True).filter(
        pk__in=resource_ids, quarantined_at__isnull=False
    )
    for resource in quarantined.order_by("pk"):
        reason = _standing_against(resource, ignoring)
        if reason is None:
            free.append(resource.pk)
        elif reason != resource.quarantine_reason:
            Resource.objects.filter(pk=resource.pk).update(quarantine_reason=reason)
    Resource.objects.filter(pk__in=free).update(quarantined_at=None, quarantine_reason="")
    return free


def put_back_in_service(*, resource_id: UUID, actor: User, reason: str, now: datetime) -> None:
    """An operator has looked at a device in quarantine and says that it can be lent again.

    Refused while a lease on it, or on its wholes or parts, is not proven clean: for that there are its own
    verbs. The error that was lifted quarantines it again only after it was gone, or when it says more.
    """
    resource = Resource.objects.select_related("site").filter(pk=resource_id).first()
    if resource is None:
        raise NotFound("There is no such device.")
    if not may_operate(actor, resource.site):
        raise NotAllowed(f"Only an operator of {resource.site} can put its devices back in service.")
    words = reason.strip()
    if not words:
        raise IllegalMove("Say what you looked at and what you did; your words are kept with your name.")
    with transaction.atomic():
        family = locked_family(resource.pk)
        resource = next(each for each in family if each.pk == resource_id)
        if resource.quarantined_at is None:
            raise IllegalMove(f"{resource} is not in quarantine; it can be booked.")
        relatives = {each.pk for each in family}
        unproven = leases_on(relatives, UNPROVEN)
        if unproven:
            raise IllegalMove(
                f"The lease of {unproven[0].reservation.holder} on {unproven[0].resource} is not proven clean"
                " yet: wait for it, retry its release, or vouch for it first."
            )
        own = resource.unfitnesses.filter(lifted_at__isnull=True)
        elsewhere = _unfitness_of_relatives(resource)
        if elsewhere is not None and not own.exists():
            raise IllegalMove(
                f"{resource} is well; it is kept back because of {elsewhere.resource}. Put that one back in"
                " service, and this one follows."
            )
        seen_at, following = resource.observed_at, {_because_of(resource, each.reason) for each in own}
        for unfitness in own:
            gone = seen_at is not None and seen_at > unfitness.last_seen_at
            unfitness.lifted_at, unfitness.lifted_by, unfitness.lifted_because = now, actor, words
            unfitness.gone_at = seen_at if gone else None
            unfitness.save(update_fields=["lifted_at", "lifted_by", "lifted_because", "gone_at"])
        # What else was kept back has reasons of its own.
        with_it = Resource.objects.filter(pk__in=relatives, quarantine_reason__in=following)
        _hand_on(settle({resource.pk, *with_it.values_list("pk", flat=True)}), now)


def touch_reservations(leases: Iterable[Lease]) -> None:
    """Have the pages of reservations show anew what was said of their devices."""
    Reservation.objects.filter(pk__in={lease.reservation_id for lease in leases}).update(
        version=F("version") + 1
    )


def _hand_on(free: Collection[UUID], now: datetime) -> None:
    waiting = leases_on(free, WAITING)
    for lease in waiting:
        tell_holder(lease, "safe", now=now)
    touch_reservations(waiting)
    due = Lease.objects.filter(
        pk__in=[lease.pk for lease in waiting],
        status=Status.SCHEDULED,
        next_action_at__gt=now,
        starts_at__lte=now + F("preparation_s") * timedelta(seconds=1),
    )
    if due.update(next_action_at=now):
        ring_after_commit()


def _standing_against(resource: Resource, ignoring: Lease | None) -> str | None:
    own = resource.unfitnesses.filter(lifted_at__isnull=True).first()
    if own is not None:
        return own.reason
    elsewhere = _unfitness_of_relatives(resource)
    if elsewhere is not None:
        return _because_of(elsewhere.resource, elsewhere.reason)
    failed = Lease.objects.filter(resource=resource, status=Status.RELEASE_FAILED)
    if ignoring is not None:
        failed = failed.exclude(pk=ignoring.pk)
    lease = failed.first()
    return None if lease is None else lease.trouble or "It was not proven clean."


def _unfitness_of_relatives(resource: Resource) -> Unfitness | None:
    others = relatives_of([resource.pk]) - {resource.pk}
    return (
        Unfitness.objects.select_related("resource__site")
        .filter(resource__in=others, lifted_at__isnull=True)
        .first()
    )


def _because_of(resource: Resource, reason: str) -> str:
    return f"{resource.name} belongs to it and must not be lent: {reason}"
