"""Tells holders that a reservation starts or ends soon, as long before as each of them chose.

What is due is asked of the reservations themselves each time: a hub that was away for an hour finds them
when it is back, or finds that it is too late to be of use. A message is known by the moment that it tells of,
so it is said once, and again when that moment was moved.
"""

from datetime import datetime, timedelta

from django.db import connection

from reservations.models import OutgoingMail
from reservations.policy import FOREWARN_BEFORE, LONGEST_LEAD
from reservations.services.engine.post import write

# A reservation that was booked, or got its window, when less than the lead was left needs no reminder: the
# message of that has just come. The lead is cut to half of the lease before its end, or a short lease would
# be said to end before it has begun.
_STARTING = """
SELECT DISTINCT v.id, v.holder_id, v.starts_at
FROM reservations_lease l
JOIN reservations_reservation v ON v.id = l.reservation_id
LEFT JOIN reservations_messagechoices c ON c.user_id = v.holder_id
WHERE l.status IN ('SCHEDULED', 'PROVISIONING') AND l.next_action_at <= %(now)s + %(longest)s * interval '1 second'
  AND v.starts_at > %(now)s AND v.starts_at <= %(now)s + coalesce(c.start_lead, %(lead)s * interval '1 second')
  AND v.created_at <= v.starts_at - coalesce(c.start_lead, %(lead)s * interval '1 second')
  AND NOT EXISTS (
      SELECT 1 FROM reservations_outgoingmail m WHERE m.reservation_id = v.id AND m.template = 'starting_soon'
      AND m.facts ->> 'at' = to_char(v.starts_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS')
  )
LIMIT %(most)s
"""

_ENDING = """
SELECT DISTINCT v.id, v.holder_id, v.ends_at
FROM reservations_lease l
JOIN reservations_reservation v ON v.id = l.reservation_id
LEFT JOIN reservations_messagechoices c ON c.user_id = v.holder_id
WHERE l.status = 'ACTIVE' AND l.next_action_at <= %(now)s + %(longest)s * interval '1 second'
  AND v.ends_at > %(now)s + %(at_least)s * interval '1 second'
  AND v.ends_at <= %(now)s + least(coalesce(c.end_lead, %(lead)s * interval '1 second'), (v.ends_at - v.starts_at) / 2)
  AND NOT EXISTS (
      SELECT 1 FROM reservations_outgoingmail m WHERE m.reservation_id = v.id AND m.template = 'ending_soon'
      AND m.facts ->> 'at' = to_char(v.ends_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS')
  )
LIMIT %(most)s
"""

AT_LEAST = timedelta(minutes=2)
"""With less than this left, nobody could do anything about it."""

MOST_AT_ONCE = 500


def warn_of_starting(*, now: datetime) -> int:
    """Write to the holders of reservations that start soon; return how many are told."""
    return _warn(_STARTING, "starting_soon", now=now)


def warn_of_ending(*, now: datetime) -> int:
    """Write to the holders of reservations that end soon; return how many are told."""
    return _warn(_ENDING, "ending_soon", now=now)


def _warn(query: str, template: str, *, now: datetime) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            query,
            {
                "now": now,
                "lead": FOREWARN_BEFORE.total_seconds(),
                "longest": LONGEST_LEAD.total_seconds(),
                "at_least": AT_LEAST.total_seconds(),
                "most": MOST_AT_ONCE,
            },
        )
        due = cursor.fetchall()
    write(
        *(
            OutgoingMail(
                dedupe_key=f"reservation:{reservation}:{template}:{at:%Y%m%dT%H%M%S}:{holder}",
                to_id=holder,
                template=template,
                reservation_id=reservation,
                facts={"at": f"{at:%Y-%m-%dT%H:%M:%S}"},
                next_try_at=now,
                expires_at=at,
            )
            for reservation, holder, at in due
        )
    )
    return len(due)
