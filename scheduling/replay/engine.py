"""Runs a trace through the queue: events in order of time, and nothing else."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from math import ceil

from scheduling.queue.planner import Planner
from scheduling.queue.policies import Policy
from scheduling.queue.requests import Booking, GiveWay, Impossible, PoolSpec, Request
from scheduling.replay.traces import Job, Trace

END, BEGIN, SUBMIT, WAKE = range(4)
"""What comes first at one moment: room is freed before it is asked for."""


@dataclass(slots=True)
class Outcome:
    """What became of one job."""

    job: Job
    site: str = ""
    start_s: int = -1
    """Of its last run."""
    end_s: int = -1
    preemptions: int = 0
    lost_s: int = 0
    """Run time that came to nothing because it had to give way."""

    @property
    def wait_s(self) -> int:
        """From asking to the start of the run that came to its end."""
        return self.start_s - self.job.submit_s


@dataclass(slots=True)
class Replay:
    """All that a run brought about."""

    policy: str
    pools: list[PoolSpec]
    span: tuple[int, int]
    outcomes: list[Outcome] = field(default_factory=list)
    impossible: list[Impossible] = field(default_factory=list)
    bookings: list[tuple[Booking, int]] = field(default_factory=list)
    """Those that the calendar took, and when they began."""
    refused_bookings: int = 0
    passes: int = 0
    busy_s: float = 0.0
    """Card seconds of useful work within the span."""


Progress = Callable[[int, int], None]


def request_of(job: Job, *, whole_cards: bool) -> Request:
    """Return what the job would have asked the queue for."""
    return Request(
        id=job.id,
        institution=job.site,
        submitted_s=job.submit_s,
        length_s=job.length_s,
        cards=job.cards,
        share=0 if whole_cards else job.share,
        user=job.user,
        models=frozenset(job.models),
    )


def replay(
    trace: Trace,
    pools: Sequence[PoolSpec],
    policy: Policy,
    *,
    bookings: Sequence[tuple[int, Booking]] = (),
    site_policies: Mapping[str, Policy] | None = None,
    progress: Progress | None = None,
) -> Replay:
    """Run all jobs, and the bookings with the moments at which they were made; return what became of each."""
    run = _Run(trace, pools, policy, bookings, site_policies or {})
    run.go(progress)
    return run.result


class _Run:
    def __init__(
        self,
        trace: Trace,
        pools: Sequence[PoolSpec],
        policy: Policy,
        bookings: Sequence[tuple[int, Booking]],
        site_policies: Mapping[str, Policy],
    ) -> None:
        jobs = trace.jobs
        span = (jobs[0].submit_s, jobs[-1].submit_s) if jobs else (0, 0)
        self.result = Replay(policy.name, list(pools), span)
        self._policy = policy
        self._speeds = {(pool.site, pool.model): pool.speed for pool in pools}
        self._planners: dict[str, Planner] = {}
        if policy.pooled:
            everywhere = Planner(pools, policy, site_policies=site_policies)
            self._planner_of = dict.fromkeys({job.site for job in jobs} | {p.site for p in pools}, everywhere)
        else:
            self._planner_of = {
                site: Planner([pool for pool in pools if pool.site == site], policy)
                for site in {job.site for job in jobs} | {pool.site for pool in pools}
            }
        whole = not any(pool.cards_per_host for pool in pools)
        self.outcomes = {job.id: Outcome(job) for job in jobs}
        self._requests = [request_of(job, whole_cards=whole) for job in jobs]
        self._runs: dict[str, int] = {}
        self._events: list[tuple[int, int, int, object]] = []
        self._count = 0
        for number, request in enumerate(self._requests):
            self._events.append((request.submitted_s, SUBMIT, number, request))
        self._count = len(self._events)
        for made_s, booking in bookings:
            self._count += 1
            self._events.append((made_s, BEGIN, self._count, booking))
        heapify(self._events)
        self._wakes: dict[int, int] = {}

    def go(self, progress: Progress | None) -> None:
        """Work off all events."""
        events = self._events
        done = 0
        total = len(self._requests)
        while events:
            now = events[0][0]
            touched: dict[int, Planner] = {}
            while events and events[0][0] == now:
                _, kind, _, what = heappop(events)
                planner = self._tell(kind, what, now)
                if planner is not None:
                    touched[id(planner)] = planner
                if kind == SUBMIT:
                    done += 1
                    if progress is not None and not done % 500:
                        progress(done, total)
            for planner in touched.values():
                self._ask(planner, now)
        if progress is not None:
            progress(total, total)
        self.result.outcomes = [self.outcomes[request.id] for request in self._requests]

    def _tell(self, kind: int, what: object, now: int) -> Planner | None:
        if kind == SUBMIT:
            assert isinstance(what, Request)  # noqa: S101
            planner = self._planner_of[what.institution]
            impossible = planner.submit(what, now)
            if impossible is not None:
                self.result.impossible.append(impossible)
                return None
            return planner
        if kind == END:
            assert isinstance(what, tuple)  # noqa: S101
            lease_id, run, planner = what
            if self._runs.get(lease_id) != run:
                return None
            planner.ended(lease_id, now)
            return planner  # type: ignore[no-any-return]
        if kind == BEGIN:
            assert isinstance(what, Booking)  # noqa: S101
            planner = self._planner_of[what.site]
            if planner.book(what, now):
                return planner
            self.result.refused_bookings += 1
            return None
        assert isinstance(what, Planner)  # noqa: S101
        if self._wakes.get(id(what)) == now:
            del self._wakes[id(what)]
        return what

    def _ask(self, planner: Planner, now: int) -> None:
        self.result.passes += 1
        made = planner.plan(now)
        for given in made.give_ways:
            self._send_away(given)
        for booking, at in made.opened:
            self.result.bookings.append((booking, at))
            self._ends(booking.id, at + booking.ends_s - booking.starts_s, planner)
        for start in made.starts:
            outcome = self.outcomes[start.request.id]
            speed = self._speeds[start.site, start.model]
            runs = outcome.job.duration_s if speed == 1.0 else ceil(outcome.job.duration_s / speed)
            outcome.site = start.site
            outcome.start_s = start.at_s
            outcome.end_s = start.at_s + runs
            # A window of the calendar is held to its end, whether it is used or not.
            held = start.ends_s if self._policy.backfill == "calendar" else outcome.end_s
            self._ends(start.request.id, held, planner)
        wake = planner.next_wake()
        if wake is not None and self._wakes.get(id(planner), wake + 1) > wake:
            self._wakes[id(planner)] = wake
            self._count += 1
            heappush(self._events, (wake, WAKE, self._count, planner))

    def _ends(self, lease_id: str, at: int, planner: Planner) -> None:
        run = self._runs.get(lease_id, 0) + 1
        self._runs[lease_id] = run
        self._count += 1
        heappush(self._events, (at, END, self._count, (lease_id, run, planner)))

    def _send_away(self, given: GiveWay) -> None:
        """Its run comes to nothing, unless it ends by itself before it has to."""
        outcome = self.outcomes[given.request.id]
        if outcome.end_s <= given.at_s:
            return
        outcome.preemptions += 1
        outcome.lost_s += max(given.at_s - outcome.start_s, 0)
        self._runs[given.request.id] += 1
        outcome.start_s = outcome.end_s = -1
