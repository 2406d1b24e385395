"""P6: a thousand leases due at the same moment, through the hub, one site and its devices.

The floor is a timer in one process that writes once to Valkey for each lease. What counts is the
moment at which the device opened its door.
"""

import heapq
import shutil
import statistics
import sys
import time
from datetime import UTC, datetime, timedelta
from math import ceil

import redis

from bench.federation import Federation
from bench.measuring import Record, Result, parser, progress, quantile, ratio_of, say
from bench.stage import Stage


def main() -> int:
    """Measure punctuality, then with a killed worker, then with a site that hangs."""
    chosen = parser(__doc__)
    chosen.add_argument("--leases", type=int, default=0)
    chosen.add_argument("--children", type=int, default=8, help="of each worker; the product's default is 8")
    chosen.add_argument("--lead", type=int, default=0, help="seconds from preparation to start")
    chosen.add_argument("--only", choices=["start", "kill", "hang"])
    options = chosen.parse_args()
    leases = options.leases or (40 if options.quick else 1000)
    lead = options.lead or (8 if options.quick else 40)
    rounds = 1 if options.quick else options.rounds
    record = Record(bench="lease start (P6)", quick=options.quick)
    with Stage() as stage:
        shutil.rmtree(stage.folder / "sites", ignore_errors=True)
        stage.database = stage.migrated()
        record.conditions |= stage.conditions
        record.conditions["processes"] = (
            f"hub worker with 2 threads, beat, one site with 2 workers of {options.children} children"
        )
        stage.fresh()
        stage.enter_portal()
        if options.only in (None, "start"):
            _start(record, stage, leases, options.children, lead, rounds)
        if options.only in (None, "kill"):
            _kill(record, stage, leases, options.children, lead)
        if options.only in (None, "hang"):
            _hang(record, stage, 20 if options.quick else 500, 3 if options.quick else 10, lead)
    return record.finish(options.json)


def _start(record: Record, stage: Stage, leases: int, children: int, lead: int, rounds: int) -> None:
    late: list[list[float]] = []
    ideal: list[list[float]] = []
    ready: list[int] = []
    for number in range(rounds):
        with Federation(stage, sites=1, workers=2, children=children, devices=leases) as federation:
            # Short, so a neighbour's burst can fill all of it: the middle one of three.
            ideal.append(sorted((timer(stage, leases) for _ in range(3)), key=max)[1])
            found, prepared = _round(federation, leases, lead)
            ready.append(prepared)
            late.append(found)
        progress(
            f"round {number + 1} of {rounds}: p50 {quantile(found, 0.5):.3f}, p99 {quantile(found, 0.99):.3f},"
            f" ideal p99 {quantile(ideal[-1], 0.99):.3f} s; {prepared} prepared at the start"
        )
    everything = [value for values in late for value in values]
    p99 = [quantile(values, 0.99) for values in late]
    floor = [quantile(values, 0.99) for values in ideal]
    record.add(
        Result(
            name=f"p99 lateness of {leases} leases / timer",
            product=statistics.median(p99),
            floor=statistics.median(floor),
            unit="s",
            ratio=ratio_of(p99, floor),
            goal="<= 7",
            note=f"stretch 2; p50 {quantile(everything, 0.5):.3f}, max {max(everything):.3f} s",
            rounds=p99,
        )
    )
    record.add(
        Result(name="p99 lateness, median of rounds", product=statistics.median(p99), unit="s", goal="<= 1")
    )
    record.add(Result(name="opened early", product=sum(value < 0 for value in everything), goal="== 0"))
    lost = leases * rounds - len(everything)
    record.add(Result(name="never opened", product=lost, goal="== 0", note=f"prepared in time: {ready}"))


def _round(federation: Federation, leases: int, lead: int, *, kill: bool = False) -> tuple[list[float], int]:
    starts_at = datetime.now(UTC) + timedelta(seconds=lead + 2)
    starts_at = starts_at.replace(microsecond=0)
    federation.book_all(starts_at=starts_at, preparation_s=lead)
    start = starts_at.timestamp()
    time.sleep(max(0.0, start - time.time() - 0.3))
    prepared = federation.prepared()
    if kill:
        time.sleep(max(0.0, start + 0.1 - time.time()))
        federation.sites[0].kill_one()
    deadline = start + 60
    while len(federation.opened()) < leases and time.time() < deadline:
        time.sleep(0.2)
    opened = federation.opened()
    twice = sum(len(moments) > 1 for moments in opened.values())
    if twice:
        say(f"{twice} devices opened twice")
    return [moments[0] - start for moments in opened.values()], prepared


def _kill(record: Record, stage: Stage, leases: int, children: int, lead: int) -> None:
    with Federation(stage, sites=1, workers=2, children=children, devices=leases) as federation:
        late, _ = _round(federation, leases, lead, kill=True)
        opened = federation.opened()
        repeated = federation.repeated_calls()
        settled = _settle(federation, leases)
    record.add(
        Result(
            name="kill -9 of one worker: never opened",
            product=leases - len(opened),
            goal="== 0",
            note=f"p50 {quantile(late, 0.5):.3f}, p99 {quantile(late, 0.99):.3f}, max {max(late):.3f} s late",
        )
    )
    record.add(
        Result(
            name="kill -9 of one worker: opened twice",
            product=sum(len(moments) > 1 for moments in opened.values()),
            goal="== 0",
            note=f"{repeated} calls found the door open already",
        )
    )
    record.add(Result(name="kill -9 of one worker: early", product=sum(v < 0 for v in late), goal="== 0"))
    record.add(
        Result(name="kill -9: leases ACTIVE at the hub", product=settled, floor=leases, goal=f"== {leases}")
    )


def _settle(federation: Federation, leases: int) -> int:
    """Wait until the hub knows what the devices know; return how many leases are active."""
    deadline = time.monotonic() + 60
    while (active := federation.statuses().get("ACTIVE", 0)) < leases and time.monotonic() < deadline:
        time.sleep(0.5)
    return active


def _hang(record: Record, stage: Stage, leases: int, sites: int, lead: int) -> None:
    each = ceil(leases / sites)
    with Federation(stage, sites=sites, workers=1, children=2, devices=each) as federation:
        federation.sites[0].hang()
        others = each * (sites - 1)
        late, prepared = _round(federation, others, lead)
    record.add(
        Result(
            name=f"{sites} sites, one hangs: never opened elsewhere",
            product=others - len(late),
            goal="== 0",
            note=f"{prepared} prepared",
        )
    )
    record.add(
        Result(
            name=f"{sites} sites, one hangs: p99 lateness elsewhere",
            product=quantile(late, 0.99),
            unit="s",
            goal="<= 1",
            note=f"p50 {quantile(late, 0.5):.3f}, max {max(late):.3f} s" if late else "",
        )
    )
    record.add(Result(name=f"{sites} sites, one hangs: early", product=sum(v < 0 for v in late), goal="== 0"))


def timer(stage: Stage, leases: int) -> list[float]:
    """Return how late a timer in this process writes that many leases due at one moment."""
    valkey = redis.Redis.from_url(stage.valkey.url(2))
    valkey.ping()
    due = time.time() + 0.3
    heap = [(due, number) for number in range(leases)]
    heapq.heapify(heap)
    late = []
    while heap:
        moment, number = heap[0]
        if (wait := moment - time.time()) > 0:
            time.sleep(wait)
            continue
        heapq.heappop(heap)
        valkey.set(f"lease:{number}", time.time())
        late.append(time.time() - due)
    valkey.flushdb()
    valkey.close()
    return late


if __name__ == "__main__":
    sys.exit(main())
