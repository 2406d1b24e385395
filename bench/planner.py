"""P14: what deciding costs, against the plainest event-driven EASY on the same trace.

The floor keeps a list of who waits and a list of who runs for each site, and walks both at each event; it
knows no bookings, no shares, no guests. SHARY_TRACES names the folder with `itp2021_march.csv`; without it,
made-up demand of the same size is taken.
"""

import heapq
import os
import random
import sys
import time
from bisect import insort
from pathlib import Path

from bench.measuring import Record, Result, interleaved, parser, progress, quantile, ratio_of
from scheduling.queue.planner import Planner
from scheduling.queue.policies import POLICIES
from scheduling.queue.requests import Booking, PoolSpec, Request
from scheduling.replay.capacities import capacities_for_load, pools_of
from scheduling.replay.engine import replay
from scheduling.replay.traces import Job, Trace, asked_length, read_trace


def plain_easy(trace: Trace, cards: dict[str, int]) -> float:
    """Return the mean wait of first come, first served with EASY backfill over all sites, home first."""
    free = dict(cards)
    ends: dict[str, list[tuple[int, int, int]]] = {site: [] for site in cards}
    events = [(job.submit_s, 1, number, "") for number, job in enumerate(trace.jobs)]
    heapq.heapify(events)
    waiting: list[int] = []
    started = [0] * len(trace.jobs)
    while events:
        now = events[0][0]
        while events and events[0][0] == now:
            _, kind, number, site = heapq.heappop(events)
            if kind:
                waiting.append(number)
            else:
                job = trace.jobs[number]
                free[site] += job.cards
                ends[site].remove((started[number] + job.length_s, number, job.cards))
        kept: list[int] = []
        shadow: tuple[str, int, int] | None = None
        most = max(free.values())
        for number in waiting:
            job = trace.jobs[number]
            best = ""
            if job.cards <= most:
                for site in (job.site, *free):
                    if free[site] < job.cards:
                        continue
                    beside = shadow is None or site != shadow[0] or job.cards <= shadow[2]
                    if (beside or now + job.length_s <= shadow[1]) and (not best or free[site] < free[best]):
                        best = site
                        if site == job.site:
                            break
            if best:
                if shadow and best == shadow[0] and now + job.length_s > shadow[1]:
                    shadow = (shadow[0], shadow[1], shadow[2] - job.cards)
                free[best] -= job.cards
                most = max(free.values())
                started[number] = now
                insort(ends[best], (now + job.length_s, number, job.cards))
                heapq.heappush(events, (now + job.duration_s, 0, number, best))
                continue
            kept.append(number)
            if shadow is None:
                for site in free:
                    room = free[site]
                    for end, _, count in ends[site]:
                        room += count
                        if room >= job.cards:
                            if shadow is None or end < shadow[1]:
                                shadow = (site, end, room - job.cards)
                            break
        waiting = kept
    return sum(at - job.submit_s for at, job in zip(started, trace.jobs, strict=True)) / len(started)


