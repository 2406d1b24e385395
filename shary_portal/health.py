"""Whether the portal is up, and whether it can serve. Says how things are, not why."""

from collections.abc import Callable

import structlog
from celery import current_app
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Min
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from kombu.exceptions import OperationalError

from reservations.models import Lease
from reservations.states import OVER

log = structlog.get_logger(__name__)

BROKER_TIMEOUT_S = 2


@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    """Say that the process is up."""
    return JsonResponse({"status": "ok"})


@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """Say whether database, migrations and broker are as they must be; 503 if one is not.

    `overdue_s` is how long the most overdue lease waits for the engine: near zero while it ticks.
    """
    checks = {"database": _passes(_database), "migrations": _passes(_migrations), "broker": _passes(_broker)}
    ready = all(checks.values())
    body = {
        "status": "ok" if ready else "not ready",
        "checks": {name: "ok" if passed else "failed" for name, passed in checks.items()},
        "overdue_s": _overdue_s() if checks["database"] and checks["migrations"] else None,
    }
    return JsonResponse(body, status=200 if ready else 503)


def _passes(check: Callable[[], bool]) -> bool:
    try:
        return check()
    except (DatabaseError, OperationalError, OSError) as error:
        log.warning("readiness.failed", check=check.__name__, error=str(error))
        return False


def _database() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return bool(cursor.fetchone() == (1,))


_migrated = False


def _migrations() -> bool:
    """Whether all are applied; once they are, they stay so while this code runs."""
    global _migrated
    if not _migrated:
        executor = MigrationExecutor(connection)
        _migrated = not executor.migration_plan(executor.loader.graph.leaf_nodes())
    return _migrated


def _broker() -> bool:
    with current_app.connection_for_write() as broker:
        broker.ensure_connection(max_retries=1, interval_start=0, interval_step=0, timeout=BROKER_TIMEOUT_S)
    return True


def _overdue_s() -> float:
    oldest = Lease.objects.exclude(status__in=OVER).aggregate(oldest=Min("next_action_at"))["oldest"]
    return 0.0 if oldest is None else max((timezone.now() - oldest).total_seconds(), 0.0)
