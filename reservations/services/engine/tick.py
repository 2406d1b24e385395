"""The tick: moves every lease whose time has come, ends before starts, and sends the orders.

Any number of ticks may run at once, on any number of machines: each claims rows that no other
holds (`SKIP LOCKED`), and what one leaves undone the next one finds.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, OperationalError, models, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Greatest, Least

from reservations.models import CalendarEntry, GeometryChange, Lease
from reservations.policy import (
    BLOCKED_LOOK_AGAIN,
    RESEND_AFTER,
    RESEND_AT_MOST_EVERY,
    TICK_BATCH,
)
from reservations.services.cleaning import begin_release, give_up_release
from reservations.services.engine.builds import send_builds
from reservations.services.engine.discovery import send_questions
from reservations.services.engine.geometry import press_geometry
from reservations.services.engine.orders import send_orders, write_orders
from reservations.services.engine.post import tell_holder, tell_who_wants
from reservations.services.engine.rehearsals import send_rehearsals
from reservations.services.gate import move, move_many
from reservations.services.holds import let_holds_lapse
from reservations.services.races import is_lost_race
from reservations.services.waiting import serve_waiting
from reservations.states import Status


class NextEpoch(models.Func):
    """The next fencing token: higher than all before it, whatever the device."""

    function = "nextval"
    template = "nextval('shary_epoch')"
    output_field = models.BigIntegerField()


def tick(*, now: datetime) -> int:
    """Do all that is due; return how many leases were touched."""
    done = 0
    let_holds_lapse(now=now)
    if Lease.objects.filter(next_action_at__lte=now).exists():
        for step in (end_active, press_on, start_scheduled, let_lapse):
            done += _until_nothing_is_left(step, now)
    if GeometryChange.objects.filter(next_action_at__lte=now).exists():
        press_geometry(now=now)
    serve_waiting(now=now)
    send_orders(now=now)
    send_questions(now=now)
    send_rehearsals(now=now)
    send_builds(now=now)
    return done


def end_active(*, now: datetime) -> int:
    """Take back leases whose window is over."""
    with transaction.atomic():
        leases = _claim(Lease.objects.filter(status=Status.ACTIVE, next_action_at__lte=now))
        begin_release(leases, source=Status.ACTIVE, reason="The lease is over", now=now)
        tell_who_wants("ended", {lease.reservation_id for lease in leases}, now=now)
    return len(leases)


def start_scheduled(*, now: datetime) -> int:
    """Have devices made ready for leases that are about to start; wait for those still being cleaned."""
    with transaction.atomic():
        leases = _claim(Lease.objects.filter(status=Status.SCHEDULED, next_action_at__lte=now))
        unapproved, occupied = _waiting_for_approval(leases), _still_on_device(leases)
        free = []
        for lease in leases:
            if lease.reservation_id in unapproved:
                _look_again(lease, "Waiting until the other sites have approved their part.", now)
            elif lease.resource_id in occupied or lease.resource.quarantined_at:
                _wait_or_give_up(lease, now)
            else:
                free.append(lease)
        try:
            with transaction.atomic():
                _start(free, now)
        except (IntegrityError, OperationalError) as error:
            if not is_lost_race(error):
                raise
            # Two of these need the same device, or another tick was quicker: one at a time.
            for lease in free:
                _start_or_wait(lease, now)
    return len(leases)


def press_on(*, now: datetime) -> int:
    """Send orders again that were not answered, and give up what is overdue."""
    with transaction.atomic():
        leases = _claim(
            Lease.objects.filter(
                status__in=[Status.PROVISIONING, Status.RELEASING, Status.RELEASE_FAILED],
                next_action_at__lte=now,
            )
        )
        again = []
        for lease in leases:
            overdue = lease.deadline_at is not None and lease.deadline_at <= now
            if lease.status == Status.RELEASE_FAILED:
                begin_release([lease], source=Status.RELEASE_FAILED, reason="Trying once more", now=now)
            elif lease.status == Status.PROVISIONING and (overdue or lease.is_over(now)):
                why = lease.trouble or "the site did not say that it was ready"
                begin_release([lease], source=Status.PROVISIONING, reason=f"Not ready in time: {why}", now=now)
                tell_holder(lease, "failed", why=why, is_overdue=True, now=now)
            elif lease.status == Status.RELEASING and overdue:
                why = lease.trouble or "the site has not answered"
                give_up_release(lease, reason=f"Not proven clean in time: {why}", now=now)
            else:
                again.append(lease)
        _send_again(again, now)
    return len(leases)


def let_lapse(*, now: datetime) -> int:
    """Cancel what nobody approved in time, and with it the rest of the reservation."""
    with transaction.atomic():
        leases = _claim(Lease.objects.filter(status=Status.REQUESTED, next_action_at__lte=now))
        for lease in leases:
            cancel_bundle(lease, reason=f"{lease.resource.site} did not approve it before the start", now=now)
    return len(leases)


def cancel_bundle(lease: Lease, *, reason: str, now: datetime) -> None:
    """Cancel a lease and, all or nothing, whatever of its reservation has not started."""
    for sibling in Lease.objects.filter(
        reservation=lease.reservation_id, status__in=[Status.REQUESTED, Status.SCHEDULED]
    ).order_by("pk"):
        own = sibling.pk == lease.pk
        move(
            lease_id=sibling.pk,
            source=Status(sibling.status),
            to=Status.CANCELLED,
            now=now,
            reason=reason if own else f"The reservation is all or nothing: {reason}",
        )
    tell_holder(lease, "cancelled", why=reason, now=now)


def _claim(due: QuerySet[Lease]) -> list[Lease]:
    return list(
        due.select_related("resource__site", "reservation__holder")
        .select_for_update(of=("self",), no_key=True, skip_locked=True)
        .order_by("next_action_at", "pk")[:TICK_BATCH]
    )


def _until_nothing_is_left(step: Callable[..., int], now: datetime) -> int:
    done = 0
    while count := step(now=now):
        done += count
        send_orders(now=now)
        if count < TICK_BATCH:
            break
    return done


def _still_on_device(leases: Iterable[Lease]) -> set[UUID]:
    """Return those of the leases' resources of which something is still in another holder's hands."""
    entries = CalendarEntry.objects.filter(
        on_device=True,
        exclusive=True,
        resource__covered_by__whole__in={lease.resource_id for lease in leases},
    )
    return set(entries.values_list("resource__covered_by__whole", flat=True))


def _waiting_for_approval(leases: Iterable[Lease]) -> set[UUID]:
    """Return those of the leases' reservations that some site has yet to approve."""
    asked = Lease.objects.filter(
        reservation__in={lease.reservation_id for lease in leases}, status=Status.REQUESTED
    )
    return set(asked.values_list("reservation", flat=True))


