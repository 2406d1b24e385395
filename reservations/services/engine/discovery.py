"""Asking the sites what they have: questions are sent until they are answered, and given up in words."""

from datetime import datetime

import structlog
from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

from adapters.contract import Target
from adapters.contract.wire import Order, Report, seal
from reservations.services.engine.orders import HUB, TAKE_ORDERS, hub_key, targets_for
from resources.models import Discovery, Site
from resources.services.discovery import (
    SEND_AGAIN_AFTER,
    ask_what_is_due,
    forget_old,
    give_up_unanswered,
    take_answer,
)

log = structlog.get_logger(__name__)

AT_ONCE = 50


def send_questions(*, now: datetime) -> int:
    """Send the questions that are due, and again those that were not answered; return how many went out.

    Sent twice it is one search at the site: the order has the id of the question.
    """
    if not Discovery.objects.filter(next_try_at__lte=now).exists():
        return 0
    give_up_unanswered(now=now)
    sent = 0
    with transaction.atomic():
        due = (
            Discovery.objects.select_related("site", "resource")
            .select_for_update(of=("self",), no_key=True, skip_locked=True)
            .filter(next_try_at__lte=now)
            .order_by("next_try_at")[:AT_ONCE]
        )
        for discovery in due:
            if not _send(discovery):
                break
            discovery.attempts += 1
            discovery.next_try_at = now + SEND_AGAIN_AFTER
            discovery.save(update_fields=["attempts", "next_try_at"])
            sent += 1
    return sent


def keep_asking(*, now: datetime) -> None:
    """Ask about what nobody asked about for a day, and drop what was answered long ago."""
    ask_what_is_due(now=now)
    forget_old(now=now)


def take_discovered(report: Report, *, site: Site, now: datetime) -> None:
    """Keep what a site found."""
    take_answer(report, site=site, now=now)


def _send(discovery: Discovery) -> bool:
    order = Order(
        id=str(discovery.pk),
        site=discovery.site.slug,
        verb="discover",
        targets=(_target(discovery),),
    )
    try:
        sealed = seal(order, key=hub_key(), sender=HUB)
        current_app.send_task(TAKE_ORDERS, args=[[sealed]], queue=discovery.site.queue, retry=False)
    except (OperationalError, OSError) as error:
        log.warning("question.not_sent", error=str(error))
        return False
    return True


def _target(discovery: Discovery) -> Target:
    if discovery.resource is not None:
        return targets_for([discovery.resource])[0]
    return Target(
        resource_id=str(discovery.pk),
        name=f"a device at {discovery.site.name}",
        kind="",
        adapter=discovery.adapter,
        settings=discovery.settings,
    )
