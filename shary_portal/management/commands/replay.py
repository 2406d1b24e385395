"""Replays recorded demand through the queue, and says what each policy makes of it."""

import csv
import json
from argparse import ArgumentParser
from dataclasses import asdict
from io import StringIO
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from scheduling.queue.policies import POLICIES
from scheduling.queue.requests import Booking, Impossible, PoolSpec
from scheduling.replay.bookings import with_bookings
from scheduling.replay.capacities import capacities_for_load, pools_of, read_capacities
from scheduling.replay.engine import Replay, replay
from scheduling.replay.figures import Figures, figures_of, worse_off
from scheduling.replay.oracle import replay_oracle
from scheduling.replay.plots import minutes, waits_by_site
from scheduling.replay.traces import Trace, TraceProblem, read_trace

NAMES = (*POLICIES, "oracle")
COLUMNS = ("job_id", "site", "start_s", "end_s", "gpus", "preemptions", "lost_s")


class Command(BaseCommand):
    help = "Replay recorded demand through the queue. Needs no database."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("trace", type=Path, metavar="TRACE.csv")
        sites = parser.add_mutually_exclusive_group()
        sites.add_argument(
            "--load", type=float, help="give each site cards for this share of its own work (0.85)"
        )
        sites.add_argument("--capacity", type=Path, metavar="SITES.csv", help="site,cards[,model,speed,…]")
        parser.add_argument("--policy", choices=NAMES, default="federated")
        parser.add_argument("--against", choices=NAMES, metavar="POLICY", help="compare with this one")
        parser.add_argument(
            "--cards", type=float, default=1.0, metavar="SHARE", help="only this share of the cards"
        )
        parser.add_argument("--reservations", type=float, default=0.0, metavar="SHARE", help="booked card time")
        parser.add_argument("--leave-out-bad", action="store_true", help="skip lines that cannot be replayed")
        parser.add_argument("--jobs-out", type=Path, metavar="JOBS.csv", help="what became of each job")
        parser.add_argument("--json", type=Path, metavar="RESULT.json", help="the figures")
        parser.add_argument("--svg", type=Path, metavar="PLOT.svg", help="waits by site, drawn")

    def handle(self, *args: Any, **options: Any) -> None:
        self._shows = options["verbosity"] > 0
        try:
            self._replay(options)
        except TraceProblem as problem:
            raise CommandError(str(problem)) from None
        except OSError as problem:
            raise CommandError(f"{problem.filename}: {problem.strerror}.") from None
        except UnicodeDecodeError:
            raise CommandError(f"{options['trace']} is no text in UTF-8; save it as CSV in UTF-8.") from None

    def _replay(self, options: dict[str, Any]) -> None:
        path: Path = options["trace"]
        with path.open(newline="", encoding="utf-8") as lines:
            trace = read_trace(lines, name=path.name, leave_out_bad=options["leave_out_bad"])
        for note in trace.notes:
            self.stderr.write(note)
        pools = self._pools(trace, options)
        bookings: list[tuple[int, Booking]] = []
        if options["reservations"]:
            if not 0 <= options["reservations"] < 1:
                raise CommandError("--reservations is a share of the card time, such as 0.15.")
            trace, bookings = with_bookings(trace, pools, share=options["reservations"])
        run = self._run(options["policy"], trace, pools, bookings)
        figures = figures_of(run)
        against = None
        if options["against"]:
            against = figures_of(self._run(options["against"], trace, pools, bookings))
        self._say(run, figures, against)
        if options["jobs_out"]:
            write_jobs(run, options["jobs_out"])
        if options["json"]:
            write_figures(run, figures, against, options["json"])
        if options["svg"]:
            shown = [against, figures] if against else [figures]
            options["svg"].write_text(waits_by_site(shown), encoding="utf-8")

    def _pools(self, trace: Trace, options: dict[str, Any]) -> list[PoolSpec]:
        if options["capacity"]:
            with options["capacity"].open(newline="", encoding="utf-8") as lines:
                return read_capacities(lines, name=options["capacity"].name)
        cards = capacities_for_load(trace, options["load"] if options["load"] is not None else 0.85)
        if not 0 < options["cards"] <= 10:
            raise CommandError("--cards is a share of the cards, such as 0.7.")
        return pools_of({site: max(int(count * options["cards"]), 1) for site, count in cards.items()})

    def _run(
        self, name: str, trace: Trace, pools: list[PoolSpec], bookings: list[tuple[int, Booking]]
    ) -> Replay:
        with Progress(console=Console(stderr=True), transient=True, disable=not self._shows) as bar:
            task = bar.add_task(name, total=len(trace.jobs))

            def progress(done: int, total: int) -> None:
                bar.update(task, completed=done, total=total)

            if name == "oracle":
                return replay_oracle(trace, pools, progress=progress)
            return replay(trace, pools, POLICIES[name], bookings=bookings, progress=progress)

    def _say(self, run: Replay, figures: Figures, against: Figures | None) -> None:
        words = StringIO()
        console = Console(file=words, width=120)
        table = Table(title=f"{figures.waits.jobs:,} jobs on {figures.cards:,} cards")
        table.add_column("")
        columns = [figures] if against is None else [figures, against]
        for column in columns:
            table.add_column(column.policy, justify="right")
        for name, values in (
            ("wait, mean", [minutes(column.waits.mean_s) for column in columns]),
            ("wait, median", [minutes(column.waits.median_s) for column in columns]),
            ("wait, 95 of 100 within", [minutes(column.waits.p95_s) for column in columns]),
            ("wait, 99 of 100 within", [minutes(column.waits.p99_s) for column in columns]),
            ("bounded slowdown", [f"{column.waits.bounded_slowdown:.2f}" for column in columns]),
            ("cards in use", [f"{column.utilisation:.1%}" for column in columns]),
            ("work away from home", [f"{column.away:.1%}" for column in columns]),
            ("work lost by giving way", [f"{column.lost_share:.3%}" for column in columns]),
            ("never possible", [str(column.impossible) for column in columns]),
        ):
            table.add_row(name, *values)
        console.print(table)
        sites = Table(title="By site")
        for heading in ("site", "cards", "jobs", *(f"wait, {column.policy}" for column in columns)):
            sites.add_column(heading, justify="left" if heading == "site" else "right")
        for heading in ("lent, card hours", "borrowed, card hours"):
            sites.add_column(heading, justify="right")
        if against is not None:
            sites.add_column("")
        losers = worse_off(figures, against) if against else []
        for site, waits in figures.by_site.items():
            means = [column.by_site[site].mean_s for column in columns if site in column.by_site]
            sites.add_row(
                site,
                str(figures.cards_by_site.get(site, 0)),
                str(waits.jobs),
                *(minutes(mean) for mean in means),
                f"{figures.lent_h.get(site, 0):,.0f}",
                f"{figures.borrowed_h.get(site, 0):,.0f}",
                *([] if against is None else ["waits longer" if site in losers else "gains"]),
            )
        console.print(sites)
        self.stdout.write(words.getvalue())
        for impossible in run.impossible[:10]:
            self.stdout.write(words_for(impossible))
        if len(run.impossible) > 10:
            self.stdout.write(f"… and {len(run.impossible) - 10} more that can never run.")
        if run.bookings or run.refused_bookings:
            late = sum(at > booking.starts_s for booking, at in run.bookings)
            self.stdout.write(
                f"{len(run.bookings)} bookings began, {late} of them late;"
                f" {run.refused_bookings} found the calendar full."
            )


