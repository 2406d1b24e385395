"""The Celery tasks of *who*."""

from celery import shared_task
from django.utils import timezone

from accounts.tokens import warn_of_expiring_tokens


@shared_task(name="accounts.warn_of_expiring_tokens")
def ring_tokens() -> None:
    """Tell people of tokens that expire soon."""
    warn_of_expiring_tokens(now=timezone.now())
