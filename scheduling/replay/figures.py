"""What a replay comes to: waits, use, who gains and who loses."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from scheduling.replay.engine import Outcome, Replay

BOUND_S = 10
"""Shorter runs count as so long in the bounded slowdown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """How long a group of jobs waited, in seconds."""

    jobs: int
    mean_s: float
    median_s: float
    p95_s: float
    p99_s: float
    bounded_slowdown: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One run in numbers."""

    policy: str
    cards: int
    waits: Waits
    by_site: dict[str, Waits]
    cards_by_site: dict[str, int]
    utilisation: float
    """Useful card time within the span of the trace, of all there is."""
    away: float
    """The share of the work that was done away from home."""
    lent_h: dict[str, float]
    borrowed_h: dict[str, float]
    lost_share: float
    """Card time that came to nothing, of the work."""
    preemptions: int
    unfinished: int
    impossible: int
    makespan_s: int


def figures_of(run: Replay) -> Figures:
    """Sum the run up."""
    done = [outcome for outcome in run.outcomes if outcome.start_s >= 0]
    refused = {impossible.request.id for impossible in run.impossible}
    begins, ends = run.span
    useful = work = moved = lost = 0.0
    lent: defaultdict[str, float] = defaultdict(float)
    borrowed: defaultdict[str, float] = defaultdict(float)
    by_site: defaultdict[str, list[Outcome]] = defaultdict(list)
    for outcome in done:
        job = outcome.job
        room = job.share / 1000 or job.cards
        ran = outcome.end_s - outcome.start_s
        useful += room * max(0, min(outcome.end_s, ends) - max(outcome.start_s, begins))
        work += room * ran
        lost += room * outcome.lost_s
        by_site[job.site].append(outcome)
        if outcome.site != job.site:
            moved += room * ran
            lent[outcome.site] += room * ran / 3600
            borrowed[job.site] += room * ran / 3600
    cards_by_site: defaultdict[str, int] = defaultdict(int)
    for pool in run.pools:
        cards_by_site[pool.site] += pool.cards
    cards = sum(cards_by_site.values())
    return Figures(
        policy=run.policy,
        cards=cards,
        waits=waits_of(done),
        by_site={site: waits_of(outcomes) for site, outcomes in sorted(by_site.items())},
        cards_by_site=dict(sorted(cards_by_site.items())),
        utilisation=useful / (cards * (ends - begins)) if cards and ends > begins else 0.0,
        away=moved / work if work else 0.0,
        lent_h=dict(sorted(lent.items())),
        borrowed_h=dict(sorted(borrowed.items())),
        lost_share=lost / work if work else 0.0,
        preemptions=sum(outcome.preemptions for outcome in run.outcomes),
        unfinished=len(run.outcomes) - len(done) - len(refused),
        impossible=len(refused),
        makespan_s=max((outcome.end_s for outcome in done), default=begins) - begins,
    )


def waits_of(outcomes: Sequence[Outcome]) -> Waits:
    """Sum up how long these waited."""
    if not outcomes:
        return Waits(jobs=0, mean_s=0.0, median_s=0.0, p95_s=0.0, p99_s=0.0, bounded_slowdown=1.0)
    waits = sorted(outcome.wait_s for outcome in outcomes)
    slow = sum(
        max((outcome.wait_s + outcome.job.duration_s) / max(outcome.job.duration_s, BOUND_S), 1.0)
        for outcome in outcomes
    )
    return Waits(
        jobs=len(waits),
        mean_s=sum(waits) / len(waits),
        median_s=_at(waits, 0.5),
        p95_s=_at(waits, 0.95),
        p99_s=_at(waits, 0.99),
        bounded_slowdown=slow / len(waits),
    )


def _at(ordered: Sequence[int], share: float) -> float:
    return float(ordered[min(int(share * len(ordered)), len(ordered) - 1)])


def worse_off(shared: Figures, alone: Figures, *, factor: float = 1.05, margin_s: float = 60.0) -> list[str]:
    """Return the sites whose jobs wait longer on average than they would alone, beyond a small margin."""
    return [
        site
        for site, waits in shared.by_site.items()
        if site in alone.by_site and waits.mean_s > factor * alone.by_site[site].mean_s + margin_s
    ]