def _start(leases: Iterable[Lease], now: datetime) -> None:
    leases = list(leases)
    by_grace: dict[timedelta, list[Lease]] = {}
    for lease in leases:
        by_grace.setdefault(lease.resource.site.start_grace, []).append(lease)
    for grace, group in by_grace.items():
        move_many(
            lease_ids=[lease.pk for lease in group],
            source=Status.SCHEDULED,
            to=Status.PROVISIONING,
            now=now,
            reason="Making the device ready",
            next_action_at=now + RESEND_AFTER,
            deadline_at=Least(Greatest(F("starts_at"), now) + grace, F("ends_at")),
            epoch=NextEpoch(),
            revision=F("revision") + 1,
            attempts=0,
            trouble="",
        )
    write_orders(leases, verb="hold")


def _start_or_wait(lease: Lease, now: datetime) -> None:
    try:
        with transaction.atomic():
            _start([lease], now)
    except (IntegrityError, OperationalError) as error:
        if not is_lost_race(error):
            raise
        _wait_or_give_up(lease, now)


def _wait_or_give_up(lease: Lease, now: datetime) -> None:
    """The device is kept back, or not proven clean after the lease before: wait, but not for ever."""
    latest = min(lease.starts_at + lease.resource.site.start_grace, lease.ends_at)
    unfit = lease.resource.quarantine_reason if lease.resource.quarantined_at else ""
    if now >= latest:
        why = f"{lease.resource} was not proven clean after the lease before"
        if unfit:
            why = f"{lease.resource} is in quarantine: {unfit}"
        cancel_bundle(lease, reason=f"Blocked too long: {why}", now=now)
        return
    words = f"Waiting until {lease.resource} is proven clean after the lease before."
    if unfit:
        words = f"Waiting until {lease.resource} is out of quarantine: {unfit}"
    _look_again(lease, words, now)


def _look_again(lease: Lease, trouble: str, now: datetime) -> None:
    Lease.objects.filter(pk=lease.pk).update(next_action_at=now + BLOCKED_LOOK_AGAIN, trouble=trouble)


def _send_again(leases: list[Lease], now: datetime) -> None:
    for lease in leases:
        waited = min(RESEND_AFTER * 2**lease.attempts, RESEND_AT_MOST_EVERY)
        next_action_at = now + waited
        if lease.deadline_at is not None:
            next_action_at = min(next_action_at, lease.deadline_at)
        lease.next_action_at = max(next_action_at, now + BLOCKED_LOOK_AGAIN)
        lease.attempts = min(lease.attempts + 1, 10)
    Lease.objects.bulk_update(leases, ["next_action_at", "attempts"])
    for verb, status in (("hold", Status.PROVISIONING), ("release", Status.RELEASING)):
        # One that is prepared and waits for its start has nothing to be told again.
        unanswered = [
            lease
            for lease in leases
            if lease.status == status and not (verb == "hold" and lease.prepared_at and lease.starts_at > now)
        ]
        if unanswered:
            write_orders(unanswered, verb=verb)