def made_up(jobs: int, sites: int, cards: int, load: float) -> tuple[Trace, list[PoolSpec]]:
    """Return demand that fills so much of so many cards."""
    draw = random.Random(14)
    mean_s = 2 * 3600
    gap = mean_s * 1.9 / (cards * load)
    made = []
    for number in range(jobs):
        duration = max(int(draw.expovariate(1 / mean_s)), 10)
        width = draw.choices((1, 2, 4, 8), (70, 15, 10, 5))[0]
        site = f"site{int(sites * draw.random() ** 1.5):03}"
        made.append(
            Job(str(number), site, "", int(number * gap), duration, width, 0, (), asked_length(duration))
        )
    return Trace(tuple(made)), pools_of({f"site{n:03}": cards // sites for n in range(sites)})


def one_pass(waiting: int, sites: int, cards: int, booked: int, passes: int) -> float:
    """Return the 99th percentile of a pass in seconds, with so many waiting for full pools."""
    draw = random.Random(7)
    pools = pools_of({f"site{n:02}": cards // sites for n in range(sites)})
    planner = Planner(pools, POLICIES["federated"])
    names = [pool.site for pool in pools]
    number = 0

    def ask(now: int) -> None:
        nonlocal number
        number += 1
        planner.submit(
            Request(
                id=str(number),
                institution=draw.choice(names),
                project=f"project{draw.randrange(200)}",
                submitted_s=now,
                length_s=asked_length(int(draw.expovariate(1 / 7200)) + 1),
                cards=draw.choices((1, 2, 4, 8), (60, 20, 12, 8))[0],
            ),
            now,
        )

    for place in range(booked):
        starts = 3600 + draw.randrange(72 * 3600)
        site = draw.choice(names)
        planner.book(Booking(id=f"b{place}", site=site, cards=1, starts_s=starts, ends_s=starts + 7200), 0)
    while planner.waiting.count < waiting:
        for _ in range(500):
            ask(0)
        planner.plan(0)
    took: list[float] = []
    running = sorted(planner.running)
    for place in range(passes):
        now = 60 * (place + 1)
        leaving = running.pop(draw.randrange(len(running)))
        if leaving in planner.running:
            planner.ended(leaving, now)
        ask(now)
        began = time.process_time()
        made = planner.plan(now)
        took.append(time.process_time() - began)
        running.extend(start.request.id for start in made.starts)
    return quantile(took, 0.99)


def main() -> int:
    """Measure the planner on a whole trace, in one pass, and as everything grows."""
    options = parser(__doc__).parse_args()
    record = Record("planner", options.quick)
    folder = os.environ.get("SHARY_TRACES")
    path = Path(folder or ".") / "itp2021_march.csv"
    if path.exists():
        with path.open(newline="", encoding="utf-8") as lines:
            trace = read_trace(lines, name=path.name)
        if options.quick:
            trace = Trace(trace.jobs[:4000])
        cards = capacities_for_load(trace, 0.85)
    else:
        trace, pools = made_up(4000 if options.quick else 42_000, 10, 1500, 0.85)
        cards = {pool.site: pool.cards for pool in pools}
    pools = pools_of(cards)

    def timed(work: object) -> float:
        began = time.process_time()
        work()  # type: ignore[operator]
        return time.process_time() - began

    products, floors = interleaved(
        1 if options.quick else options.rounds,
        lambda: timed(lambda: replay(trace, pools, POLICIES["federated"])),
        lambda: timed(lambda: plain_easy(trace, cards)),
        label="a whole trace",
    )
    ratio = ratio_of(products, floors)
    record.add(
        Result(
            name="P14 planner on a trace",
            product=products[0],
            floor=floors[0],
            unit="s",
            ratio=ratio,
            goal="<= 10",
        )
    )
    ours = replay(trace, pools, POLICIES["easy"])
    mean = sum(outcome.wait_s for outcome in ours.outcomes) / len(ours.outcomes)
    record.add(
        Result(
            name="the floor waits as our EASY",
            product=mean / 60,
            floor=plain_easy(trace, cards) / 60,
            unit="min",
        )
    )
    passes = 20 if options.quick else 300
    record.add(
        Result(
            name="P14 a pass, 1,000 wait, p99",
            product=1000 * one_pass(1000, 10, 1000, 0, passes),
            unit="ms",
            goal="<= 50",
        )
    )
    record.add(
        Result(
            name="a pass, 10,000 wait, 5,000 cards, 2,000 booked, p99",
            product=1000 * one_pass(10_000, 20, 5000, 2000, passes),
            unit="ms",
        )
    )
    sizes = (
        ((2000, 1000), (8000, 4000))
        if options.quick
        else ((20_000, 2000), (100_000, 10_000), (500_000, 50_000))
    )
    for jobs, count in sizes:
        progress(f"{jobs} jobs on {count} cards")
        grown, sites = made_up(jobs, max(count // 500, 2), count, 0.85)
        took = timed(lambda grown=grown, sites=sites: replay(grown, sites, POLICIES["federated"]))
        record.add(
            Result(name=f"{jobs:,} jobs on {count:,} cards, a job", product=1e6 * took / jobs, unit="µs")
        )
    return record.finish(options.json)


if __name__ == "__main__":
    sys.exit(main())
