"""Ring for the tick after a commit. A lost ring costs a second: beat rings too."""

import structlog
from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

log = structlog.get_logger(__name__)


def ring_after_commit() -> None:
    """Have the tick run as soon as this transaction is committed."""
    transaction.on_commit(ring)


def ring() -> None:
    """Have the tick run now; never fails, whatever the broker does."""
    try:
        current_app.send_task("reservations.tick", queue="hub", expires=5, retry=False)
    except (OperationalError, OSError) as error:
        log.warning("doorbell.unheard", error=str(error))
