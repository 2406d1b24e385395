"""Checks what a replay wrote, without the code that decided: rows in, what is wrong with them out."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from scheduling.replay.traces import Job


@dataclass(frozen=True)
class Row:
    """One line of jobs.csv."""

    job_id: str
    site: str
    start_s: int
    end_s: int
    gpus: float
    preemptions: int
    lost_s: int


def problems(
    jobs: Iterable[Job], rows: Iterable[Row], cards: Mapping[str, int], *, never: frozenset[str] = frozenset()
) -> list[str]:
    """Return all that is wrong: each job once, not before it was asked for, as long as it runs, within the cards."""
    known = {job.id: job for job in jobs}
    found: list[str] = []
    seen: set[str] = set()
    changes: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
    for row in rows:
        job = known.get(row.job_id)
        if job is None or row.job_id in seen:
            found.append(f"{row.job_id} is unknown or there twice")
            continue
        seen.add(row.job_id)
        if row.start_s < job.submit_s:
            found.append(f"{row.job_id} starts before it was asked for")
        if row.end_s - row.start_s != job.duration_s:
            found.append(f"{row.job_id} runs {row.end_s - row.start_s} s, not {job.duration_s}")
        if row.gpus != (job.share / 1000 or job.cards):
            found.append(f"{row.job_id} has {row.gpus} cards, not {job.cards}")
        if row.lost_s < 0 or (row.lost_s and not row.preemptions):
            found.append(f"{row.job_id} lost {row.lost_s} s in {row.preemptions} preemptions")
        if row.lost_s > row.start_s - job.submit_s:
            found.append(f"{row.job_id} lost more than it waited")
        if row.site not in cards:
            found.append(f"{row.job_id} runs at “{row.site}”, which has no cards")
        changes[row.site].append((row.start_s, row.gpus))
        changes[row.site].append((row.end_s, -row.gpus))
    for site, steps in changes.items():
        in_use = 0.0
        for at, change in sorted(steps, key=lambda step: (step[0], step[1])):
            in_use += change
            if in_use > cards.get(site, 0) + 1e-6:
                found.append(f"{site} has {in_use} cards in use at {at}, of {cards.get(site, 0)}")
                break
    missing = set(known) - seen - never
    if missing:
        found.append(f"{len(missing)} jobs never ran: {sorted(missing)[:3]}")
    return found
