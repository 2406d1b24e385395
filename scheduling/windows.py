"""When the asks can be met: the earliest common windows, and those next to a moment."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from heapq import heapify, heappop, heappush
from itertools import chain, islice
from typing import NamedTuple

from scheduling.asks import Ask, Busy, Candidate, Interval, Moment
from scheduling.intervals import is_free, rounded_down, rounded_up
from scheduling.matching import Matcher, Picks
from scheduling.wishes import Wishes

MOST_ATTEMPTS = 20_000
"""After so many full searches without all the answers that were wanted, those found are given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A window in which the asks can be met, and by which devices."""

    starts_at: Moment
    ends_at: Moment
    picks: Picks


def free_windows(
    asks: Sequence[Ask],
    candidates: Sequence[Candidate],
    busy: Busy,
    *,
    duration_s: int,
    earliest: Moment,
    latest: Moment,
    step_s: int = 300,
    limit: int = 5,
) -> list[Slot]:
    """The first windows of this length between `earliest` and `latest` that differ in a way that matters.

    Starts are multiples of `step_s`. After a window the next one is the first that starts once it is over, or
    earlier if its devices cannot be had any more and others can. Preparation may reach before `earliest` and
    clean-up beyond `latest`.
    """
    if duration_s <= 0 or step_s <= 0:
        raise ValueError("A window and the step between starts have to be longer than nothing.")
    sweep = Sweep(
        Wishes(asks, candidates),
        busy,
        duration_s=duration_s,
        first=rounded_up(earliest, step_s),
        last=latest - duration_s,
        step_s=step_s,
    )
    return list(islice(sweep.slots(), limit))


def nearest_windows(
    asks: Sequence[Ask],
    candidates: Sequence[Candidate],
    busy: Busy,
    *,
    duration_s: int,
    wanted_at: Moment,
    earliest: Moment,
    latest: Moment,
    step_s: int = 300,
) -> list[Slot]:
    """The last window that starts before `wanted_at` and the first from then on, as far as there are any."""

    def first_from(moment: Moment, until: Moment) -> list[Slot]:
        return free_windows(
            asks,
            candidates,
            busy,
            duration_s=duration_s,
            earliest=moment,
            latest=until,
            step_s=step_s,
            limit=1,
        )

    after = first_from(max(earliest, wanted_at), latest)
    last_start = min(wanted_at - 1, latest - duration_s)
    if last_start < earliest:
        return after
    # Backwards is forwards in a calendar in which time runs the other way.
    wishes = Wishes(asks, candidates)
    mirrored_busy = {}
    for candidate in chain((candidate for candidate, _ in wishes.entries.values()), wishes.named.values()):
        if intervals := busy.get(candidate.id):
            since = bisect_left(intervals, (earliest - candidate.preparation_s,))
            until = bisect_left(intervals, (last_start + duration_s + candidate.cleanup_s,))
            mirrored_busy[candidate.id] = [
                (-end, -start) for start, end in reversed(intervals[max(0, since - 1) : until])
            ]
    sweep = Sweep(
        wishes,
        mirrored_busy,
        duration_s=duration_s,
        first=rounded_up(-(last_start + duration_s), step_s, -duration_s),
        last=-(earliest + duration_s),
        step_s=step_s,
        backwards=True,
    )
    before = next(sweep.slots(), None)
    if before is None:
        return after
    return first_from(-before.ends_at, -before.starts_at) + after


class _Turn(NamedTuple):
    """The start from which a candidate can, or can no longer, carry the window."""

    start: Moment
    number: int
    comes_free: bool
    last: Moment
    gap: int


class Sweep:
    """Goes from start to start and keeps account of who could carry the window.

    Starts lie on the grid through `first`. Between two turns nothing changes, so only turns are looked at; and
    who becomes taken cannot make possible what was not.
    """

    def __init__(
        self,
        wishes: Wishes,
        busy: Busy,
        *,
        duration_s: int,
        first: Moment,
        last: Moment,
        step_s: int,
        backwards: bool = False,
    ) -> None:
        self._wishes = wishes
        self._busy = busy
        self._duration_s = duration_s
        self._first = first
        self._last = last
        self._step_s = step_s
        self.matcher = Matcher(wishes)
        self.turns = 0
        """How many turns were looked at."""
        self._candidates = [candidate for candidate, _ in wishes.entries.values()]
        self._candidates += wishes.named.values()
        # What was preparation is clean-up where time runs the other way.
        self._lead_s = [c.cleanup_s if backwards else c.preparation_s for c in self._candidates]
        self._tail_s = [duration_s + (c.preparation_s if backwards else c.cleanup_s) for c in self._candidates]
        self._coming: list[_Turn] = []

    def slots(self) -> Iterator[Slot]:
        """The windows one after the other, as `free_windows` promises them; to be asked for once."""
        if self._wishes.contradict or self._first > self._last:
            return
        self._begin()
        start, worth_a_try = self._first, True
        held: frozenset[str] = frozenset()
        until: Moment | None = None
        while self.matcher.attempts <= MOST_ATTEMPTS:
            if worth_a_try and until is None:
                picks = self.matcher.picks(partial(self._is_partly_used, start))
                if picks is not None:
                    yield Slot(starts_at=start, ends_at=start + self._duration_s, picks=picks)
                    held = frozenset(chain.from_iterable(picks))
                    until = rounded_up(start + self._duration_s, self._step_s, self._first)
                elif start == self._first and not self._is_possible_at_all():
                    return
                worth_a_try = picks is not None
            upcoming = [turn.start for turn in self._coming[:1]] + ([] if until is None else [until])
            if not upcoming or min(upcoming) > self._last:
                return
            start = min(upcoming)
            gained, lost = self._turn(start)
            worth_a_try |= gained
            if until is not None and (start >= until or lost & held):
                until = None

    def _begin(self) -> None:
        for number, candidate in enumerate(self._candidates):
            intervals = self._busy.get(candidate.id)
            if not intervals:
                self.matcher.add(candidate.id)
                continue
            turn = self._comes_free(number, bisect_left(intervals, (self._first + self._tail_s[number],)))
            if turn is None:
                continue
            if turn.start == self._first:
                self.matcher.add(candidate.id)
                turn = self._is_taken_after(turn)
            if turn.start <= self._last:
                self._coming.append(turn)
        heapify(self._coming)

    def _turn(self, start: Moment) -> tuple[bool, set[str]]:
        """Take account of what changes at this start: whether somebody came free, and who is lost."""
        gained, lost = False, set()
        while self._coming and self._coming[0].start == start:
            turn = heappop(self._coming)
            self.turns += 1
            candidate = self._candidates[turn.number]
            following: _Turn | None
            if turn.comes_free:
                self.matcher.add(candidate.id)
                gained = True
                following = self._is_taken_after(turn)
            else:
                self.matcher.remove(candidate.id)
                lost.add(candidate.id)
                following = self._comes_free(turn.number, turn.gap)
            if following is not None and following.start <= self._last:
                heappush(self._coming, following)
        return gained, lost

    def _comes_free(self, number: int, gap: int) -> _Turn | None:
        """The next start that fits into a gap; gap n lies before busy interval n."""
        intervals = self._busy[self._candidates[number].id]
        tail = self._tail_s[number]
        while gap <= len(intervals):
            start = self._first
            if gap:
                start = max(start, self._on_grid(intervals[gap - 1][1] + self._lead_s[number]))
            if start > self._last:
                return None
            last = intervals[gap][0] - tail if gap < len(intervals) else self._last
            gap += 1
            if start <= last:
                return _Turn(start, number, True, last, gap)
        return None

    def _is_taken_after(self, turn: _Turn) -> _Turn:
        start = rounded_down(turn.last, self._step_s, self._first) + self._step_s
        return _Turn(start, turn.number, False, turn.last, turn.gap)

    def _on_grid(self, moment: Moment) -> Moment:
        return rounded_up(moment, self._step_s, self._first)

    def _is_possible_at_all(self) -> bool:
        idle = Matcher(self._wishes)
        for candidate_id in idle.ids:
            idle.add(candidate_id)
        return idle.picks() is not None

    def _is_partly_used(self, start: Moment, candidate: Candidate) -> bool:
        """Whether a relative is taken although the candidate itself is not: then its whole is broken up."""
        occupied: Interval = (
            start - candidate.preparation_s,
            start + self._duration_s + candidate.cleanup_s,
        )
        return any(
            not is_free(self._busy[relative], *occupied)
            for relative in candidate.excludes
            if relative != candidate.id and relative in self._busy
        )
