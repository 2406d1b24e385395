"""What a change of a site's policy would have meant last month."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import connection
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from reservations.policy_replay import PastBooking, Replayed, WouldBeRefused, replay
from resources.models import Site

LOOKED_BACK = timedelta(days=30)
MOST_BOOKINGS = 3000
MOST_EXAMPLES = 10

# The newest first, so that a site with more than can be played again shows its latest days.
_BOOKED = """
SELECT v.id, p.name, v.purpose, v.created_at, min(l.starts_at), max(l.ends_at), count(*),
       CASE WHEN bool_and(l.status IN ('REJECTED', 'CANCELLED', 'RELEASED'))
            THEN (SELECT max(e.at) FROM reservations_leaseevent e JOIN reservations_lease ll ON ll.id = e.lease_id
                  WHERE ll.reservation_id = v.id) END
FROM reservations_reservation v
JOIN reservations_lease l ON l.reservation_id = v.id
JOIN resources_resource r ON r.id = l.resource_id
JOIN accounts_project p ON p.id = v.project_id
WHERE r.site_id = %(site)s AND (v.created_at >= %(since)s OR v.ends_at > %(since)s)
GROUP BY v.id, p.name
ORDER BY v.created_at DESC
LIMIT %(limit)s
"""


@dataclass(slots=True, kw_only=True)
class Preview:
    """What the new policy would have refused, beside what the present one would."""

    looked_at: int
    refused: list[WouldBeRefused]
    newly: list[WouldBeRefused] = field(default_factory=list)
    """Those that the present policy would have let through."""
    spared: int = 0
    """How many the present policy would refuse and the new one would not."""
    since: datetime
    is_sample: bool = False
    would_wait: bool = False
    """Whether those let through would have waited for an operator, and do not by now."""

    @property
    def said(self) -> str:
        """The outcome in a sentence."""
        if not self.looked_at:
            return _("Nothing was booked here in the last 30 days, so nothing can be said from it.")
        counted = ngettext(
            "This would have refused %(refused)s of last month’s %(all)s booking.",
            "This would have refused %(refused)s of last month’s %(all)s bookings.",
            self.looked_at,
        )
        return counted % {"refused": len(self.refused), "all": self.looked_at}

    @property
    def by_project(self) -> list[tuple[str, int]]:
        """How many of each project would have been refused, the most first."""
        counted: dict[str, int] = {}
        for each in self.refused:
            counted[each.booking.project] = counted.get(each.booking.project, 0) + 1
        return sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))

    @property
    def examples(self) -> list[WouldBeRefused]:
        """Some of them, the latest of those first that the change itself would refuse."""
        first = {each.booking.reservation for each in self.newly}
        ordered = sorted(self.refused, key=lambda each: each.booking.booked_at, reverse=True)
        return sorted(ordered, key=lambda each: each.booking.reservation not in first)[:MOST_EXAMPLES]


def preview_policy(present: Site, wanted: Site, *, now: datetime) -> Preview:
    """Return what the wanted policy would have made of the last 30 days; nothing is written."""
    since = now - LOOKED_BACK
    bookings = _bookings(present, since)
    is_sample = len(bookings) > MOST_BOOKINGS
    bookings = bookings[:MOST_BOOKINGS]
    before, after = (_replayed(bookings, site, since) for site in (present, wanted))
    return Preview(
        looked_at=after.looked_at,
        refused=after.refused,
        newly=[each for each in after.refused if each.booking.reservation not in before.keys],
        spared=len(before.keys - after.keys),
        since=min((each.booked_at for each in bookings if each.booked_at >= since), default=since)
        if is_sample
        else since,
        is_sample=is_sample,
        would_wait=present.approval == Site.Approval.AUTOMATIC and wanted.approval == Site.Approval.OPERATOR,
    )


def _replayed(bookings: list[PastBooking], site: Site, since: datetime) -> Replayed:
    return replay(bookings, site, site=site.name, since=since, zone=site.time_zone)


def _bookings(site: Site, since: datetime) -> list[PastBooking]:
    with connection.cursor() as cursor:
        cursor.execute(_BOOKED, {"site": site.pk, "since": since, "limit": MOST_BOOKINGS + 1})
        return [
            PastBooking(
                reservation=row[0],
                project=row[1],
                purpose=row[2],
                booked_at=row[3],
                starts_at=row[4],
                ends_at=row[5],
                devices=row[6],
                over_at=row[7],
            )
            for row in cursor.fetchall()
        ]
