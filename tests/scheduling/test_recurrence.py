"""When something recurs, and what happens when the clocks change."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from zoneinfo import ZoneInfo, available_timezones

import pytest
from dateutil import rrule
from hypothesis import given
from hypothesis import strategies as st

from scheduling.recurrence import Rule, days_until, first_days, moment_of, occurrence_on

ROME = ZoneInfo("Europe/Rome")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")  # its clocks change by half an hour
APIA = ZoneInfo("Pacific/Apia")  # left out 30 December 2011 whole


@given(
    first=st.dates(date(2024, 1, 1), date(2027, 12, 31)),
    interval=st.integers(1, 5),
    weekdays=st.lists(st.integers(0, 6), max_size=7),
    weekly=st.booleans(),
)
def test_days_are_those_that_rfc_5545_names(
    first: date, interval: int, weekdays: list[int], weekly: bool
) -> None:
    rule = Rule(every="week" if weekly else "day", interval=interval, first_on=first, weekdays=weekdays)
    theirs = rrule.rrule(
        rrule.WEEKLY if weekly else rrule.DAILY,
        interval=interval,
        dtstart=datetime.combine(first, time()),
        byweekday=weekdays or None if weekly else None,
        wkst=rrule.MO,
    )
    assert first_days(rule, 12) == [each.date() for each in islice(theirs, 12)]


def test_the_last_day_counts_and_there_is_an_end_to_it() -> None:
    rule = Rule(every="week", interval=1, first_on=date(2026, 3, 2))
    assert days_until(rule, date(2026, 3, 16), most=9) == [date(2026, 3, day) for day in (2, 9, 16)]
    assert len(days_until(rule, date(2036, 1, 1), most=9)) == 9


def test_wall_time_is_kept_when_the_clocks_change() -> None:
    for day in (date(2026, 3, 28), date(2026, 3, 30), date(2026, 10, 24), date(2026, 10, 26)):
        found = occurrence_on(day, start=time(14), end=time(16), nights=0, zone=ROME)
        assert found.starts_at.astimezone(ROME).time() == time(14)
        assert (found.ends_at - found.starts_at, found.longer_s) == (timedelta(hours=2), 0)


def test_a_time_that_does_not_exist_is_the_first_moment_after_the_gap() -> None:
    wall = moment_of(date(2026, 3, 29), time(2, 20), ROME)
    assert (wall.moment, wall.change) == (datetime(2026, 3, 29, 1, tzinfo=UTC), "skipped")
    wall = moment_of(date(2026, 10, 4), time(2, 10), LORD_HOWE)
    assert wall.moment.astimezone(LORD_HOWE).time() == time(2, 30)
    wall = moment_of(date(2011, 12, 30), time(12), APIA)
    assert wall.moment == datetime(2011, 12, 31, tzinfo=APIA)


def test_a_time_that_comes_twice_is_the_first() -> None:
    wall = moment_of(date(2026, 10, 25), time(2, 20), ROME)
    assert (wall.moment, wall.change) == (datetime(2026, 10, 25, 0, 20, tzinfo=UTC), "twice")


def test_a_night_over_a_change_is_an_hour_shorter_or_longer() -> None:
    night = {"start": time(22), "end": time(6), "nights": 1, "zone": ROME}
    spring = occurrence_on(date(2026, 3, 28), **night)
    autumn = occurrence_on(date(2026, 10, 24), **night)
    assert (spring.ends_at - spring.starts_at, spring.longer_s) == (timedelta(hours=7), -3600)
    assert (autumn.ends_at - autumn.starts_at, autumn.longer_s) == (timedelta(hours=9), 3600)


def test_a_window_within_the_gap_is_empty() -> None:
    found = occurrence_on(date(2026, 3, 29), start=time(2, 10), end=time(2, 50), nights=0, zone=ROME)
    assert found.is_empty
    assert not occurrence_on(
        date(2026, 3, 28), start=time(2, 10), end=time(2, 50), nights=0, zone=ROME
    ).is_empty


@pytest.mark.parametrize("year", range(2024, 2032))
def test_no_zone_has_a_wall_time_that_comes_to_another_one(year: int) -> None:
    for name in sorted(available_timezones())[year % 8 :: 8]:
        zone = ZoneInfo(name)
        for number in range(365):
            day = date(year, 1, 1) + timedelta(days=number)
            if _offset(day, zone) == _offset(day + timedelta(days=1), zone):
                continue
            for quarter in range(96):
                at = time(quarter // 4, quarter % 4 * 15)
                wall = moment_of(day, at, zone)
                shown = wall.moment.astimezone(zone).replace(tzinfo=None, fold=0)
                wanted = datetime.combine(day, at)
                if wall.change == "skipped":
                    before = (wall.moment - timedelta(seconds=1)).astimezone(zone).replace(tzinfo=None)
                    assert before < wanted < shown, (name, day, at)
                else:
                    assert shown == wanted, (name, day, at)
                    earlier = wall.moment - timedelta(hours=1)
                    assert earlier.astimezone(zone).replace(tzinfo=None) != wanted, (name, day, at)


def _offset(day: date, zone: ZoneInfo) -> timedelta | None:
    return datetime.combine(day, time(), zone).utcoffset()
