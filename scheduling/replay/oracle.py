"""What could be reached by somebody who knows every length and stops and moves work for nothing: SRSF*."""

from collections.abc import Callable, Sequence
from heapq import heappop, heappush

from scheduling.queue.requests import PoolSpec
from scheduling.replay.engine import Outcome, Replay
from scheduling.replay.traces import Trace


def replay_oracle(
    trace: Trace,
    pools: Sequence[PoolSpec],
    *,
    pooled: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Replay:
    """Run at every moment those with the least card time left. No scheduler can: it is a mark to measure against.

    A gang runs at one site, but at any; what is stopped loses nothing.
    """
    span = (trace.jobs[0].submit_s, trace.jobs[-1].submit_s) if trace.jobs else (0, 0)
    run = Replay("oracle" if pooled else "silo-oracle", list(pools), span)
    room: dict[str, int] = {}
    for pool in pools:
        room[pool.site] = room.get(pool.site, 0) + pool.cards
    outcomes = [Outcome(job) for job in trace.jobs]
    left = [job.duration_s for job in trace.jobs]
    running: dict[int, tuple[int, str, int]] = {}
    """Since when, where, and how often started: of each that runs."""
    free = dict(room)
    ends: list[tuple[int, int, int]] = []
    waiting: list[tuple[int, int]] = []
    starts = [0] * len(outcomes)
    arrivals = [(job.submit_s, number) for number, job in enumerate(trace.jobs)]
    next_one = 0

    def service(number: int, now: int) -> int:
        begun = running.get(number)
        rest = left[number] - (now - begun[0] if begun else 0)
        return rest * trace.jobs[number].cards

    def stop(number: int, now: int) -> None:
        since, site, _ = running.pop(number)
        left[number] -= now - since
        free[site] += trace.jobs[number].cards
        heappush(waiting, (left[number] * trace.jobs[number].cards, number))

    def place(number: int, now: int) -> bool:
        """Start it where there is room, or where those who have more left make room for it."""
        job = trace.jobs[number]
        sites = [job.site, *(site for site in free if site != job.site)] if pooled else [job.site]
        fits = [site for site in sites if free.get(site, 0) >= job.cards]
        site = fits[0] if fits and fits[0] == job.site else min(fits, key=free.__getitem__, default="")
        if not fits:
            mine = service(number, now)
            best: tuple[int, list[int]] | None = None
            for candidate in sites:
                if room.get(candidate, 0) < job.cards:
                    continue
                longer = sorted(
                    (
                        (service(other, now), other)
                        for other, (_, where, _) in running.items()
                        if where == candidate
                    ),
                    reverse=True,
                )
                gained = free[candidate]
                stopped: list[int] = []
                for rest, other in longer:
                    if gained >= job.cards or rest <= mine:
                        break
                    stopped.append(other)
                    gained += trace.jobs[other].cards
                if gained >= job.cards:
                    least = min(service(other, now) for other in stopped)
                    if best is None or least > best[0]:
                        best, site = (least, stopped), candidate
            if best is None:
                return False
            for other in best[1]:
                stop(other, now)
        free[site] -= job.cards
        starts[number] += 1
        running[number] = (now, site, starts[number])
        heappush(ends, (now + left[number], number, starts[number]))
        return True

    while next_one < len(arrivals) or ends:
        now = min(
            arrivals[next_one][0] if next_one < len(arrivals) else 1 << 60, ends[0][0] if ends else 1 << 60
        )
        while ends and ends[0][0] == now:
            _, number, start = heappop(ends)
            known = running.get(number)
            if known is None or known[2] != start:
                continue
            _, site, _ = running.pop(number)
            free[site] += trace.jobs[number].cards
            outcome = outcomes[number]
            outcome.site, outcome.end_s = site, now
            # As if it had run in one piece: what counts is how much later than possible it ended.
            outcome.start_s = now - outcome.job.duration_s
        while next_one < len(arrivals) and arrivals[next_one][0] == now:
            number = arrivals[next_one][1]
            job = trace.jobs[number]
            if job.cards <= (max(room.values()) if pooled else room.get(job.site, 0)):
                heappush(waiting, (job.duration_s * job.cards, number))
            next_one += 1
            if progress is not None and not next_one % 500:
                progress(next_one, len(arrivals))
        kept: list[tuple[int, int]] = []
        while waiting:
            entry = heappop(waiting)
            if not place(entry[1], now):
                kept.append(entry)
                if len(kept) >= 40:
                    break
        for entry in kept:
            heappush(waiting, entry)
    run.outcomes = outcomes
    return run
