"""What was measured of a lease, as numbers: coarser steps, all cards together, and since when it is idle. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from reservations.packing import Column

DAY_S = 86400
STEPS_S = (60, 300, 900, 3600, 21600, DAY_S)
"""What can be asked for: each divides a day, and each of the following ones."""
UTILISATION = "utilisation_percent"
HIGHEST = "_max"
IDLE_BELOW_PERCENT = 5.0
IDLE_FOR = timedelta(minutes=30)
_GAP = timedelta(minutes=10)
"""What was not seen for longer is not known, and what is not known is not idle."""
_FRESH = timedelta(minutes=20)
"""Sites tell every five minutes; older numbers say nothing of now."""
_ADDED = ("_mib", "_w", "_per_s", "_gib")
"""Of these a host has the sum of its cards'; of all others the mean, or the highest where it is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Measurements at even steps over a span of time; None where nothing was seen."""

    began_at: datetime
    step_s: int
    columns: Mapping[str, Column]

    @property
    def length(self) -> int:
        """The number of steps."""
        return max((len(column) for column in self.columns.values()), default=0)

    @property
    def ended_at(self) -> datetime:
        """The end of the last step."""
        return self.at(self.length)

    def at(self, step: int) -> datetime:
        """Return the beginning of a step."""
        return self.began_at + timedelta(seconds=step * self.step_s)

    @property
    def together(self) -> dict[str, Column]:
        """The columns of the device as a whole: those of a host's cards are put together."""
        by_name: dict[str, list[Column]] = {}
        for name, column in self.columns.items():
            by_name.setdefault(name.rpartition(" ")[2], []).append(column)
        return {name: _combined(name, columns) for name, columns in by_name.items()}

    @property
    def cards(self) -> dict[str, dict[str, Column]]:
        """The columns of each card of a host, by its address; empty for one device."""
        cards: dict[str, dict[str, Column]] = {}
        for name, column in self.columns.items():
            card, _, what = name.rpartition(" ")
            if card:
                cards.setdefault(card, {})[what] = column
        return cards

    @property
    def busiest(self) -> Column:
        """The utilisation of the card that is used most, step by step."""
        return _together(max, [c for name, c in self.columns.items() if is_utilisation(name)])


@dataclass(frozen=True, slots=True, kw_only=True)
class UseSummary:
    """A lease's use in a few numbers."""

    devices: int
    """How many cards told how busy they were; 0 where that was not measured."""
    measured_s: float
    busy_s: float
    unmeasured: str
    """Why it could not be measured, in words."""
    updated_at: datetime | None

    @property
    def mean_percent(self) -> float | None:
        """The mean utilisation of all cards over all that was measured."""
        return 100 * self.busy_s / self.measured_s if self.measured_s else None


def is_utilisation(name: str) -> bool:
    """Whether the column tells how busy a device was."""
    return name.rpartition(" ")[2] == UTILISATION


def coarser(column: Column, *, by: int, highest: bool = False) -> list[float | None]:
    """Return the column with so many steps made into one: their mean, or the highest."""
    if by == 1:
        return list(column)
    return [
        (max if highest else _mean)(seen)
        if (seen := [v for v in column[i : i + by] if v is not None])
        else None
        for i in range(0, len(column), by)
    ]


def join(days: Iterable[tuple[datetime, int, Mapping[str, Column]]], *, step_s: int) -> Measured:
    """Return what was measured on several days, from the first step that saw something to the last.

    Each day is given as its beginning, its step and its columns; all of a day, in the order of time.
    """
    found = sorted(days, key=lambda day: day[0])
    step_s = max([step_s, *(step for _, step, _ in found)])
    if not found:
        return Measured(began_at=datetime(1970, 1, 1, tzinfo=UTC), step_s=step_s, columns={})
    first = found[0][0]
    per_day = DAY_S // step_s
    total = ((found[-1][0] - first).days + 1) * per_day
    columns: dict[str, list[float | None]] = {}
    for began, own_step_s, own in found:
        place = (began - first).days * per_day
        for name, column in own.items():
            whole = columns.setdefault(name, [None] * total)
            less = coarser(column, by=step_s // own_step_s, highest=name.endswith(HIGHEST))
            whole[place : place + len(less)] = less
    return _trimmed(Measured(began_at=first, step_s=step_s, columns=columns))


def idle_since(
    measured: Measured,
    *,
    now: datetime,
    below_percent: float = IDLE_BELOW_PERCENT,
    at_least: timedelta = IDLE_FOR,
) -> datetime | None:
    """Return since when all cards have been idle without a break; None when they are not, or not for so long.

    What was not measured for more than ten minutes is not known, and breaks the row; so do numbers that are old.
    """
    busiest = measured.busiest
    since: datetime | None = None
    earlier: datetime | None = None
    for step in range(len(busiest) - 1, -1, -1):
        load = busiest[step]
        if load is None:
            continue
        ends_at = measured.at(step + 1)
        if (earlier or now) - ends_at > (_GAP if earlier else _FRESH) or load >= below_percent:
            break
        since = earlier = measured.at(step)
    return since if since is not None and now - since >= at_least else None


def _combined(name: str, columns: Sequence[Column]) -> Column:
    if len(columns) == 1:
        return columns[0]
    if name.endswith((HIGHEST, "_celsius")):
        return _together(max, columns)
    return _together(sum if name.endswith(_ADDED) or name == "processes" else _mean, columns)


def _together(how: Callable[[Sequence[float]], float], columns: Sequence[Column]) -> Column:
    """Put columns of one length together, step by step, by what was seen."""
    return [
        how(seen) if (seen := [value for value in values if value is not None]) else None
        for values in zip(*columns, strict=True)
    ]


def _trimmed(measured: Measured) -> Measured:
    seen = [
        step
        for step in range(measured.length)
        if any(column[step] is not None for column in measured.columns.values())
    ]
    if not seen:
        return Measured(began_at=measured.began_at, step_s=measured.step_s, columns={})
    first, last = seen[0], seen[-1] + 1
    columns = {name: column[first:last] for name, column in measured.columns.items()}
    return Measured(began_at=measured.at(first), step_s=measured.step_s, columns=columns)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
