"""Trying the files of leases before they start: asked until it is answered, told at once when it failed."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import structlog
from celery import current_app
from django.db import transaction
from django.db.models import F, Q
from kombu.exceptions import OperationalError

from adapters.catalogue import CATALOGUE
from adapters.contract.wire import Order, Report, seal
from reservations.models import Lease, Rehearsal, Reservation
from reservations.policy import ERRAND_AGAIN_AFTER, ERRAND_AT_MOST_EVERY, ERRAND_MOST_ATTEMPTS
from reservations.services.engine.doorbell import ring_after_commit
from reservations.services.engine.orders import HUB, TAKE_ORDERS, hub_key, lease_orders
from reservations.services.engine.post import tell_holder
from reservations.states import Status
from resources.models import Site

log = structlog.get_logger(__name__)

AT_ONCE = 20
NOT_STARTED = (Status.REQUESTED, Status.SCHEDULED)
NO_ANSWER = "The site has not answered; the files are tried when the device is made ready."
TOO_LATE = "The lease started before the site had tried the files."


def plan_rehearsals(leases: Iterable[Lease], *, now: datetime) -> None:
    """Note, with the booking or the change, that the files of these leases are to be tried.

    What was found out about other files, or for another device, is forgotten.
    """
    for lease in leases:
        description = CATALOGUE.get(lease.resource.adapter)
        if description is None or not description.artefacts:
            continue
        files = sorted(lease.artefacts.values_list("sha256", flat=True))
        if not files:
            Rehearsal.objects.filter(lease=lease).delete()
            continue
        possible = description.can_rehearse
        Rehearsal.objects.update_or_create(
            lease=lease,
            defaults={
                "order": uuid4(),
                "resource_id": lease.resource_id,
                "files": files,
                "state": Rehearsal.State.WAITING if possible else Rehearsal.State.IMPOSSIBLE,
                "stage": "",
                "steps": [],
                "detail": ""
                if possible
                else f"{description.title} cannot try files before the device is made ready.",
                "attempts": 0,
                "asked_at": now,
                "next_try_at": now if possible else None,
                "answered_at": None,
            },
        )
        _count_change(lease.reservation_id)
        ring_after_commit()


def plan_missing(*, now: datetime) -> None:
    """Plan what nothing else planned: leases of before, and those that came to another device by other ways."""
    names = [name for name, description in CATALOGUE.items() if description.can_rehearse]
    missing = Lease.objects.filter(status__in=NOT_STARTED, resource__adapter__in=names, artefacts__isnull=False)
    wanting = Q(rehearsal__isnull=True) | ~Q(rehearsal__resource=F("resource"))
    with transaction.atomic():
        plan_rehearsals(
            Lease.objects.select_related("resource").filter(pk__in=missing.filter(wanting).values("pk")),
            now=now,
        )


def send_rehearsals(*, now: datetime) -> int:
    """Send the orders that are due, and again those that were not answered; return how many went out.

    Sent twice it is one trial at the site: the order has the id of the question.
    """
    if not Rehearsal.objects.filter(next_try_at__lte=now).exists():
        return 0
    sent = 0
    with transaction.atomic():
        due = list(
            Rehearsal.objects.select_related("lease__resource__site")
            .select_for_update(of=("self",), no_key=True, skip_locked=True)
            .filter(next_try_at__lte=now)
            .order_by("next_try_at")[:AT_ONCE]
        )
        for rehearsal in due:
            if rehearsal.lease.status not in NOT_STARTED:
                _give_up(rehearsal, TOO_LATE)
            elif rehearsal.attempts >= ERRAND_MOST_ATTEMPTS:
                _give_up(rehearsal, NO_ANSWER)
            elif not _send(rehearsal):
                break
            else:
                rehearsal.next_try_at = now + pause_after(rehearsal.attempts)
                rehearsal.attempts += 1
                rehearsal.save(update_fields=["attempts", "next_try_at"])
                sent += 1
    return sent


def pause_after(attempts: int) -> timedelta:
    """Return how long to wait for an answer: longer each time, since files are large."""
    waited: timedelta = ERRAND_AGAIN_AFTER * 2**attempts
    return min(waited, ERRAND_AT_MOST_EVERY)


def take_rehearsed(report: Report, *, site: Site, now: datetime) -> None:
    """Keep how a trial went; the answer about older files, or one that was kept before, changes nothing."""
    order = str(report.detail.get("order", ""))
    with transaction.atomic():
        rehearsal = (
            Rehearsal.objects.select_related("lease__resource", "lease__reservation__holder")
            .select_for_update(of=("self",), no_key=True)
            .filter(order=order, resource__site=site)
            .first()
            if _is_key(order)
            else None
        )
        states = Rehearsal.State
        if rehearsal is None or rehearsal.state in (states.PASSED, states.FAILED):
            log.info("rehearsal.of_the_past", order=order, lease=report.lease_id)
            return
        found = report.rehearsal
        if found is None:
            words = report.failure.message if report.failure else "the site gave no reason."
            rehearsal.state, rehearsal.detail = states.IMPOSSIBLE, f"It could not be tried: {words}"
        else:
            rehearsal.state = states.PASSED if found.passed else states.FAILED
            rehearsal.stage, rehearsal.detail = found.stage[:200], ""
            rehearsal.steps = [
                {
                    "name": step.name,
                    "expected": step.expected,
                    "found": step.found,
                    "passed": step.passed,
                    "method": step.method,
                }
                for step in found.steps
            ]
        rehearsal.answered_at, rehearsal.next_try_at = now, None
        rehearsal.save()
        _count_change(rehearsal.lease.reservation_id)
        if rehearsal.state == states.FAILED and rehearsal.lease.status in NOT_STARTED:
            _tell(rehearsal, now)


def _tell(rehearsal: Rehearsal, now: datetime) -> None:
    failed = [f"{step['name']}: {step['found']}" for step in rehearsal.steps if not step["passed"]]
    tell_holder(
        rehearsal.lease,
        "files_fail",
        stage=rehearsal.stage,
        why="\n\n".join(failed),
        now=now,
        occasion=str(rehearsal.order),
    )


def _give_up(rehearsal: Rehearsal, words: str) -> None:
    rehearsal.next_try_at, rehearsal.state, rehearsal.detail = None, Rehearsal.State.IMPOSSIBLE, words
    rehearsal.save(update_fields=["next_try_at", "state", "detail"])
    _count_change(rehearsal.lease.reservation_id)


def _send(rehearsal: Rehearsal) -> bool:
    lease = lease_orders([rehearsal.lease_id], statuses=NOT_STARTED).get(rehearsal.lease_id)
    if lease is None:
        return True
    site = rehearsal.lease.resource.site
    order = Order(id=str(rehearsal.order), site=site.slug, verb="rehearse", lease=lease)
    try:
        sealed = seal(order, key=hub_key(), sender=HUB)
        current_app.send_task(TAKE_ORDERS, args=[[sealed]], queue=site.queue, retry=False)
    except (OperationalError, OSError) as error:
        log.warning("rehearsal.not_sent", error=str(error))
        return False
    return True


def _count_change(reservation_id: UUID) -> None:
    """Have the pages that show the reservation look again."""
    Reservation.objects.filter(pk=reservation_id).update(version=F("version") + 1)


def _is_key(text: str) -> bool:
    try:
        return bool(UUID(text))
    except ValueError:
        return False
