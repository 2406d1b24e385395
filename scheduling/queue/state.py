"""What the queue knows: the pools, who waits, who runs, and what is kept; changed in place by each event."""

from collections.abc import Mapping, Sequence
from heapq import heappush

from scheduling.queue.full_plans import Plan
from scheduling.queue.places import PlaceFinder
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


class State:
    """The state of all pools and of all who wait; `Planner` decides upon it."""

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
        self._had: dict[tuple[str, str], float] = {}
        self._owed: set[str] = set()
        self._given = 0
        self._given_until: Moment = 0
        self._in_use = 0
        self._lost = 0
        self._room_held: dict[str, int] = {}
        self._own: dict[str, dict[str, Running]] = {}
        self._owned: dict[str, int] = {}
        for pool in self.pools:
            self._owned[pool.site] = self._owned.get(pool.site, 0) + pool.capacity
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
            del self._own[running.request.institution][lease_id]
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
                raise ValueError(
                    f"Give the new hosts of “{site}” as a pool of their own, and the old ones none."
                )
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

    def policy_at(self, site: str) -> Policy:
        """Return the federation's policy, or what the site made of it."""
        return self._site_policies.get(site, self.policy)

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
                self._gives_way(victim, pool, now, made, at=at, to=request.id, reason="host")
        self.waiting.remove(entry)
        guest = (
            pool.site != request.institution
            and request.preemptible
            and self.policy_at(pool.site).guests_give_way
        )
        running = Running(
            request.id, line.need, at, at + pool.hold(line.length), entry.seq, request=request, guest=guest
        )
        names: tuple[str, ...] = ()
        if pool.hosts is not None:
            running.taken = pool.hosts.take(line.need, same_host=request.same_host or request.wired)
            names = pool.hosts.names_of(running.taken)
        pool.take(running)
        self.running[request.id] = (running, pool)
        self._own.setdefault(request.institution, {})[request.id] = running
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

    def _gives_way(
        self,
        running: Running,
        pool: Pool,
        now: Moment,
        made: Decisions,
        *,
        at: Moment,
        to: str,
        reason: str,
    ) -> None:
        """It has to end, unless it was to start in this very pass: then it just does not."""
        for place, start in enumerate(made.starts):
            if start.request.id == running.id:
                del made.starts[place]
                self._send_away(running, pool, now, at=now, to=to, reason=reason)
                return
        made.give_ways.append(self._send_away(running, pool, now, at=at, to=to, reason=reason))

    def _send_away(
        self, running: Running, pool: Pool, now: Moment, *, at: Moment, to: str, reason: str
    ) -> GiveWay:
        request = running.request
        assert request is not None  # noqa: S101
        self._lost += running.need * max(now - running.started_s, 0)
        del self.running[running.id]
        del self._own[request.institution][running.id]
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

    # Shares and quotas.

    def _weights(self) -> dict[str, float]:
        weights: dict[str, float] = {}
        for pool in self.pools:
            weights[pool.site] = weights.get(pool.site, 0.0) + pool.capacity / CARD * pool.speed
        return weights | dict(self._given_weights)

    def _charge(self, request: Request, sign: int, now: Moment) -> None:
        room = sign * request.need / CARD
        self._given += self._in_use * (now - self._given_until)
        self._given_until = now
        self._in_use += sign * request.need
        self._room_held[request.institution] = self._room_held.get(request.institution, 0) + sign * request.need
        self.institutions.changes(request.institution, room, now)
        if request.project:
            self.projects.changes(request.project, room, now)
            self.held[request.project] = self.held.get(request.project, 0) + sign * request.need

    def is_over_quota(self, line: Line) -> bool:
        """Whether its project would hold more than it may."""
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