def words_for(impossible: Impossible) -> str:
    """Say why a request can never run, and what could."""
    request = impossible.request
    what = f"Job {request.id} of “{request.institution}” can never run: "
    match impossible.cause:
        case "too_wide":
            return (
                what
                + f"it wants {request.cards} cards, and no site has more than {impossible.most}; ask for fewer."
            )
        case "too_wide_for_host":
            return what + f"no host has {request.cards} cards; up to {impossible.most} would do."
        case "no_model":
            return what + f"nobody has {' or '.join(sorted(request.models))}; accept another model."
        case "no_site":
            return what + "no site that it may use has cards; allow more sites, or give its own some."
        case _:
            return what + f"{impossible.cause.replace('_', ' ')}; at most {impossible.most} would do."


def write_jobs(run: Replay, path: Path) -> None:
    """Write what became of each job, for others to check."""
    with path.open("w", newline="", encoding="utf-8") as out:
        rows = csv.writer(out)
        rows.writerow(COLUMNS)
        for done in run.outcomes:
            if done.start_s >= 0:
                cards = done.job.share / 1000 or done.job.cards
                rows.writerow(
                    (
                        done.job.id,
                        done.site,
                        done.start_s,
                        done.end_s,
                        f"{cards:g}",
                        done.preemptions,
                        done.lost_s,
                    )
                )


def write_figures(run: Replay, figures: Figures, against: Figures | None, path: Path) -> None:
    """Write the figures as JSON."""
    whole: dict[str, Any] = asdict(figures)
    whole["impossible_jobs"] = [
        {"job_id": found.request.id, "cause": found.cause, "most": found.most} for found in run.impossible
    ]
    whole["bookings"] = {
        "begun": len(run.bookings),
        "late": sum(at > booking.starts_s for booking, at in run.bookings),
        "refused": run.refused_bookings,
    }
    if against is not None:
        whole["against"] = asdict(against)
        whole["worse_off"] = worse_off(figures, against)
    path.write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")
