"""Reads recorded demand, and says line by line what is wrong with it."""

import csv
import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

HOUR = 3600
LENGTHS_S = tuple(int(hours * HOUR) for hours in (0.5, 1, 2, 4, 8, 12, 24, 48, 96, 168, 336, 720))
"""What people book: the lengths that a calendar offers."""

NEEDED = ("job_id", "site_or_vc", "submit_s", "duration_s", "gpus")
SHOWN = 20
LARGEST = 1 << 40


class TraceProblem(ValueError):
    """The trace cannot be replayed: where, why, and what to do."""


@dataclass(frozen=True, slots=True)
class Job:
    """One job of a trace."""

    id: str
    site: str
    user: str
    submit_s: int
    duration_s: int
    """What it really runs, on a card of speed 1."""
    cards: int
    share: int
    """Thousandths of a card, when it wants less than one; `cards` is 1 then."""
    models: tuple[str, ...]
    length_s: int
    """What it asks for."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Jobs by the moment of their submission, and what was noticed while reading."""

    jobs: tuple[Job, ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def span_s(self) -> int:
        """From the first submission to the last."""
        return self.jobs[-1].submit_s - self.jobs[0].submit_s if self.jobs else 0

    @property
    def work_s(self) -> float:
        """Card seconds."""
        return sum(job.duration_s * (job.share / 1000 or job.cards) for job in self.jobs)


def asked_length(duration_s: int) -> int:
    """Return the next length that a calendar offers."""
    place = bisect_left(LENGTHS_S, duration_s)
    if place < len(LENGTHS_S):
        return LENGTHS_S[place]
    return math.ceil(duration_s / LENGTHS_S[-1]) * LENGTHS_S[-1]


def read_trace(lines: Iterable[str], *, name: str = "the trace", leave_out_bad: bool = False) -> Trace:
    """Read the CSV; refuse it with the places of what is wrong, or leave those lines out and note it."""
    rows = csv.reader(_without_mark(lines))
    try:
        header = next(rows)
    except StopIteration:
        raise TraceProblem(f"{name} is empty; it needs a header and a line for each job.") from None
    columns = {column.strip().casefold(): place for place, column in enumerate(header)}
    missing = [column for column in NEEDED if column not in columns]
    if missing:
        raise TraceProblem(
            f"{name} has no column {_listed(missing)}; its header names {_listed(header)}."
            f" It needs {_listed(NEEDED)}; user, gpu_model and estimate_s are welcome."
        )
    jobs: list[Job] = []
    problems: list[str] = []
    seen: set[str] = set()
    backwards = 0
    latest = -1
    for row in rows:
        if not any(cell.strip() for cell in row):
            continue
        try:
            job = _job(row, columns)
            if job.id in seen:
                raise ValueError(f"job {job.id} was there before; each id belongs to one job")
        except ValueError as problem:
            problems.append(f"line {rows.line_num}: {problem}")
            continue
        seen.add(job.id)
        backwards += job.submit_s < latest
        latest = max(latest, job.submit_s)
        jobs.append(job)
    if problems and not leave_out_bad:
        more = f"\n… and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise TraceProblem(
            f"{name} has {len(problems)} lines that cannot be replayed; mend them, or leave them out with"
            " --leave-out-bad:\n" + "\n".join(problems[:SHOWN]) + more
        )
    if not jobs:
        raise TraceProblem(f"{name} has no job to replay; it needs a line for each job.")
    notes = []
    if problems:
        notes.append(f"{len(problems)} bad lines were left out; the first: {problems[0]}.")
    if backwards:
        jobs.sort(key=lambda job: job.submit_s)
        notes.append(f"The clock runs backwards at {backwards} lines; the jobs were put in order.")
    return Trace(tuple(jobs), tuple(notes))


def _without_mark(lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        if "\0" in line:
            raise TraceProblem(f"Line {number + 1} holds a zero byte; is this a text file with commas?")
        yield line.removeprefix("\ufeff") if number == 0 else line


def _job(row: list[str], columns: dict[str, int]) -> Job:
    def cell(column: str) -> str:
        place = columns.get(column)
        return row[place].strip() if place is not None and place < len(row) else ""

    job_id = cell("job_id")
    if not job_id:
        raise ValueError("no job_id; each job needs one of its own")
    submit = _number(cell("submit_s"), "submit_s")
    if submit < 0:
        raise ValueError(f"submit_s is {submit:g}, before the trace begins; count from its first job")
    duration = _number(cell("duration_s"), "duration_s")
    if duration < 0:
        raise ValueError(f"duration_s is {duration:g}; a job cannot end before it starts")
    cards = _number(cell("gpus"), "gpus")
    if cards <= 0:
        raise ValueError(f"gpus is {cards:g}; a job needs some")
    if cards > 1 and cards != int(cards):
        raise ValueError(f"gpus is {cards:g}; give whole cards, or a share of one")
    duration_s = max(math.ceil(duration), 1)
    estimate = cell("estimate_s")
    length_s = asked_length(duration_s)
    if estimate:
        wished = _number(estimate, "estimate_s")
        if wished <= 0:
            raise ValueError(f"estimate_s is {wished:g}; leave it blank where nobody guessed")
        # A lease ends at its end: who asked for less than it took would have asked for more.
        length_s = max(asked_length(math.ceil(wished)), length_s)
    models = tuple(sorted({model.strip() for model in cell("gpu_model").split("|") if model.strip()}))
    share = min(max(round(cards * 1000), 1), 999) if cards < 1 else 0
    return Job(
        id=job_id,
        site=cell("site_or_vc"),
        user=cell("user"),
        submit_s=int(submit),
        duration_s=duration_s,
        cards=1 if share else int(cards),
        share=share,
        models=models,
        length_s=length_s,
    )


def _number(text: str, column: str) -> float:
    if not text:
        raise ValueError(f"{column} is missing")
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{column} is “{text}”, which is no number") from None
    if not math.isfinite(value) or abs(value) > LARGEST:
        raise ValueError(f"{column} is {text}, which is beyond all measure")
    return value


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words) or "nothing"
