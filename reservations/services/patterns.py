"""When a series happens, checked: the days of its rule and their windows by the clocks of its zone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, time
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.utils.translation import gettext as _

from reservations.errors import Invalid
from reservations.models import Series
from scheduling.recurrence import Occurrence, Rule, days_until, first_days, occurrence_on

MOST_OCCURRENCES = 100
"""In one series. A course of a year, once a week, has 52."""
MOST_NIGHTS = 6
MOST_INTERVAL = 52


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """The days of a series and its times of day."""

    every: Literal["day", "week"]
    interval: int
    weekdays: Sequence[int]
    first_on: date
    last_on: date
    start: time
    end: time
    nights: int
    zone: str

    @property
    def rule(self) -> Rule:
        """The days, without their end."""
        return Rule(
            every=self.every, interval=self.interval, first_on=self.first_on, weekdays=tuple(self.weekdays)
        )

    def occurrences(self) -> list[Occurrence]:
        """Return the windows of all its days."""
        zone = ZoneInfo(self.zone)
        return [
            occurrence_on(day, start=self.start, end=self.end, nights=self.nights, zone=zone)
            for day in days_until(self.rule, self.last_on, most=MOST_OCCURRENCES)
        ]


def pattern_of(series: Series) -> Pattern:
    """Return the pattern that a series has now."""
    return Pattern(
        every="day" if series.every == Series.Every.DAY else "week",
        interval=series.interval,
        weekdays=tuple(series.weekdays),
        first_on=series.first_on,
        last_on=series.last_on,
        start=series.start,
        end=series.end,
        nights=series.nights,
        zone=series.zone,
    )


def checked_pattern(
    *,
    every: Literal["day", "week"],
    interval: int,
    weekdays: Sequence[int],
    first_on: date,
    last_on: date | None,
    times: int | None,
    start: time,
    end: time,
    nights: int,
    zone: str,
) -> Pattern:
    """Return the pattern that was asked for, up to a day or so many times; raise `Invalid` where it makes none."""
    errors: dict[str, list[str]] = {}
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        errors["zone"] = [_("There is no time zone of this name; write it like Europe/Rome.")]
    if nights == 0 and end <= start:
        errors["end"] = [_("The end must come after the start, or on a later day: say so by “nights”.")]
    if (last_on is None) == (times is None):
        errors["until"] = [_("Say either until which day it goes on, or how many times.")]
    if last_on is not None and last_on < first_on:
        errors["until"] = [_("The last day must not come before the first.")]
    if errors:
        raise Invalid(errors)
    if every == "week" and not weekdays:
        weekdays = [first_on.weekday()]
    rule = Rule(every=every, interval=interval, first_on=first_on, weekdays=tuple(weekdays))
    if last_on is None:
        last_on = first_days(rule, min(times or 1, MOST_OCCURRENCES + 1))[-1]
    days = days_until(rule, last_on, most=MOST_OCCURRENCES + 1)
    if not days:
        raise Invalid({"until": [_("The rule names no day up to then; let it end later.")]})
    if len(days) > MOST_OCCURRENCES:
        raise Invalid(
            {
                "until": [
                    _("A series has at most %(most)d occurrences; end it by %(day)s, and extend it later.")
                    % {"most": MOST_OCCURRENCES, "day": days[MOST_OCCURRENCES - 1].isoformat()}
                ]
            }
        )
    return Pattern(
        every=every,
        interval=interval,
        weekdays=tuple(sorted(set(weekdays))) if every == "week" else (),
        first_on=first_on,
        last_on=last_on,
        start=start,
        end=end,
        nights=nights,
        zone=zone,
    )
