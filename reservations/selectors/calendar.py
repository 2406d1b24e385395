"""The board: resources as rows, and who has them when; one statement, however many rows."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from accounts.models import User
from accounts.rules import federation_roles
from reservations.rules import RESERVATION

GROUPINGS = {
    "site": "site_name, site, root_kind",
    "kind": "root_kind, site_name, site",
    "model": "root_kind, root_model, site_name, site",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Which part of the board."""

    earliest: datetime
    latest: datetime
    site: str = ""
    kind: str = ""
    model: str = ""
    resource: UUID | None = None
    """Only this one, with what it is part of and its own parts."""
    search: str = ""
    free_at: datetime | None = None
    group: str = "site"
    offset: int = 0
    limit: int = 100


# Numbers in names are padded, so that “L40S 10” comes after “L40S 9”.
_NATURAL = r"regexp_replace(regexp_replace({0}, '(\d+)', '00000000\1', 'g'), '\d*(\d{{8}})', '\1', 'g')"

# A hold that has run out stands in nobody's way.
_LASTS = """(e.hold_id IS NULL OR EXISTS (
    SELECT 1 FROM reservations_hold h WHERE h.id = e.hold_id AND h.expires_at > now()))"""

# What the filters leave. What a part is of is looked up for parts alone: most resources are wholes.
_MATCHING = """
    SELECT r.id, r.site_id, r.parent_id, s.slug AS site, s.name AS site_name, s.time_zone,
           coalesce(root.kind, r.kind) AS root_kind, {model} AS root_model
    FROM resources_resource r JOIN resources_site s ON s.id = r.site_id
    LEFT JOIN LATERAL (
        SELECT w.kind, w.model FROM resources_cover c JOIN resources_resource w ON w.id = c.whole_id
        WHERE r.parent_id IS NOT NULL AND c.part_id = r.id ORDER BY c.depth DESC LIMIT 1
    ) root ON true
    WHERE (%(site)s = '' OR s.slug = %(site)s) AND (%(kind)s = '' OR r.kind = %(kind)s)
      AND (%(model)s = '' OR r.model = %(model)s)
      AND (%(resource)s::uuid IS NULL OR %(resource)s::uuid IN (r.id, r.parent_id)
           OR r.id = (SELECT o.parent_id FROM resources_resource o WHERE o.id = %(resource)s::uuid))
      AND (%(search)s = '' OR strpos(lower(r.name), %(search)s) > 0 OR strpos(lower(r.model), %(search)s) > 0
           OR strpos(lower(s.name), %(search)s) > 0)
      AND (%(free_at)s::timestamptz IS NULL OR (
          r.in_service AND r.quarantined_at IS NULL AND r.health <> 'unhealthy' AND r.id NOT IN (
              SELECT e.resource_id FROM reservations_calendarentry e
              WHERE e.holding AND e.occupies @> %(free_at)s::timestamptz AND {lasts})))
"""

