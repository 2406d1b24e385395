"""The queue: told what happens, it says who starts where, and who gives way."""

from collections.abc import Mapping, Sequence
from heapq import heapify, heappop, heappush

from scheduling.queue.full_plans import Plan
from scheduling.queue.giving_way import victims_for_booking, victims_for_owner
from scheduling.queue.places import PlaceFinder, Places
from scheduling.queue.policies import Policy
from scheduling.queue.pools import Pool, Running, Window
from scheduling.queue.requests import (
    CARD,
    NEVER,
    Booking,
    Decisions,
    GiveWay,
    Impossible,
    Moment,
    PoolSpec,
    Quotas,
    Request,
    Start,
)
from scheduling.queue.shares import Shares
from scheduling.queue.waiting import Entry, Line, Waiting


class Planner:
    """Keeps the state of all pools and of all who wait; changes it only by what it is told and decides.

    Tell it with `submit`, `cancel`, `ended`, `book`, `unbook`, `resize`; ask it with `plan`. Moments never go
    back. What it decides counts as done: whoever is started runs until `ended` is called for it.
    """

    def __init__(
        self,
        pools: Sequence[PoolSpec],
        policy: Policy,
        *,
        site_policies: Mapping[str, Policy] | None = None,
        quotas: Quotas | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> None:
        self.policy = policy
        self.pools = [Pool(index, pool) for index, pool in enumerate(pools)]
        self.waiting = Waiting()
        self.running: dict[str, tuple[Running, Pool]] = {}
        self.entries: dict[str, Entry] = {}
        self.windows: dict[str, tuple[Window, Pool]] = {}
        self.quotas = quotas or {}
        self.held: dict[str, int] = {}
        self._site_policies = site_policies or {}
        self._given_weights = weights or {}
        self.institutions = Shares(half_life_s=policy.half_life_s, weights=self._weights())
        self.projects = Shares(half_life_s=policy.half_life_s, weights={})
        self.finder = PlaceFinder(self.pools, self.policy_at, pooled=policy.pooled)
        self._seq = 0
        self._put_off: list[tuple[Moment, int, Entry]] = []
        self._expiring: list[tuple[Moment, int, Entry]] = []
        self._promises: list[tuple[Window, Pool]] = []
        self._changed = False
        self._fresh: list[Line] = []
        self._arrived: list[Entry] = []
        self._plan: Plan | None = None
        self._fixed: list[tuple[Moment, int, Entry, Pool]] = []
        self._rejoined: list[Line] = []
        self._next_booking: Moment = NEVER
        self.now: Moment = 0

    # What it is told.

    def submit(self, request: Request, now: Moment) -> Impossible | None:
        """It waits from now on; or say why that would be in vain."""
        self.now = now
        if request.id in self.entries:
            raise ValueError(f"Request {request.id} waits or runs already.")
        refused = self.finder.why_nowhere(request) or self._why_never(request, now)
        if refused is not None:
            return refused
        self._seq += 1
        entry = self.entries[request.id] = Entry(request, self._seq)
        if request.latest_end_s < NEVER:
            latest = request.latest_end_s - (request.least_length_s or request.length_s)
            heappush(self._expiring, (latest, entry.seq, entry))
        if self.policy.backfill == "calendar":
            self._fix(entry, max(request.earliest_s, now))
        else:
            self._join(entry, max(request.earliest_s, now), now)
        return None

    def cancel(self, request_id: str, now: Moment) -> None:
        """It is wanted no more, waiting or running."""
        self.now = now
        if request_id in self.running:
            self.ended(request_id, now)
            return
        entry = self.entries.pop(request_id)
        self.waiting.remove(entry)
        self._changed = True

    def ended(self, lease_id: str, now: Moment) -> None:
        """A request or a booking that ran has left its cards."""
        self.now = now
        if lease_id not in self.running:
            # It was told to give way and came to its own end before it had to.
            self.cancel(lease_id, now)
            return
        running, pool = self.running.pop(lease_id)
        pool.give(running)
        if running.request is not None:
            self.entries.pop(lease_id, None)
            self._charge(running.request, -1, now)
        self._changed = True

    def book(self, booking: Booking, now: Moment) -> bool:
        """Keep a window of the calendar; False when bookings alone hold too much of the pool already."""
        self.now = now
        need = booking.cards * CARD
        for pool in self.pools:
            if pool.site != booking.site or (booking.model and pool.pool.model != booking.model):
                continue
            ahead = pool.pool.preparation_s + self.policy_at(pool.site).notice_s
            window = Window(
                booking.starts_s - ahead,
                booking.ends_s + pool.pool.cleanup_s,
                need,
                booking=booking,
            )
            if pool.room_beside_bookings(window.starts_s, window.ends_s) >= need:
                pool.keep(window)
                self.windows[booking.id] = (window, pool)
                self._next_booking = min(self._next_booking, window.starts_s)
                self._changed = True
                return True
        return False

    def unbook(self, booking_id: str, now: Moment) -> None:
        """The booking was cancelled before it began."""
        self.now = now
        window, pool = self.windows.pop(booking_id)
        pool.drop(window)
        self._changed = True

    def resize(self, site: str, model: str, cards: int, now: Moment) -> list[GiveWay]:
        """The site has so many cards from now on; whoever no longer fits gives way, the latest first."""
        self.now = now
        told: list[GiveWay] = []
        for pool in self.pools:
            if pool.site != site or pool.pool.model != model:
                continue
            if pool.hosts is not None and cards * CARD != pool.capacity and cards:
                raise ValueError(f"Give the new hosts of “{site}” as a pool of their own, and the old ones none.")
            change = cards * CARD - pool.capacity
            pool.capacity += change
            pool.free += change
            for window in pool.windows:
                window.room += change
            guests_first = sorted(
                (running for running, where in self.running.values() if where is pool and running.request),
                key=lambda running: (not running.guest, -running.started_s, -running.seq),
            )
            for running in guests_first:
                if pool.free >= 0:
                    break
                told.append(self._send_away(running, pool, now, at=now, to="", reason="site"))
        self.finder.forget()
        self._rejoin(now)
        self.institutions.weigh(self._weights())
        self._changed = True
        return told

    # What it decides.

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

    def policy_at(self, site: str) -> Policy:
        """Return the federation's policy, or what the site made of it."""
        return self._site_policies.get(site, self.policy)

    # The pass.

    def _pass(self, now: Moment, made: Decisions) -> None:
        """Offer the room to each line in turn; keep room for the first who cannot start."""
        for window, pool in self._promises:
            if window in pool.windows:
                pool.drop(window)
        self._promises.clear()
        if not self.waiting.count:
            return
        policy = self.policy
        key = self._key
        heap = [(key(line, now), line) for line in self.waiting.busy.values()]
        heapify(heap)
        head_kept = False
        heads: set[str] = set()
        give_way = policy.guests_give_way
        most_free = max(pool.free for pool in self.pools)
        passed = 0
        while heap:
            line = heappop(heap)[1]
            if not line.count:
                continue
            may_evict = give_way and line.request.preemptible is not None
            if line.need > most_free and head_kept and not may_evict:
                passed += 1
                continue
            if self._start_first(line, now, made, passed, may_evict=may_evict):
                if line.count:
                    heappush(heap, (key(line, now), line))
                for gone in self._rejoined:
                    heappush(heap, (key(gone, now), gone))
                self._rejoined.clear()
                most_free = max(pool.free for pool in self.pools)
                continue
            passed += 1
            if self._is_over_quota(line):
                continue
            if policy.backfill == "none":
                return
            institution = line.request.institution
            if not head_kept:
                head_kept = True
                heads.add(institution)
                self._keep_room(line, line.places, now)
            elif give_way and institution not in heads and line.places.home:
                heads.add(institution)
                self._keep_room_at_home(line, now)

    def _try_behind(self, line: Line, now: Moment, made: Decisions) -> None:
        """Somebody new came, nothing else happened: only it can start, and only beside what is kept."""
        if self.policy.backfill != "none":
            self._start_first(line, now, made, 0, may_evict=self.policy.guests_give_way)

    def _key(self, line: Line, now: Moment) -> tuple[float, ...]:
        """Say where the first of the line stands in the order: least first."""
        entry = line.first()
        assert entry is not None
        request = line.request
        match self.policy.order:
            case "arrival":
                return (-request.priority, entry.seq)
            case "fair":
                return (-request.priority, self.institutions.of(request.institution, now), entry.seq)
            case "shortest":
                return (-request.priority, line.length, entry.seq)
            case _:
                waited = now - entry.request.submitted_s
                return (-request.priority, -(waited + line.length) / line.length, entry.seq)

    def _start_first(
        self, line: Line, now: Moment, made: Decisions, passed: int, *, may_evict: bool
    ) -> bool:
        if self._is_over_quota(line):
            return False
        entry = line.first()
        if entry is None:
            return False
        found = self._find(line, now)
        if found is not None:
            self._begin(entry, line, found, now, made, passed, ())
            return True
        if may_evict:
            for pool in line.places.home:
                victims = victims_for_owner(pool, line, now, self.policy_at(pool.site))
                if victims:
                    self._begin(entry, line, pool, now, made, passed, victims)
                    return True
        return False

    def _find(self, line: Line, now: Moment) -> Pool | None:
        """Return the pool in which it finishes first: at home if it can, else where it leaves least."""
        need = line.need
        places = line.places
        if not places.alike:
            return self._find_fastest(line, now)
        until = now + line.length
        request = line.request
        for pool in places.home:
            if pool.free >= need and pool.spare_for_owner(need, until + pool.turnaround):
                if pool.hosts is None or pool.hosts.fits(need, same_host=request.same_host or request.wired):
                    return pool
        best: Pool | None = None
        least = NEVER
        for pool in places.away:
            free = pool.free
            if need <= free < least and (not pool.windows or pool.spare(need, until + pool.turnaround)):
                if pool.hosts is None or pool.hosts.fits(need, same_host=request.same_host or request.wired):
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
            fits = pool.spare(line.need, now + length) and (
                pool.hosts is None or pool.hosts.fits(line.need, same_host=request.same_host or request.wired)
            )
            start = now if fits else max(pool.earliest(line.need, length, now), now + 1)
            if start >= NEVER:
                continue
            rank = (start + length, pool.site != request.institution, pool.free, pool.index)
            if best is None or rank < best:
                best, chosen, at_once = rank, pool, fits
        return chosen if at_once else None

    def _begin(
        self,
        entry: Entry,
        line: Line,
        pool: Pool,
        now: Moment,
        made: Decisions,
        passed: int,
        victims: Sequence[Running],
    ) -> None:
        request = entry.request
        at = now
        if victims:
            at = now + self.policy_at(pool.site).notice_s
            for victim in victims:
                made.give_ways.append(
                    self._send_away(victim, pool, now, at=at, to=request.id, reason="host")
                )
        self.waiting.remove(entry)
        guest = pool.site != request.institution and request.preemptible
        running = Running(
            request.id, line.need, at, at + pool.hold(line.length), entry.seq, request=request, guest=guest
        )
        names: tuple[str, ...] = ()
        if pool.hosts is not None:
            running.taken = pool.hosts.take(line.need, same_host=request.same_host or request.wired)
            names = pool.hosts.names_of(running.taken)
        pool.take(running)
        self.running[request.id] = (running, pool)
        self._charge(request, 1, now)
        made.starts.append(
            Start(
                request=request,
                site=pool.site,
                model=pool.pool.model,
                at_s=at,
                ends_s=running.ends_s - pool.turnaround,
                devices=names,
                passed_over=passed,
                after=tuple(victim.id for victim in victims),
            )
        )

    # Room kept for later.

    def _keep_room(self, line: Line, places: Places, now: Moment) -> None:
        best: tuple[Moment, bool, int] | None = None
        chosen: tuple[Pool, Moment] | None = None
        for pool in places.all:
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
        for pool in line.places.home:
            start = pool.earliest(line.need, pool.hold(line.length), now)
            if start < NEVER:
                self._promise(line, pool, start)
                return

    def _promise(self, line: Line, pool: Pool, start: Moment) -> None:
        entry = line.first()
        assert entry is not None
        window = Window(
            start,
            start + pool.hold(line.length),
            line.need,
            request=entry.request,
            guest=pool.site != line.request.institution and self.policy.guests_give_way,
        )
        pool.keep(window)
        self._promises.append((window, pool))

    # The policies that plan for everybody.

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
            if line is None or self._is_over_quota(line):
                continue
            found = self._plan.earliest(line)
            if found is None:
                continue
            pool, start = found
            self._plan.take(pool, start, start + pool.hold(line.length), line.need)
            if start <= now:
                self._begin(entry, line, pool, now, made, 0, ())

    def _fix(self, entry: Entry, earliest: Moment) -> None:
        """Calendar: it gets its window at once, for good."""
        if self._plan is None:
            self._plan = Plan(self.pools, self.now)
        self._plan.moves_on(self.now)
        line = self.waiting.add(entry, self.finder.of(entry.request))
        found = self._plan.earliest(line, earliest)
        if found is not None:
            pool, start = found
            self._plan.take(pool, start, start + pool.hold(line.length), line.need)
            heappush(self._fixed, (start, entry.seq, entry, pool))

    def _start_fixed(self, now: Moment, made: Decisions) -> None:
        while self._fixed and self._fixed[0][0] <= now:
            _, _, entry, pool = heappop(self._fixed)
            if entry.line is not None:
                self._begin(entry, entry.line, pool, now, made, 0, ())

    # Bookings, and who comes back.

    def _open_bookings(self, now: Moment, made: Decisions) -> None:
        """Begin what is due in the calendar, whoever has to give way for it."""
        soonest = NEVER
        for pool in self.pools:
            due = [window for window in pool.windows if window.booking and window.starts_s <= now]
            for window in due:
                self._open_booking(window, pool, now, made)
            for window in pool.windows:
                if window.booking:
                    soonest = min(soonest, max(window.starts_s, now + 60))
                    break
        self._next_booking = soonest

    def _open_booking(self, window: Window, pool: Pool, now: Moment, made: Decisions) -> None:
        booking = window.booking
        assert booking is not None
        if pool.free < window.need:
            if not self.policy.yields_to_bookings:
                return
            at = now + self.policy_at(pool.site).notice_s
            for victim in victims_for_booking(pool, window.need, now):
                made.give_ways.append(
                    self._send_away(victim, pool, now, at=at, to=booking.id, reason="booking")
                )
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

    def _send_away(
        self, running: Running, pool: Pool, now: Moment, *, at: Moment, to: str, reason: str
    ) -> GiveWay:
        request = running.request
        assert request is not None
        del self.running[running.id]
        pool.give(running)
        self._charge(request, -1, now)
        line = self._join(self.entries[running.id], at, now)
        if line is not None:
            self._rejoined.append(line)
        return GiveWay(request=request, site=pool.site, at_s=at, to=to, reason=reason)

    def _join(self, entry: Entry, earliest: Moment, now: Moment) -> Line | None:
        if earliest > now:
            heappush(self._put_off, (earliest, entry.seq, entry))
            return None
        line = self.waiting.add(entry, self.finder.of(entry.request))
        self._fresh.append(line)
        self._arrived.append(entry)
        return line

    def _rejoin(self, now: Moment) -> None:
        """Where one may run has changed for all who wait."""
        entries = sorted(self.waiting)
        for entry in entries:
            self.waiting.remove(entry)
        self.waiting.lines.clear()
        for entry in entries:
            self._join(entry, now, now)

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

    # Shares and quotas.

    def _weights(self) -> dict[str, float]:
        weights: dict[str, float] = {}
        for pool in self.pools:
            weights[pool.site] = weights.get(pool.site, 0.0) + pool.capacity / CARD * pool.speed
        return weights | dict(self._given_weights)

    def _charge(self, request: Request, sign: int, now: Moment) -> None:
        room = sign * request.need / CARD
        self.institutions.changes(request.institution, room, now)
        if request.project:
            self.projects.changes(request.project, room, now)
            self.held[request.project] = self.held.get(request.project, 0) + sign * request.need

    def _is_over_quota(self, line: Line) -> bool:
        project = line.request.project
        quota = self.quotas.get(project) if project else None
        return quota is not None and self.held.get(project, 0) + line.need > quota * CARD

    def _why_never(self, request: Request, now: Moment) -> Impossible | None:
        quota = self.quotas.get(request.project) if request.project else None
        if quota is not None and request.need > quota * CARD:
            return Impossible(request=request, cause="no_quota", most=quota)
        begins = max(now, request.earliest_s)
        if begins + (request.least_length_s or request.length_s) > request.latest_end_s:
            return Impossible(request=request, cause="too_late", most=max(request.latest_end_s - begins, 0))
        return None

