"""How much room a pool will have, moment by moment, as far as is known."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

from scheduling.queue.requests import NEVER, Moment


class Profile:
    """A step function of free room: `levels[i]` from `times[i]` to the next, the last one for ever."""

    __slots__ = ("levels", "times")

    def __init__(self, now: Moment, level: int, changes: Iterable[tuple[Moment, int]] = ()) -> None:
        self.times = [now]
        self.levels = [level]
        for at, change in sorted(changes):
            level += change
            if at <= self.times[-1]:
                self.levels[-1] = level
            else:
                self.times.append(at)
                self.levels.append(level)

    def earliest(self, need: int, length: int, after: Moment) -> Moment:
        """Return the first moment from which so much is free for so long, or NEVER."""
        times, levels = self.times, self.levels
        place = max(bisect_right(times, after) - 1, 0)
        count = len(times)
        start: Moment | None = None
        while place < count:
            if levels[place] < need:
                start = None
            else:
                if start is None:
                    start = times[place]
                    if start < after:
                        start = after
                if place + 1 == count or times[place + 1] >= start + length:
                    return start
            place += 1
        return NEVER

    def change(self, start: Moment, end: Moment, by: int) -> None:
        """So much more is free from start to end, or less."""
        first = self._step_at(start)
        last = self._step_at(end) if end < NEVER else len(self.times)
        levels = self.levels
        for place in range(first, last):
            levels[place] += by

    def forget_before(self, now: Moment) -> None:
        """Drop the steps that are over."""
        place = bisect_right(self.times, now) - 1
        if place > 0:
            del self.times[:place]
            del self.levels[:place]

    def _step_at(self, moment: Moment) -> int:
        place = bisect_left(self.times, moment)
        if place == len(self.times) or self.times[place] != moment:
            level = self.levels[place - 1] if place else self.levels[0]
            self.times.insert(place, moment)
            self.levels.insert(place, level)
        return place
