"""Keeping what sites report of leases, as it came: the log that operators read when something went wrong."""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection

from adapters.contract.wire import Report
from resources.models import Site

KEPT = frozenset({"prepared", "opened", "isolated", "clean", "failed", "stale"})
LONGEST_WORDS = 2000

# A site can only tell of leases on its own devices; the same report may come any number of times.
_KEEP = """
INSERT INTO reservations_leasereport
    (lease_id, report, event, at, received_at, epoch, revision, final, verb, error, words)
SELECT l.id, x.report, x.event, x.at, %(now)s, x.epoch, x.revision, x.final, x.verb, x.error, x.words
FROM unnest(%(leases)s::uuid[], %(sites)s::bigint[], %(reports)s::text[], %(events)s::text[],
            %(ats)s::timestamptz[], %(epochs)s::bigint[], %(revisions)s::bigint[], %(finals)s::bool[],
            %(verbs)s::text[], %(errors)s::text[], %(words)s::text[]) WITH ORDINALITY
     AS x (lease, site, report, event, at, epoch, revision, final, verb, error, words, place)
JOIN reservations_lease l ON l.id = x.lease
JOIN resources_resource r ON r.id = l.resource_id AND r.site_id = x.site
ORDER BY x.place
ON CONFLICT DO NOTHING
"""


def keep_reports(believed: Sequence[tuple[Site, Report]], *, now: datetime) -> None:
    """Keep the reports that tell of leases, in one statement."""
    kept = [(site, report) for site, report in believed if report.event in KEPT and report.lease_id]
    if not kept:
        return
    reports = [report for _, report in kept]
    failures = [report.failure for report in reports]
    with connection.cursor() as cursor:
        cursor.execute(
            _KEEP,
            {
                "now": now,
                "leases": [report.lease_id for report in reports],
                "sites": [site.pk for site, _ in kept],
                "reports": [report.id[:64] for report in reports],
                "events": [report.event for report in reports],
                "ats": [report.at for report in reports],
                "epochs": [report.epoch for report in reports],
                "revisions": [report.revision for report in reports],
                "finals": [report.final for report in reports],
                "verbs": [failure.verb[:20] if failure else "" for failure in failures],
                "errors": [failure.error[:60] if failure else "" for failure in failures],
                "words": [_words(report) for report in reports],
            },
        )


def _words(report: Report) -> str:
    """Return what it said, without what opens the device: that is for its holder alone."""
    if report.failure is not None:
        # PostgreSQL keeps no text with a zero in it.
        return report.failure.message.replace("\x00", "")[:LONGEST_WORDS]
    if report.event == "stale" and "highest_epoch" in report.detail:
        return f"hand-over {report.detail['highest_epoch']} is the latest that it knows"[:LONGEST_WORDS]
    return ""
