"""Playing last month again under another policy: pure, with the same limits as booking."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from accounts.limits import Limits
from reservations.policy_replay import PastBooking, replay
from resources.models import Site

NOW = datetime(2030, 5, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SINCE = NOW - timedelta(days=30)


def booking(
    number: int, *, at: datetime = NOW, starts_h: float = 1, hours: float = 2, **fields: Any
) -> PastBooking:
    starts_at = at + timedelta(hours=starts_h)
    return PastBooking(
        **{
            "reservation": UUID(int=number),
            "project": "Telemetry",
            "booked_at": at,
            "starts_at": starts_at,
            "ends_at": starts_at + timedelta(hours=hours),
            "devices": 1,
        }
        | fields
    )


def refused(bookings: list[PastBooking], **limits: Any) -> list[int]:
    site: Limits = Site(**limits)
    found = replay(bookings, site, site="Roma", since=SINCE, zone="UTC")
    return [each.booking.reservation.int for each in found.refused]


def test_a_shorter_longest_lease_refuses_longer_ones():
    assert refused([booking(1, hours=2), booking(2, hours=9)], longest_lease=8 * HOUR) == [2]


def test_a_nearer_look_ahead_refuses_far_ones():
    assert refused([booking(1), booking(2, starts_h=50)], look_ahead=2 * 24 * HOUR) == [2]


def test_open_reservations_count_until_they_end_or_are_given_up():
    held = [booking(n, at=NOW + n * timedelta(minutes=1), starts_h=5) for n in (1, 2, 3)]
    assert refused(held, most_open_reservations=2) == [3]
    given_up = [booking(1, starts_h=5, over_at=NOW + timedelta(seconds=30)), *held[1:]]
    assert refused(given_up, most_open_reservations=2) == []
    late = [*held[:2], booking(3, at=NOW + 20 * HOUR)]
    assert refused(late, most_open_reservations=2) == []


def test_other_projects_do_not_count():
    both = [booking(1), booking(2, at=NOW + timedelta(minutes=1), project="Other")]
    assert refused(both, most_open_reservations=1) == []


def test_device_hours_count_each_device():
    assert refused([booking(1, hours=5, devices=3)], most_hours=14) == [1]
    assert refused([booking(1, hours=5, devices=3)], most_hours=15) == []


def test_what_would_have_been_refused_takes_no_room():
    chain = [
        booking(1, hours=30),
        booking(2, at=NOW + timedelta(minutes=1)),
        booking(3, at=NOW + timedelta(minutes=2)),
    ]
    assert refused(chain, longest_lease=24 * HOUR, most_open_reservations=2) == [1]


def test_older_bookings_take_room_and_are_not_judged():
    old = booking(1, at=SINCE - HOUR, starts_h=1, hours=40 * 24)
    found = replay([old, booking(2)], Site(most_open_reservations=1), site="Roma", since=SINCE, zone="UTC")
    assert (found.looked_at, [each.booking.reservation.int for each in found.refused]) == (1, [2])
    assert found.refused[0].why[0].startswith("Roma allows 1 unfinished reservations")
