"""Resources as the API describes them, put together by the database: for answers with many of them."""

import json
from collections.abc import Sequence
from uuid import UUID

from django.db import connection

from adapters.catalogue import CATALOGUE

_DESCRIBED = """
SELECT coalesce(json_agg(json_build_object(
    'id', r.id, 'name', r.name, 'site', s.slug, 'kind', r.kind, 'adapter', r.adapter, 'model', r.model,
    'attributes', r.attributes, 'parent', r.parent_id,
    'has_parts', EXISTS (SELECT 1 FROM resources_resource p WHERE p.parent_id = r.id),
    'depth', (SELECT count(*) - 1 FROM resources_cover c WHERE c.part_id = r.id),
    'health', r.health, 'health_detail', r.health_detail,
    'observed_at', to_char(r.observed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'quarantined', r.quarantined_at IS NOT NULL, 'quarantine_reason', r.quarantine_reason,
    'in_service', r.in_service, 'preparation_s', r.preparation_s, 'cleanup_s', r.cleanup_s,
    'notice', coalesce(%(notices)s::jsonb ->> r.adapter, '')
) ORDER BY wanted.place), '[]')::text
FROM unnest(%(keys)s::uuid[]) WITH ORDINALITY AS wanted (id, place)
JOIN resources_resource r ON r.id = wanted.id JOIN resources_site s ON s.id = r.site_id
"""

_NOTICES = json.dumps({name: description.notice for name, description in CATALOGUE.items()})


def described(keys: Sequence[UUID]) -> str:
    """Return the resources in the order of their keys as JSON, in one statement; what `ResourceShape` shows."""
    with connection.cursor() as cursor:
        cursor.execute(_DESCRIBED, {"notices": _NOTICES, "keys": list(keys)})
        (text,) = cursor.fetchone()
    return str(text)
