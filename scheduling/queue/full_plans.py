"""The policies that plan for everybody and not for the first alone: conservative backfill, and the calendar."""

from scheduling.queue.pools import Pool
from scheduling.queue.profile import Profile
from scheduling.queue.requests import NEVER, Moment
from scheduling.queue.waiting import Line


class Plan:
    """The room of all pools, in which each in turn takes the earliest place that is left."""

    def __init__(self, pools: list[Pool], now: Moment) -> None:
        self._pools = pools
        self._profiles: dict[int, Profile] = {}
        self._now = now

    def earliest(self, line: Line, after: Moment = 0) -> tuple[Pool, Moment] | None:
        """Return where and when it finishes first: at home among equals, then where least is free now."""
        best: tuple[Moment, bool, int, int] | None = None
        chosen: tuple[Pool, Moment] | None = None
        home = line.request.institution
        for pool in line.places.all:
            if line.need > pool.capacity:
                continue
            length = pool.hold(line.length)
            start = self.profile(pool).earliest(line.need, length, max(after, self._now))
            if start >= NEVER:
                continue
            rank = (start + length, pool.site != home, pool.free, pool.index)
            if best is None or rank < best:
                best, chosen = rank, (pool, start)
        return chosen

    def take(self, pool: Pool, start: Moment, end: Moment, need: int) -> None:
        """That room is gone."""
        self.profile(pool).change(start, end, -need)

    def profile(self, pool: Pool) -> Profile:
        """Return the room of the pool, less what was taken."""
        known = self._profiles.get(pool.index)
        if known is None:
            known = self._profiles[pool.index] = pool.profile(self._now)
        return known

    def moves_on(self, now: Moment) -> None:
        """Forget what is over."""
        self._now = now
        for profile in self._profiles.values():
            profile.forget_before(now)