# `groups`: how many rows there are of each, so that only those that the page touches are put in order.
# `shown`: what occupies them. What is exclusive is found by resource and time, which is the constraint's own
# index; the traces that parts leave on wholes have an index of the same shape; what is over is found by resource
# and start. A lease that is over and began more than forty days before the section is left out: to find
# it would mean to read the whole past.
_BOARD = """
WITH matching AS MATERIALIZED ({matching}), groups AS MATERIALIZED (
    SELECT site, site_name, time_zone, root_kind, root_model, count(*) AS rows,
           count(*) FILTER (WHERE parent_id IS NULL) AS devices,
           sum(count(*)) OVER (ORDER BY {order}) - count(*) AS first
    FROM matching GROUP BY site, site_name, time_zone, root_kind, root_model
), ordered AS (
    SELECT m.id, g.first + row_number() OVER (PARTITION BY g.first ORDER BY CASE
               WHEN m.parent_id IS NULL THEN ARRAY[{natural_r}]
               ELSE (SELECT array_agg({natural_w} ORDER BY c.depth DESC) FROM resources_cover c
                     JOIN resources_resource w ON w.id = c.whole_id WHERE c.part_id = m.id) END, m.id) - 1 AS place
    FROM groups g JOIN matching m USING (site, root_kind, root_model) JOIN resources_resource r ON r.id = m.id
    WHERE g.first < %(offset)s + %(limit)s AND g.first + g.rows > %(offset)s
), page AS MATERIALIZED (
    SELECT id, place FROM ordered WHERE place >= %(offset)s AND place < %(offset)s + %(limit)s
), operated AS (
    SELECT site_id FROM resources_operatorship WHERE user_id = %(user)s AND %(rights_count)s
), joined AS (
    SELECT project_id, role FROM accounts_membership
    WHERE user_id = %(user)s AND (expires_at IS NULL OR expires_at > statement_timestamp())
), shown AS (
    SELECT p.id AS resource_id, e.lease_id, e.maintenance_id, e.hold_id, lower(e.occupies) AS occupied_from,
           upper(e.occupies) AS occupied_to
    FROM page p JOIN reservations_calendarentry e ON e.resource_id = p.id
    WHERE e.holding AND e.exclusive AND e.occupies && tstzrange(%(earliest)s, %(latest)s)
    UNION ALL
    SELECT p.id, e.lease_id, e.maintenance_id, e.hold_id, lower(e.occupies), upper(e.occupies)
    FROM page p JOIN reservations_calendarentry e ON e.resource_id = p.id
    WHERE e.holding AND NOT e.exclusive AND e.occupies && tstzrange(%(earliest)s, %(latest)s)
    UNION ALL
    SELECT p.id, l.id, NULL, NULL, l.starts_at, l.ends_at
    FROM page p JOIN resources_cover c ON c.part_id = p.id
    JOIN reservations_lease l ON l.resource_id = c.whole_id
    WHERE l.status = 'RELEASED' AND l.starts_at < %(latest)s AND l.ends_at > %(earliest)s
      AND l.starts_at > %(earliest)s::timestamptz - interval '40 days'
), known AS (
    SELECT x.*, l.resource_id AS leased, l.status, l.starts_at, l.ends_at, v.id AS reservation_id, v.purpose,
           coalesce(v.holder_id, h.holder_id) AS holder_id,
           coalesce(v.holder_id, h.holder_id) = %(user)s AS is_holder, j.role,
           coalesce(v.holder_id, h.holder_id) = %(user)s OR j.role IS NOT NULL OR %(reads_everything)s
               OR EXISTS (SELECT 1 FROM operated o WHERE o.site_id = r.site_id) AS may_know,
           m.resource_id AS maintained, m.reason, m.starts_at AS maintained_from, m.ends_at AS maintained_to,
           h.starts_at AS held_from, h.ends_at AS held_to, h.expires_at
    FROM shown x JOIN resources_resource r ON r.id = x.resource_id
    LEFT JOIN reservations_lease l ON l.id = x.lease_id
    LEFT JOIN reservations_reservation v ON v.id = l.reservation_id
    LEFT JOIN joined j ON j.project_id = v.project_id
    LEFT JOIN resources_maintenancewindow m ON m.id = x.maintenance_id
    LEFT JOIN reservations_hold h ON h.id = x.hold_id
    WHERE x.hold_id IS NULL OR h.expires_at > %(now)s
)
SELECT coalesce((SELECT sum(rows) FROM groups), 0),
(SELECT coalesce(json_agg(g ORDER BY g.first), '[]') FROM (
    SELECT first::int, rows, devices, site, site_name, time_zone AS site_time_zone, root_kind AS kind,
           root_model AS model FROM groups) g)::text,
(SELECT coalesce(json_agg(o ORDER BY o.place), '[]') FROM (
    SELECT p.place::int, r.id, r.name, m.site, m.site_name, m.time_zone AS site_time_zone, r.kind, m.root_kind,
           r.model, r.parent_id AS parent,
           CASE WHEN r.parent_id IS NULL THEN 0
                ELSE (SELECT count(*) - 1 FROM resources_cover c WHERE c.part_id = r.id) END AS depth,
           r.health, r.quarantined_at IS NOT NULL AS quarantined, r.in_service,
           CASE WHEN r.quarantined_at IS NOT NULL THEN r.quarantine_reason
                WHEN r.health = 'unhealthy' THEN r.health_detail ELSE '' END AS why
    FROM page p JOIN resources_resource r ON r.id = p.id JOIN matching m ON m.id = p.id) o)::text,
(SELECT coalesce(json_agg(o ORDER BY o.occupied_from, o."row"), '[]') FROM (
    SELECT coalesce(lease_id, maintenance_id, hold_id) AS id,
           CASE WHEN lease_id IS NOT NULL THEN 'lease' WHEN hold_id IS NOT NULL THEN 'hold'
                ELSE 'maintenance' END AS type,
           resource_id AS "row",
           coalesce(starts_at, maintained_from, held_from) AS starts_at,
           coalesce(ends_at, maintained_to, held_to) AS ends_at,
           occupied_from, occupied_to,
           CASE WHEN hold_id IS NOT NULL THEN 'held' ELSE coalesce(lower(status), 'maintenance') END AS state,
           coalesce(is_holder OR role IS NOT NULL, false) AS mine,
           coalesce((is_holder OR role = 'leader' OR %(is_manager)s)
               AND status IN ('REQUESTED', 'SCHEDULED', 'PROVISIONING', 'ACTIVE'), false) AS can_change,
           CASE WHEN may_know THEN reservation_id END AS reservation,
           CASE WHEN maintenance_id IS NOT NULL THEN reason
                WHEN may_know AND lease_id IS NOT NULL THEN purpose ELSE '' END AS title,
           CASE WHEN may_know AND maintenance_id IS NULL THEN (
               SELECT coalesce(nullif(trim(u.first_name || ' ' || u.last_name), ''), u.username)
               FROM accounts_user u WHERE u.id = holder_id) ELSE '' END AS who,
           expires_at,
           nullif(CASE WHEN hold_id IS NULL THEN coalesce(leased, maintained) ELSE (
               SELECT d.resource_id FROM reservations_heldresource d JOIN resources_cover c
                 ON (c.whole_id = d.resource_id AND c.part_id = known.resource_id)
                 OR (c.part_id = d.resource_id AND c.whole_id = known.resource_id)
               WHERE d.hold_id = known.hold_id ORDER BY c.depth LIMIT 1) END, resource_id) AS via
    FROM known) o)::text
"""


