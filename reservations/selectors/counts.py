"""How much waits for an operator: shown beside each page of the desk, so it is one cheap statement."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from resources.models import SILENT_AFTER


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskCounts:
    """Numbers beside the ways of the desk."""

    leases: int
    """Waiting for approval, not proven clean, or waiting for a second person."""
    devices: int
    """Quarantined or unhealthy."""
    plans: int
    """Maintenance that waits for a second person."""
    silent: int
    """Sites that are not heard."""

    @property
    def all(self) -> int:
        """All of them."""
        return self.leases + self.devices + self.plans + self.silent


_COUNTS = """
WITH sites AS MATERIALIZED (SELECT id, last_heard_at FROM resources_site WHERE %(all)s OR id = ANY(%(sites)s)),
     devices AS MATERIALIZED (SELECT id, in_service, quarantined_at, health FROM resources_resource
                              WHERE site_id IN (SELECT id FROM sites))
SELECT
    (SELECT count(*) FROM reservations_lease
     WHERE next_action_at IS NOT NULL AND status IN ('REQUESTED', 'RELEASE_FAILED')
       AND resource_id IN (SELECT id FROM devices))
  + (SELECT count(*) FROM reservations_countersign c JOIN reservations_lease l ON l.id = c.lease_id
     WHERE c.answer = '' AND c.expires_at > %(now)s AND l.resource_id IN (SELECT id FROM devices)),
    (SELECT count(*) FROM devices d
     WHERE d.in_service AND (d.quarantined_at IS NOT NULL OR d.health = 'unhealthy')
       AND NOT EXISTS (SELECT 1 FROM reservations_lease l
                       WHERE l.resource_id = d.id AND l.status = 'RELEASE_FAILED')),
    (SELECT count(*) FROM reservations_maintenanceplan
     WHERE state = 'waiting' AND ends_at > %(now)s AND site_id IN (SELECT id FROM sites)),
    (SELECT count(*) FROM sites WHERE last_heard_at IS NULL OR last_heard_at < %(heard)s)
"""


def desk_counts(sites: Collection[int] | None, *, now: datetime) -> DeskCounts:
    """Return the numbers for some sites; None means all of them."""
    parameters: dict[str, Any] = {
        "all": sites is None,
        "sites": list(sites or ()),
        "now": now,
        "heard": now - SILENT_AFTER,
    }
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS, parameters)
        row = cursor.fetchone()
    leases, devices, plans, silent = row or (0, 0, 0, 0)
    return DeskCounts(leases=leases, devices=devices, plans=plans, silent=silent)
