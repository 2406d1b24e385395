"""The hub's Celery tasks: doors that ring the engine. Losing or repeating one costs only time."""

from celery import shared_task
from django.utils import timezone

from accounts.federation.saml.metadata import refresh_all
from reservations.services.departures import end_for_departed
from reservations.services.engine.post import send_mail
from reservations.services.engine.reconcile import reconcile
from reservations.services.engine.reports import take_reports
from reservations.services.engine.tick import tick
from reservations.services.engine.use import fold_use


@shared_task(name="reservations.tick")
def ring_tick() -> None:
    """Move every lease whose time has come."""
    tick(now=timezone.now())


@shared_task(name="reservations.reconcile")
def ring_reconcile() -> None:
    """Compare what should be with what is seen."""
    reconcile(now=timezone.now())


@shared_task(name="reservations.send_mail")
def ring_mail() -> None:
    """Send the messages that wait; a mail server that is slow keeps nothing else waiting."""
    send_mail(now=timezone.now())


@shared_task(name="reservations.end_for_departed")
def ring_departures() -> None:
    """End the leases of those who may hold them no more."""
    end_for_departed(now=timezone.now())


@shared_task(name="reservations.refresh_metadata")
def ring_metadata() -> None:
    """Read the metadata of identity providers anew."""
    refresh_all(now=timezone.now())


@shared_task(name="hub.take_reports")
def ring_reports(messages: list[str]) -> None:
    """Take what a site reports."""
    take_reports(messages, now=timezone.now())


@shared_task(name="reservations.fold_use")
def ring_fold_use() -> None:
    """Make hours of the minutes of use that are old."""
    fold_use(now=timezone.now())