def board(section: Section, *, user: User, now: datetime) -> str:
    """Return the groups, rows and entries of a section as JSON, as far as the person may see it.

    Everybody sees when a device is busy or held. Who has it and for what is for members of the same project,
    for operators of the site, for auditors and for federation managers: `reservations.rules`, in one statement.
    """
    roles = federation_roles(user)
    with connection.cursor() as cursor:
        cursor.execute(
            _statement(_BOARD, section.group),
            {
                "earliest": section.earliest,
                "latest": section.latest,
                "offset": section.offset,
                "limit": section.limit,
                "user": user.pk,
                "now": now,
                "rights_count": user.rights_count,
                "reads_everything": bool(roles & RESERVATION["see"]),
                "is_manager": bool(roles & RESERVATION["change"]),
                **_filters(section),
            },
        )
        total, groups, rows, entries = cursor.fetchone()
    return f'"total":{total},"groups":{groups},"rows":{rows},"entries":{entries}'


def _statement(text: str, group: str) -> str:
    model = "coalesce(root.model, r.model)" if group == "model" else "''::text"
    return text.format(
        matching=_MATCHING.format(model=model, lasts=_LASTS),
        lasts=_LASTS,
        order=GROUPINGS[group],
        natural_r=_NATURAL.format("r.name"),
        natural_w=_NATURAL.format("w.name"),
    )


def _filters(section: Section) -> dict[str, Any]:
    return {
        "site": section.site,
        "kind": section.kind,
        "model": section.model,
        "resource": section.resource,
        "search": section.search.lower(),
        "free_at": section.free_at,
    }


# How many devices of each group are free from one step to the next. What occupies a device for a part of a step
# occupies it for the step: the numbers promise that a window can be found there.
_FREE = """
WITH matching AS MATERIALIZED ({matching}), usable AS (
    SELECT m.site, m.root_kind, m.root_model, m.id, r.in_service AND r.quarantined_at IS NULL AS usable
    FROM matching m JOIN resources_resource r ON r.id = m.id WHERE m.parent_id IS NULL
), busy AS (
    SELECT u.site, u.root_kind, u.root_model, step, count(DISTINCT u.id) AS many
    FROM usable u JOIN reservations_calendarentry e ON e.resource_id = u.id AND e.holding
         AND e.occupies && tstzrange(%(earliest)s, %(latest)s) AND {lasts}
    CROSS JOIN LATERAL generate_series(
        greatest(floor(extract(epoch FROM lower(e.occupies) - %(earliest)s) / %(step_s)s), 0)::int,
        least(ceil(extract(epoch FROM upper(e.occupies) - %(earliest)s) / %(step_s)s), %(steps)s)::int - 1) step
    WHERE u.usable GROUP BY u.site, u.root_kind, u.root_model, step
)
SELECT coalesce(json_agg(g), '[]')::text FROM (
    SELECT u.site, u.root_kind AS kind, u.root_model AS model, u.usable, (
        SELECT json_agg(u.usable - coalesce(b.many, 0) ORDER BY n) FROM generate_series(0, %(steps)s - 1) n
        LEFT JOIN busy b ON b.step = n AND b.site = u.site AND b.root_kind = u.root_kind AND b.root_model = u.root_model
    ) AS free
    FROM (SELECT site, root_kind, root_model, count(*) FILTER (WHERE usable) AS usable
          FROM usable GROUP BY site, root_kind, root_model) u
) g
"""


def free_over_time(section: Section, *, step: timedelta) -> str:
    """Return as JSON how many devices of each group of the board are free in each step of the section."""
    steps = -((section.earliest - section.latest) // step)
    with connection.cursor() as cursor:
        cursor.execute(
            _statement(_FREE, section.group),
            {
                "earliest": section.earliest,
                "latest": section.latest,
                "step_s": step.total_seconds(),
                "steps": steps,
                **_filters(section),
            },
        )
        (groups,) = cursor.fetchone()
    return str(groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarMark:
    """How far the calendar has changed, and which transactions were open at that moment."""

    changes: int
    oldest_open: int
    newest: int


def calendar_mark() -> CalendarMark:
    """Return the count of changes; a change whose transaction is still open is counted already."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT last_value FROM shary_calendar_changes),"
            " pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint FROM pg_current_snapshot() s"
        )
        changes, oldest_open, newest = cursor.fetchone()
    return CalendarMark(changes=changes, oldest_open=oldest_open, newest=newest)
