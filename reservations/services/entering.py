"""The statements of a booking, written once: it is the path that everybody waits for.

A booking reads its project, locks and reads its resources, and enters the reservation, its leases
and their first events in one statement each; the calendar's entries follow by trigger.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from accounts.models import Project, User
from accounts.rows import columns_of, instances
from reservations.messages.settling import SETTLES_IN
from reservations.models import Hold, Lease, LeaseEvent, Reservation
from reservations.services.windows import BookedWindow
from reservations.states import Status
from resources.models import Resource, Site

_PROJECT = f"""
SELECT {columns_of(Project).under("p")} FROM accounts_project p
JOIN accounts_membership m ON m.project_id = p.id WHERE p.slug = %s AND m.user_id = %s
AND (m.expires_at IS NULL OR m.expires_at > statement_timestamp())
"""  # noqa: S608 - put together from the names of columns only

# Locked in the order of their keys, so that two bundles never wait for each other. With that go the holds in the
# way of the window that ran out, and the person's own: PostgreSQL runs a change in WITH that nothing reads from
# after the rest of its statement, so only whoever has the locks ends holds, and without a statement of its own.
_RESOURCES = f"""
WITH ended AS (
    UPDATE reservations_hold h
    SET over_at = least(h.expires_at, %(now)s),
        outcome = CASE WHEN h.expires_at <= %(now)s THEN 'lapsed' ELSE %(outcome)s END
    WHERE h.over_at IS NULL AND (h.expires_at <= %(now)s OR h.holder_id = %(person)s) AND h.id IN (
        SELECT e.hold_id FROM reservations_calendarentry e JOIN resources_resource r ON r.id = e.resource_id
        WHERE e.hold_id IS NOT NULL AND e.resource_id = ANY(%(keys)s)
          AND e.occupies && shary_occupies(%(starts_at)s, %(ends_at)s, r.preparation_s, r.cleanup_s))
)
SELECT {columns_of(Resource).under("r")}, {columns_of(Site).under("s")}
FROM resources_resource r JOIN resources_site s ON s.id = r.site_id
WHERE r.id = ANY(%(keys)s) ORDER BY r.id FOR NO KEY UPDATE OF r
"""  # noqa: S608 - put together from the names of columns only

_ENTER = """
WITH reservation AS (
    INSERT INTO reservations_reservation
        (id, project_id, holder_id, purpose, starts_at, ends_at, created_at, version)
    VALUES (%(id)s, %(project)s, %(holder)s, %(purpose)s, %(starts_at)s, %(ends_at)s, %(now)s, 1)
), lease AS (
    INSERT INTO reservations_lease
        (id, reservation_id, resource_id, status, starts_at, ends_at, preparation_s, cleanup_s, wish, parameters,
         revision, next_action_at, attempts, access, trouble)
    SELECT l.id, %(id)s, l.resource, l.status, %(starts_at)s, %(ends_at)s, l.preparation, l.cleanup, l.wish::jsonb,
           l.parameters::jsonb, 0, l.next_action, 0, '', ''
    FROM unnest(%(leases)s::uuid[], %(resources)s::uuid[], %(statuses)s::text[], %(preparations)s::int[],
                %(cleanups)s::int[], %(wishes)s::text[], %(parameters)s::text[], %(next_actions)s::timestamptz[])
         AS l (id, resource, status, preparation, cleanup, wish, parameters, next_action)
), mail AS (
    INSERT INTO reservations_outgoingmail
        (dedupe_key, to_id, template, reservation_id, facts, subject, body, created_at, why_dropped, attempts,
         last_error, next_try_at)
    VALUES (%(mail)s, %(holder)s, 'booked', %(id)s, '{}', '', '', %(now)s, '', 0, '', %(mail_at)s)
)
INSERT INTO reservations_leaseevent (lease_id, at, actor_id, source, "to", reason)
SELECT e.lease, %(now)s, %(holder)s, '', e.status, e.reason
FROM unnest(%(leases)s::uuid[], %(statuses)s::text[], %(reasons)s::text[]) AS e (lease, status, reason)
"""

REASONS = {Status.REQUESTED: "Asked", Status.SCHEDULED: "Booked; the site approves by itself"}


def project_of_member(user: User, slug: str) -> Project | None:
    """Return the project if the user is a member of it."""
    with connection.cursor() as cursor:
        cursor.execute(_PROJECT, [slug, user.pk])
        row = cursor.fetchone()
    return None if row is None else columns_of(Project).instance(row)


def locked_resources(
    keys: Sequence[UUID],
    *,
    person: User | None,
    window: BookedWindow,
    now: datetime,
    outcome: Hold.Outcome = Hold.Outcome.BOOKED,
) -> dict[UUID, Resource]:
    """Lock the resources' rows in the order of their keys and return them with their sites.

    The person's own holds that stand in the way of the window end so, and those of anybody that ran out.
    """
    found: dict[UUID, Resource] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            _RESOURCES,
            {
                "keys": list(keys),
                "person": None if person is None else person.pk,
                "starts_at": window.starts_at,
                "ends_at": window.ends_at,
                "now": now,
                "outcome": outcome.value,
            },
        )
        for row in cursor.fetchall():
            resource, resource.site = instances(row, Resource, Site)
            found[resource.pk] = resource
    return found


def enter(reservation: Reservation, leases: Sequence[Lease], *, now: datetime) -> None:
    """Enter a new reservation with its leases and their first events.

    The reservation then brings its leases and events along, as if they had been prefetched.
    """
    reservation.created_at = now
    reasons = [REASONS[Status(lease.status)] for lease in leases]
    with connection.cursor() as cursor:
        cursor.execute(
            _ENTER,
            {
                "id": reservation.pk,
                "project": reservation.project_id,
                "holder": reservation.holder_id,
                "purpose": reservation.purpose,
                "starts_at": reservation.starts_at,
                "ends_at": reservation.ends_at,
                "now": now,
                "leases": [lease.pk for lease in leases],
                "resources": [lease.resource_id for lease in leases],
                "statuses": [str(lease.status) for lease in leases],
                "preparations": [lease.preparation_s for lease in leases],
                "cleanups": [lease.cleanup_s for lease in leases],
                "wishes": [None if lease.wish is None else json.dumps(lease.wish) for lease in leases],
                "parameters": [json.dumps(lease.parameters) for lease in leases],
                "next_actions": [lease.next_action_at for lease in leases],
                "reasons": reasons,
                "mail": f"reservation:{reservation.pk}:booked",
                "mail_at": now + SETTLES_IN,
            },
        )
    for lease, reason in zip(leases, reasons, strict=True):
        lease._state.adding = False  # noqa: SLF001
        event = LeaseEvent(
            lease=lease, at=now, actor=reservation.holder, source="", to=lease.status, reason=reason
        )
        _bring_along(lease, "events", [event])
        _bring_along(lease, "proofs", [])
    _bring_along(reservation, "leases", list(leases))
    reservation._state.adding = False  # noqa: SLF001


def _bring_along(owner: Reservation | Lease, name: str, rows: list[Any]) -> None:
    manager = getattr(owner, name)
    known = manager.all()
    known._result_cache = rows  # noqa: SLF001
    known._prefetch_done = True  # noqa: SLF001
    cache = owner.__dict__.setdefault("_prefetched_objects_cache", {})
    cache[name] = known
