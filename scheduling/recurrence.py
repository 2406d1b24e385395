"""When something recurs: the days of a rule, and their windows by the clocks of a zone.

Wall time is kept: 14:00 stays 14:00 when the clocks change. A time that the clocks skip becomes the first moment
after the gap; a time that they show twice means the first. Both ends of a window follow this rule, so that a
window over a change is an hour longer or shorter than usual, and one that lies in a gap is empty.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Literal
from zoneinfo import ZoneInfo

Change = Literal["", "skipped", "twice"]
"""What the clocks do at a wall time: nothing, they skip it, or they show it twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Every so many days or weeks, from a day on."""

    every: Literal["day", "week"]
    interval: int
    first_on: date
    weekdays: Sequence[int] = ()
    """Of a weekly rule: 0 is Monday, 6 is Sunday. Empty: the weekday of the first day."""

    def days(self) -> Iterator[date]:
        """Return the days of the rule, without end; weeks begin on Monday and are counted from the first day's."""
        if self.every == "day":
            day = self.first_on
            while True:
                yield day
                day += timedelta(days=self.interval)
        chosen = sorted(set(self.weekdays)) or [self.first_on.weekday()]
        monday = self.first_on - timedelta(days=self.first_on.weekday())
        while True:
            for weekday in chosen:
                if (day := monday + timedelta(days=weekday)) >= self.first_on:
                    yield day
            monday += timedelta(weeks=self.interval)


def days_until(rule: Rule, last_on: date, *, most: int) -> list[date]:
    """Return the days of the rule up to and with `last_on`, but no more than `most`."""
    found = []
    for day in islice(rule.days(), most):
        if day > last_on:
            break
        found.append(day)
    return found


def first_days(rule: Rule, times: int) -> list[date]:
    """Return the first so many days of the rule."""
    return list(islice(rule.days(), times))


@dataclass(frozen=True, slots=True)
class Wall:
    """What a wall time comes to."""

    moment: datetime
    change: Change = ""


def moment_of(day: date, at: time, zone: ZoneInfo) -> Wall:
    """Return the moment at which the clocks of the zone show a time, by the rule of this module."""
    first = datetime.combine(day, at, zone).replace(fold=0)
    second = first.replace(fold=1)
    before, after = first.utcoffset(), second.utcoffset()
    if before == after or before is None or after is None:
        return Wall(first.astimezone(UTC))
    if before > after:
        return Wall(first.astimezone(UTC), "twice")
    # Skipped: read with the offset from before the gap it lies behind it, with that from after it lies before.
    return Wall(
        _first_with(after, since=second.astimezone(UTC), until=first.astimezone(UTC), zone=zone), "skipped"
    )


def _first_with(offset: timedelta, *, since: datetime, until: datetime, zone: ZoneInfo) -> datetime:
    """Return the first second of a stretch in which the zone has an offset that it has at the end of it."""
    low, high = 0, int((until - since).total_seconds())
    while high - low > 1:
        middle = (low + high) // 2
        if (since + timedelta(seconds=middle)).astimezone(zone).utcoffset() == offset:
            high = middle
        else:
            low = middle
    return since + timedelta(seconds=high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """One day of a rule, with its window; empty where the clocks skip all of it."""

    on: date
    starts_at: datetime
    ends_at: datetime
    start_change: Change = ""
    end_change: Change = ""
    longer_s: int = 0
    """By how much it is longer than the clocks say, where they change in it; negative: shorter."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left of it."""
        return self.ends_at <= self.starts_at


def occurrence_on(day: date, *, start: time, end: time, nights: int, zone: ZoneInfo) -> Occurrence:
    """Return the window of one day of a rule."""
    starts, ends = moment_of(day, start, zone), moment_of(day + timedelta(days=nights), end, zone)
    by_clock = datetime.combine(day + timedelta(days=nights), end) - datetime.combine(day, start)
    longer = ends.moment - starts.moment - by_clock
    return Occurrence(
        on=day,
        starts_at=starts.moment,
        ends_at=ends.moment,
        start_change=starts.change,
        end_change=ends.change,
        longer_s=int(longer.total_seconds()),
    )
