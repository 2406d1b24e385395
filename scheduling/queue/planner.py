"""The queue: told what happens, it says who starts where, and who gives way."""

from heapq import heapify, heappop, heappush

from scheduling.queue.full_plans import Plan
from scheduling.queue.giving_way import victims_for_booking, victims_for_owner
from scheduling.queue.pools import Pool, Running, Window
from scheduling.queue.requests import CARD, NEVER, Decisions, Moment
from scheduling.queue.state import State
from scheduling.queue.waiting import Entry, Line

EVERYBODY = 0.1
"""Added to what each party had for its share, so that whoever had nothing is not served without end."""

OWED_FIRST = 1 << 50
"""Added to the room of pools whose owner is owed its cards, so that guests take them last."""


class Planner(State):
    """Decides who starts and who gives way; changes its state only by what it is told and decides.

    Tell it with `submit`, `cancel`, `ended`, `book`, `unbook`, `resize`; ask it with `plan`, at each change and
    at `next_wake`. Moments never go back. What it decides counts as done: whoever is started runs until `ended`
    is called for it. The same calls in the same order always lead to the same decisions.
    """

    def plan(self, now: Moment) -> Decisions:
        """Decide what starts and what gives way now."""
        self.now = now
        made = Decisions()
        self._wake(now, made)
        if now >= self._next_booking:
            self._open_bookings(now, made)
        if self.policy.backfill == "calendar":
            self._start_fixed(now, made)
        elif self.policy.backfill == "conservative":
            self._plan_for_all(now, made)
        elif self.policy.order == "arrival" and not self._changed and self._promises:
            for line in self._fresh:
                self._try_behind(line, now, made)
        elif self._changed or self._fresh:
            self._pass(now, made)
        self._changed = False
        self._fresh.clear()
        self._arrived.clear()
        return made

    def next_wake(self) -> Moment | None:
        """Return when to ask again even if nothing happens until then."""
        soonest = self._next_booking
        if self._fixed:
            soonest = min(soonest, self._fixed[0][0])
        if self._put_off:
            soonest = min(soonest, self._put_off[0][0])
        if self._expiring:
            soonest = min(soonest, self._expiring[0][0] + 1)
        if self.policy.least_run_s and self.waiting.count:
            for pool in self.pools:
                for guest in pool.guests.values():
                    ripe = guest.started_s + self.policy.least_run_s
                    if self.now < ripe < soonest:
                        soonest = ripe
        return soonest if soonest < NEVER else None

    def _pass(self, now: Moment, made: Decisions) -> None:
        """Offer the room to each line in turn; keep room for the first who cannot start."""
        for window, pool in self._promises:
            if window in pool.windows:
                pool.drop(window)
        self._promises.clear()
        if not self.waiting.count:
            return
        gives_way = self.policy.guests_give_way
        heads: set[str] = set()
        if gives_way:
            self._owed = {pool.site for pool in self.pools if self._is_owed(pool.site, now)}
            self._owners_first(now, made, heads)
        self._had.clear()
        key = self.rank
        tried: dict[tuple[int, int], int] = {}
        heap = [(key(line, now), line) for line in self.waiting.busy.values()]
        heapify(heap)
        head_kept = False
        most_free = max(pool.free for pool in self.pools)
        passed = 0
        while heap:
            line = heappop(heap)[1]
            if not line.count:
                continue
            institution = line.request.institution
            if head_kept and (not gives_way or institution in heads) and institution not in self._owed:
                # Nothing is left to find out about it when its like, or a shorter one, has found no room.
                shortest = tried.get((line.places.number, line.need))
                if line.need > most_free or (shortest is not None and line.length >= shortest):
                    passed += 1
                    continue
            if self._start_first(line, now, made, passed):
                self._had.clear()
                if made.give_ways:
                    tried.clear()
                if line.count:
                    heappush(heap, (key(line, now), line))
                for back in self._rejoined:
                    heappush(heap, (key(back, now), back))
                self._rejoined.clear()
                most_free = max(pool.free for pool in self.pools)
                continue
            passed += 1
            if self.is_over_quota(line):
                continue
            tried[line.places.number, line.need] = min(
                line.length, tried.get((line.places.number, line.need), line.length)
            )
            if self.policy.backfill == "none":
                return
            if not head_kept:
                head_kept = True
                heads.add(institution)
                self._keep_room(line, now)
            elif gives_way and institution not in heads and line.places.home:
                heads.add(institution)
                self._keep_room_at_home(line, now)

    def _owners_first(self, now: Moment, made: Decisions, heads: set[str]) -> None:
        """Whoever is owed its own cards starts its oldest request first of all, or has room kept at home.

        So it fares as it would alone: there, too, its oldest request is the one that nobody may delay.
        """
        oldest: dict[str, tuple[int, Line]] = {}
        for line in self.waiting.busy.values():
            institution = line.request.institution
            if institution not in self._owed or not line.places.home:
                continue
            entry = line.first()
            known = oldest.get(institution)
            if entry is not None and (known is None or entry.seq < known[0]):
                oldest[institution] = (entry.seq, line)
        for institution, (_, line) in oldest.items():
            heads.add(institution)
            if not self._start_first(line, now, made, 0):
                self._keep_room_at_home(line, now)
        self._rejoined.clear()

    def _is_owed(self, institution: str, now: Moment) -> bool:
        """Whether its institution used so little of late that it may have its own cards back."""
        owned = self._owned.get(institution, 0)
        used = self.institutions.past(institution, now) * CARD
        return used <= self.policy.owed_below * owned

    def _try_behind(self, line: Line, now: Moment, made: Decisions) -> None:
        """Somebody new came, nothing else happened: only it can start, and only beside what is kept."""
        if self.policy.backfill != "none":
            self._start_first(line, now, made, 0)

    def rank(self, line: Line, now: Moment) -> tuple[float, ...]:
        """Say where the first of the line stands in the order: least first."""
        entry = line.first()
        assert entry is not None  # noqa: S101
        request = line.request
        match self.policy.order:
            case "arrival":
                return (-request.priority, entry.seq)
            case "fair":
                return (-request.priority, self.institutions.of(request.institution, now), entry.seq)
            case _:
                length = line.length
                patience = length / (now - entry.request.submitted_s + length)
                # Small holds first serve most; the root keeps gangs from waiting for all of them.
                weight = (line.need / CARD) ** 0.5
                party = (request.institution, request.project)
                had = self._had.get(party)
                if had is None:
                    had = self._had[party] = self._had_by(*party, now)
                return (-request.priority, patience * weight * had, entry.seq)

    def _had_by(self, institution: str, project: str, now: Moment) -> float:
        """Return what this party had of late and has now, for its share; among projects, of what theirs has."""
        had = EVERYBODY + self.institutions.of(institution, now)
        if project:
            had *= EVERYBODY + self.projects.of(project, now) / (1 + self.institutions.holds(institution))
        return had

    def _start_first(self, line: Line, now: Moment, made: Decisions, passed: int) -> bool:
        """Start the first of the line if there is room, or if guests can be asked to make it."""
        entry = line.first()
        if entry is None or self.is_over_quota(line):
            return False
        found = self._find(line, now)
        if found is not None:
            self._begin(entry, line, found, now, made, passed, ())
            return True
        if line.request.institution in self._owed and self._may_reclaim(line, entry, now):
            for pool in line.places.home:
                victims = victims_for_owner(
                    pool, line, now, self.policy_at(pool.site), may_lose=self._may_lose(now)
                )
                if victims:
                    self._begin(entry, line, pool, now, made, passed, victims)
                    return True
        return False

    def _may_reclaim(self, line: Line, entry: Entry, now: Moment) -> bool:
        """Whether its institution is owed, and would hold no more than it brought in, by whoever came before.

        What came later counts for nothing: alone, it would have had to wait.
        """
        institution = line.request.institution
        owned = self._owned.get(institution, 0)
        if line.need > owned or not self._is_owed(institution, now):
            return False
        room = self._room_held.get(institution, 0) + line.need
        if room > owned:
            room -= sum(own.need for own in self._own.get(institution, {}).values() if own.seq > entry.seq)
        return room <= owned

    def _may_lose(self, now: Moment) -> float:
        """Return how much more work may come to nothing, of all that was given so far."""
        given = self._given + self._in_use * (now - self._given_until)
        return self.policy.loss * given - self._lost

    def _find(self, line: Line, now: Moment) -> Pool | None:
        """Return the pool in which it finishes first: at home if it can, else where it leaves least."""
        need = line.need
        places = line.places
        if not places.alike:
            return self._find_fastest(line, now)
        policy = self.policy
        until = now + line.length
        request = line.request
        for pool in places.home:
            if pool.spare_for_owner(need, until + pool.turnaround) and pool.has_hosts_for(request):
                return pool
        best: Pool | None = None
        least = 2 * OWED_FIRST
        for pool in places.away:
            free = pool.free
            if free < need or (pool.windows and not pool.spare(need, until + pool.turnaround)):
                continue
            if pool.site in self._owed:
                if line.length > policy.guest_stay_s:
                    continue
                free += OWED_FIRST
            if free < least and pool.has_hosts_for(request):
                best, least = pool, free
        return best

    def _find_fastest(self, line: Line, now: Moment) -> Pool | None:
        """With cards of unlike speed: the pool of the first finish, even if it has to wait for it."""
        best: tuple[float, bool, int, int] | None = None
        chosen: Pool | None = None
        at_once = False
        request = line.request
        for pool in line.places.all:
            length = pool.hold(line.length)
            fits = pool.spare(line.need, now + length) and pool.has_hosts_for(request)
            start = now if fits else max(pool.earliest(line.need, length, now), now + 1)
            if start >= NEVER:
                continue
            rank = (start + length, pool.site != request.institution, pool.free, pool.index)
            if best is None or rank < best:
                best, chosen, at_once = rank, pool, fits
        return chosen if at_once else None

    def _keep_room(self, line: Line, now: Moment) -> None:
        """Keep room where it finishes first, so that nobody behind it delays it."""
        best: tuple[Moment, bool, int] | None = None
        chosen: tuple[Pool, Moment] | None = None
        for pool in line.places.all:
            length = pool.hold(line.length)
            start = pool.earliest(line.need, length, now)
            if start >= NEVER:
                continue
            rank = (start + length, pool.site != line.request.institution, pool.index)
            if best is None or rank < best:
                best, chosen = rank, (pool, start)
        if chosen is not None:
            self._promise(line, chosen[0], chosen[1])

    def _keep_room_at_home(self, line: Line, now: Moment) -> None:
        """Keep room at home as if no guest were there: its own institution must not delay it."""
        for pool in line.places.home:
            start = pool.earliest_for_owner(line.need, pool.hold(line.length), now)
            if start < NEVER:
                self._promise(line, pool, start)
                return

    def _promise(self, line: Line, pool: Pool, start: Moment) -> None:
        entry = line.first()
        assert entry is not None  # noqa: S101
        window = Window(
            start,
            start + pool.hold(line.length),
            line.need,
            request=entry.request,
            guest=pool.site != line.request.institution and self.policy.guests_give_way,
        )
        pool.keep(window)
        self._promises.append((window, pool))

    def _plan_for_all(self, now: Moment, made: Decisions) -> None:
        """Conservative: each in turn takes the earliest place that delays nobody before it."""
        if self._changed or self._plan is None:
            self._plan = Plan(self.pools, now)
            entries = sorted(self.waiting, key=lambda entry: (-entry.request.priority, entry.seq))
        else:
            self._plan.moves_on(now)
            entries = sorted(self._arrived)
        for entry in entries:
            line = entry.line
            if line is None or self.is_over_quota(line):
                continue
            found = self._plan.earliest(line)
            if found is None:
                continue
            pool, start = found
            self._plan.take(pool, start, start + pool.hold(line.length), line.need)
            if start <= now:
                self._begin(entry, line, pool, now, made, 0, ())

    def _start_fixed(self, now: Moment, made: Decisions) -> None:
        while self._fixed and self._fixed[0][0] <= now:
            _, _, entry, pool = heappop(self._fixed)
            if entry.line is not None:
                self._begin(entry, entry.line, pool, now, made, 0, ())

    def _open_bookings(self, now: Moment, made: Decisions) -> None:
        """Begin what is due in the calendar, whoever has to give way for it."""
        soonest = NEVER
        for pool in self.pools:
            due = [window for window in pool.windows if window.booking and window.starts_s <= now]
            for window in due:
                self._open_booking(window, pool, now, made)
            for window in pool.windows:
                if window.booking:
                    # One that is due and found no room is looked at again soon.
                    soonest = min(soonest, window.starts_s if window.starts_s > now else now + 60)
                    break
        self._next_booking = soonest

    def _open_booking(self, window: Window, pool: Pool, now: Moment, made: Decisions) -> None:
        booking = window.booking
        assert booking is not None  # noqa: S101
        if pool.free < window.need:
            if not self.policy.yields_to_bookings:
                return
            at = now + self.policy_at(pool.site).notice_s
            for victim in victims_for_booking(pool, window.need, now):
                self._gives_way(victim, pool, now, made, at=at, to=booking.id, reason="booking")
            if pool.free < window.need:
                return
        self._seq += 1
        ends_s = max(window.ends_s, now + window.ends_s - window.starts_s)
        running = Running(booking.id, window.need, now, ends_s, self._seq, booking=booking)
        if pool.hosts is not None:
            running.taken = pool.hosts.take(window.need)
        pool.open(window, running)
        del self.windows[booking.id]
        self.running[booking.id] = (running, pool)
        made.opened.append((booking, now))
        self._changed = True

    def _wake(self, now: Moment, made: Decisions) -> None:
        self._rejoined.clear()
        while self._put_off and self._put_off[0][0] <= now:
            entry = heappop(self._put_off)[2]
            if self.entries.get(entry.request.id) is entry:
                self._join(entry, now, now)
        while self._expiring and self._expiring[0][0] < now:
            entry = heappop(self._expiring)[2]
            if self.entries.get(entry.request.id) is entry and entry.request.id not in self.running:
                self.cancel(entry.request.id, now)
                made.expired.append(entry.request)
