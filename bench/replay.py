"""P8–P13 and P15: what the queue makes of recorded demand, against plain policies and against owning alone.

The traces are looked for in the folder that SHARY_TRACES names; `--quick` takes the first tenth of each.
"""

import os
import sys
from dataclasses import replace
from pathlib import Path

from bench.measuring import Record, Result, parser, progress, say
from scheduling.queue.policies import POLICIES, Policy
from scheduling.queue.requests import PoolSpec
from scheduling.replay.bookings import with_bookings
from scheduling.replay.capacities import capacities_for_load, pools_of
from scheduling.replay.engine import replay
from scheduling.replay.figures import Figures, figures_of, worse_off
from scheduling.replay.oracle import replay_oracle
from scheduling.replay.traces import Trace, read_trace

NAMES = ("itp2021_march", "philly2017_oct")
PRODUCT = POLICIES["federated"]


def figures(trace: Trace, pools: list[PoolSpec], policy: Policy) -> Figures:
    """Replay and sum up."""
    progress(f"{policy.name}: {len(trace.jobs)} jobs on {sum(pool.cards for pool in pools)} cards")
    return figures_of(replay(trace, pools, policy))


def waits(record: Record, name: str, trace: Trace) -> None:
    """P8 to P12: waits at three loads, and with fewer cards."""
    for load in (0.7, 0.85, 0.95):
        pools = pools_of(capacities_for_load(trace, load))
        plain = figures(trace, pools, POLICIES["easy"])
        alone = figures(trace, pools, POLICIES["silo"])
        ours = figures(trace, pools, PRODUCT)
        compare(record, f"P8 {name} {load}", ours.waits.mean_s, plain.waits.mean_s, "<= 1.10")
        judge_sites(record, f"P11 {name} {load}", ours, alone)
        if load == 0.85:
            same_alone = figures(trace, pools, POLICIES["silo-federated"])
            compare(record, f"P9 {name} {load}", ours.waits.mean_s, alone.waits.mean_s, "<= 0.05")
            compare(
                record, f"P9 {name} {load}, same order", ours.waits.mean_s, same_alone.waits.mean_s, "<= 0.05"
            )
            best = figures_of(replay_oracle(trace, pools)).waits.mean_s
            share = (alone.waits.mean_s - ours.waits.mean_s) / max(alone.waits.mean_s - best, 1e-9)
            record.add(
                Result(name=f"P10 {name} {load}", product=share, goal=">= 0.97", note=f"oracle {best:.0f} s")
            )
            skewed = doubled(trace)
            apart = figures(skewed, pools, POLICIES["silo"])
            judge_sites(record, f"P11 {name} {load}, half doubled", figures(skewed, pools, PRODUCT), apart)
        if load == 0.7:
            fewest = iso_wait(trace, load, alone.waits.mean_s)
            record.add(Result(name=f"P12 {name} {load}", product=fewest, goal="<= 0.70"))


def doubled(trace: Trace) -> Trace:
    """Every other site asks for everything twice."""
    sites = sorted({job.site for job in trace.jobs})
    eager = set(sites[::2])
    jobs = list(trace.jobs)
    jobs += [replace(job, id=f"{job.id} again") for job in trace.jobs if job.site in eager]
    return Trace(tuple(sorted(jobs, key=lambda job: job.submit_s)))


def iso_wait(trace: Trace, load: float, wait_s: float) -> float:
    """Return the smallest share of the cards with which the federation waits no longer than the silos did."""
    cards = capacities_for_load(trace, load)
    low, high = 0.4, 1.0
    while high - low > 0.02:
        middle = (low + high) / 2
        # A site keeps its own widest job; the rest of the cards goes.
        widest = {site: max(job.cards for job in trace.jobs if job.site == site) for site in cards}
        fewer = {site: max(int(count * middle), 1) for site, count in cards.items()}
        broadest = max(fewer, key=fewer.__getitem__)
        fewer[broadest] = max(fewer[broadest], *widest.values())
        if figures(trace, pools_of(fewer), PRODUCT).waits.mean_s <= wait_s:
            high = middle
        else:
            low = middle
    return high


def bookings(record: Record, name: str, trace: Trace) -> None:
    """P13: bookings on time, and what they cost those who wait."""
    for load, share in ((0.7, 0.15), (0.7, 0.4), (0.85, 0.15), (0.85, 0.4)):
        pools = pools_of(capacities_for_load(trace, load))
        rest, booked = with_bookings(trace, pools, share=share)
        progress(f"{name}: {len(booked)} bookings")
        ours = replay(rest, pools, PRODUCT, bookings=booked)
        patient = replay(rest, pools, replace(PRODUCT, yields_to_bookings=False), bookings=booked)
        late = sum(at > booking.starts_s for booking, at in ours.bookings)
        lost = figures_of(ours).lost_share
        label = f"P13 {name} {load} {share:.0%} booked"
        begun = len(ours.bookings)
        note = f"{begun} began, {ours.refused_bookings} refused, lost {lost:.2%}"
        record.add(Result(name=f"{label}, late", product=late, goal="<= 0", note=note))
        compare(record, label, figures_of(ours).waits.mean_s, figures_of(patient).waits.mean_s, "<= 1.05")


def saturated(record: Record, name: str, trace: Trace) -> None:
    """P15: useful share of the cards when there is half as much again to do as they can."""
    pools = pools_of(capacities_for_load(trace, 1.5))
    plain = figures(trace, pools, POLICIES["easy"]).utilisation
    ours = figures(trace, pools, PRODUCT).utilisation
    record.add(Result(name=f"P15 {name} 1.5", product=ours, floor=plain, ratio=ours / plain, goal=">= 0.97"))


def compare(record: Record, name: str, product_s: float, floor_s: float, goal: str) -> None:
    """Two mean waits, in minutes."""
    ratio = product_s / floor_s if floor_s else 0.0
    record.add(
        Result(name=name, product=product_s / 60, floor=floor_s / 60, unit="min", ratio=ratio, goal=goal)
    )


def judge_sites(record: Record, name: str, ours: Figures, alone: Figures) -> None:
    """How many sites are worse off than alone, and how much work came to nothing."""
    losers = worse_off(ours, alone)
    note = f"lost {ours.lost_share:.3%}, {ours.preemptions} gave way {' '.join(losers)}"
    record.add(Result(name=name, product=len(losers), unit="sites", goal="<= 0", note=note))
    record.add(Result(name=f"{name}, lost", product=100 * ours.lost_share, unit="%", goal="<= 0.2"))


def main() -> int:
    """Replay what there is."""
    options = parser(__doc__).parse_args()
    folder = os.environ.get("SHARY_TRACES")
    if not folder:
        say("SHARY_TRACES names no folder with traces, so there is nothing to replay.")
        return 0
    record = Record("replay", options.quick)
    for name in NAMES:
        path = Path(folder) / f"{name}.csv"
        if not path.exists():
            say(f"{path} is not there and is left out.")
            continue
        with path.open(newline="", encoding="utf-8") as lines:
            trace = read_trace(lines, name=path.name)
        if options.quick:
            trace = Trace(trace.jobs[: len(trace.jobs) // 10])
        short = name.partition("2")[0]
        waits(record, short, trace)
        bookings(record, short, trace)
        saturated(record, short, trace)
    return record.finish(options.json)


if __name__ == "__main__":
    sys.exit(main())
