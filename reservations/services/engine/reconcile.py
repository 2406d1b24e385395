"""The slow round: compares what should be with what is seen, and tidies up."""

from datetime import datetime

from django.db import transaction
from django.db.models import Max, Q

from reservations.models import IdempotencyKey, LeaseReport, OutgoingMail, OutgoingOrder
from reservations.policy import KEEP_IDEMPOTENCY_KEYS, KEEP_LOG, KEEP_SENT, WATCH_EVERY
from reservations.services.engine.discovery import keep_asking
from reservations.services.engine.forewarning import warn_of_ending, warn_of_starting
from reservations.services.engine.health import warn_of_unhealthy
from reservations.services.engine.orders import send_orders, write_watch
from reservations.services.engine.rehearsals import plan_missing
from reservations.services.holds import forget_holds
from resources.models import Site


def reconcile(*, now: datetime) -> None:
    """Have every site look at its devices, and drop what was sent long ago."""
    remind_sites(now=now)
    keep_asking(now=now)
    warn_of_unhealthy(now=now)
    warn_of_starting(now=now)
    warn_of_ending(now=now)
    plan_missing(now=now)
    tidy(now=now)
    forget_holds(now=now)
    send_orders(now=now)


def remind_sites(*, now: datetime) -> None:
    """Tell each site its devices anew, once in a while: it may have lost its journal."""
    sites = Site.objects.exclude(public_key="").annotate(
        told_at=Max("orders__created_at", filter=Q(orders__verb="watch"))
    )
    for site in sites:
        if site.told_at is None or now - site.told_at >= WATCH_EVERY:
            with transaction.atomic():
                write_watch(site)


def tidy(*, now: datetime) -> None:
    """Drop orders, mails and idempotency keys that nobody will ask for any more."""
    long_ago = now - KEEP_SENT
    # What was ordered of leases is their log, and stays with what was reported of them.
    OutgoingOrder.objects.filter(sent_at__lt=long_ago, lease__isnull=True).delete()
    OutgoingOrder.objects.filter(sent_at__lt=now - KEEP_LOG).delete()
    LeaseReport.objects.filter(received_at__lt=now - KEEP_LOG).delete()
    OutgoingMail.objects.filter(Q(sent_at__lt=long_ago) | Q(dropped_at__lt=long_ago)).delete()
    IdempotencyKey.objects.filter(created_at__lt=now - KEEP_IDEMPOTENCY_KEYS).delete()
