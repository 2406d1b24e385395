"""The board: resources as rows, and who has them when; one statement, however many rows."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from accounts.models import User
from accounts.rules import federation_roles
from reservations.rules import RESERVATION


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Which part of the board."""

    earliest: datetime
    latest: datetime
    site: str = ""
    kind: str = ""
    search: str = ""
    offset: int = 0
    limit: int = 200


# Numbers in names are padded, so that “L40S 10” comes after “L40S 9”.
_NATURAL = r"regexp_replace(regexp_replace({0}, '(\d+)', '00000000\1', 'g'), '\d*(\d{{8}})', '\1', 'g')"

_MOMENT = """to_char({0} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')"""

# `matching`: what the filters leave, in the order of the tree. `page`: the rows shown.
# `shown`: what occupies them. Entries that hold are found by kind and time, which is an index;
# those that are over by resource and start. A lease that is over and began more than forty days
# before the section is left out: to find it would mean to read the whole past.
_BOARD = rf"""
WITH matching AS (
    SELECT r.id, r.name, r.kind, r.model, r.parent_id, r.health, r.quarantined_at, r.in_service,
           CASE WHEN r.quarantined_at IS NOT NULL THEN r.quarantine_reason
                WHEN r.health = 'unhealthy' THEN r.health_detail ELSE '' END AS why,
           s.slug AS site, s.name AS site_name, s.time_zone, place.depth, place.path, place.root_kind
    FROM resources_resource r JOIN resources_site s ON s.id = r.site_id
    CROSS JOIN LATERAL (
        SELECT count(*) - 1 AS depth, array_agg({_NATURAL.format("w.name")} ORDER BY c.depth DESC) AS path,
               (array_agg(w.kind ORDER BY c.depth DESC))[1] AS root_kind
        FROM resources_cover c JOIN resources_resource w ON w.id = c.whole_id WHERE c.part_id = r.id
    ) place
    WHERE (%(site)s = '' OR s.slug = %(site)s) AND (%(kind)s = '' OR r.kind = %(kind)s)
      AND (%(search)s = '' OR strpos(lower(r.name), %(search)s) > 0 OR strpos(lower(r.model), %(search)s) > 0
           OR strpos(lower(s.name), %(search)s) > 0)
), page AS (
    SELECT *, row_number() OVER (ORDER BY site_name, site, root_kind, path, id) AS place
    FROM matching ORDER BY site_name, site, root_kind, path, id OFFSET %(offset)s LIMIT %(limit)s
), operated AS (
    SELECT site_id FROM resources_operatorship WHERE user_id = %(user)s AND %(rights_count)s
), joined AS (
    SELECT project_id, role FROM accounts_membership
    WHERE user_id = %(user)s AND (expires_at IS NULL OR expires_at > now())
), shown AS (
    SELECT e.resource_id, e.lease_id, e.maintenance_id, lower(e.occupies) AS occupied_from,
           upper(e.occupies) AS occupied_to
    FROM reservations_calendarentry e
    WHERE e.holding AND e.kind = ANY(ARRAY(SELECT DISTINCT kind FROM page))
      AND e.occupies && tstzrange(%(earliest)s, %(latest)s)
      AND e.resource_id IN (SELECT id FROM page)
    UNION ALL
    SELECT p.id, l.id, NULL, l.starts_at, l.ends_at
    FROM page p JOIN resources_cover c ON c.part_id = p.id
    JOIN reservations_lease l ON l.resource_id = c.whole_id
    WHERE l.status = 'RELEASED' AND l.starts_at < %(latest)s AND l.ends_at > %(earliest)s
      AND l.starts_at > %(earliest)s - interval '40 days'
), known AS (
    SELECT x.*, l.resource_id AS leased, l.status, l.starts_at, l.ends_at, v.id AS reservation_id, v.purpose,
           coalesce(nullif(trim(u.first_name || ' ' || u.last_name), ''), u.username) AS holder,
           v.holder_id = %(user)s AS is_holder, j.role,
           %(reads_everything)s OR EXISTS (
               SELECT 1 FROM resources_resource r JOIN operated o ON o.site_id = r.site_id
               WHERE r.id = l.resource_id
           ) AS is_watcher,
           m.resource_id AS maintained, m.reason, m.starts_at AS maintained_from, m.ends_at AS maintained_to
    FROM shown x
    LEFT JOIN reservations_lease l ON l.id = x.lease_id
    LEFT JOIN reservations_reservation v ON v.id = l.reservation_id
    LEFT JOIN accounts_user u ON u.id = v.holder_id
    LEFT JOIN joined j ON j.project_id = v.project_id
    LEFT JOIN resources_maintenancewindow m ON m.id = x.maintenance_id
)
SELECT (SELECT count(*) FROM matching),
(SELECT coalesce(json_agg(json_build_object(
    'id', id, 'name', name, 'site', site, 'site_name', site_name, 'site_time_zone', time_zone,
    'kind', kind, 'root_kind', root_kind, 'model', model, 'parent', parent_id, 'depth', depth, 'health', health,
    'quarantined', quarantined_at IS NOT NULL, 'in_service', in_service, 'why', why
 ) ORDER BY place), '[]') FROM page)::text,
(SELECT coalesce(json_agg(json_build_object(
    'id', coalesce(lease_id, maintenance_id),
    'type', CASE WHEN lease_id IS NULL THEN 'maintenance' ELSE 'lease' END,
    'row', resource_id,
    'starts_at', {_MOMENT.format("coalesce(starts_at, maintained_from)")},
    'ends_at', {_MOMENT.format("coalesce(ends_at, maintained_to)")},
    'occupied_from', {_MOMENT.format("occupied_from")},
    'occupied_to', {_MOMENT.format("occupied_to")},
    'state', coalesce(lower(status), 'maintenance'),
    'mine', coalesce(is_holder OR role IS NOT NULL, false),
    'can_change', coalesce((is_holder OR role = 'leader' OR %(is_manager)s)
        AND status IN ('REQUESTED', 'SCHEDULED', 'PROVISIONING', 'ACTIVE'), false),
    'reservation', CASE WHEN is_holder OR role IS NOT NULL OR is_watcher THEN reservation_id END,
    'title', CASE WHEN lease_id IS NULL THEN reason
                  WHEN is_holder OR role IS NOT NULL OR is_watcher THEN purpose ELSE '' END,
    'who', CASE WHEN lease_id IS NOT NULL AND (is_holder OR role IS NOT NULL OR is_watcher)
                THEN holder ELSE '' END,
    'via', nullif(coalesce(leased, maintained), resource_id)
 ) ORDER BY occupied_from, resource_id), '[]') FROM known)::text
"""  # noqa: S608 - put together from constants only


def board(section: Section, *, user: User) -> dict[str, Any]:
    """Return the rows of a section with what occupies them, as far as the person may see it.

    Everybody sees when a device is busy. Who has it and for what is for members of the same project,
    for operators of the site, for auditors and for federation managers: `reservations.rules`, in one statement.
    """
    roles = federation_roles(user)
    with connection.cursor() as cursor:
        cursor.execute(
            _BOARD,
            {
                "earliest": section.earliest,
                "latest": section.latest,
                "site": section.site,
                "kind": section.kind,
                "search": section.search.lower(),
                "offset": section.offset,
                "limit": section.limit,
                "user": user.pk,
                "rights_count": user.rights_count,
                "reads_everything": bool(roles & RESERVATION["see"]),
                "is_manager": bool(roles & RESERVATION["change"]),
            },
        )
        total, rows, entries = cursor.fetchone()
    return {"total": total, "rows": json.loads(rows), "entries": json.loads(entries)}
