"""What all measurements share: rounds, ratios, the table, the command line."""

import argparse
import json
import math
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "bench"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One line of the table: the product, its floor, and what is wanted of the two."""

    name: str
    product: float
    floor: float | None = None
    unit: str = ""
    ratio: float | None = None
    goal: str = ""
    """`>= 0.15` or `<= 7`, said of the ratio, or of the product where there is no floor."""
    note: str = ""
    rounds: Sequence[float] = ()

    @property
    def meets_goal(self) -> bool | None:
        """Whether the goal is met; None when there is none."""
        if not self.goal:
            return None
        relation, _, bound = self.goal.partition(" ")
        value = self.product if self.ratio is None else self.ratio
        match relation:
            case "<=":
                return value <= float(bound)
            case ">=":
                return value >= float(bound)
            case _:
                return value == float(bound)


@dataclass
class Record:
    """All results of one measurement, and the circumstances."""

    bench: str
    quick: bool
    conditions: dict[str, object] = field(default_factory=dict)
    results: list[Result] = field(default_factory=list)
    load_before: tuple[float, float, float] = field(default_factory=os.getloadavg)
    started: float = field(default_factory=time.time)

    def add(self, result: Result) -> None:
        """Keep a result and show its line at once."""
        self.results.append(result)
        say(_line(result))

    def finish(self, json_file: str | None) -> int:
        """Show the table, write the file; return the exit status: 1 when a goal was missed."""
        after = os.getloadavg()
        say(f"\n{self.bench}{' (quick: too small to judge by)' if self.quick else ''}")
        for name, value in self.conditions.items():
            say(f"  {name}: {value}")
        say(
            f"  load average before {self.load_before[0]:.1f}, after {after[0]:.1f},"
            f" on {os.cpu_count()} cores; {time.time() - self.started:.0f} s"
        )
        for result in self.results:
            say(_line(result))
        if json_file:
            text = json.dumps(
                {
                    "bench": self.bench,
                    "quick": self.quick,
                    "conditions": self.conditions,
                    "load": {"before": self.load_before, "after": after},
                    "results": [asdict(result) | {"met": result.meets_goal} for result in self.results],
                },
                indent=2,
                default=str,
            )
            Path(json_file).write_text(text + "\n")
        missed = any(result.meets_goal is False for result in self.results)
        return 1 if missed and not self.quick else 0


def say(text: str) -> None:
    """Show a line now."""
    print(text, flush=True)


def progress(text: str) -> None:
    """Show a line that is not part of the result."""
    print(f"  … {text}", file=sys.stderr, flush=True)


def _line(result: Result) -> str:
    floor = "" if result.floor is None else f"{result.floor:>12.4g}"
    ratio = "" if result.ratio is None else f"{result.ratio:>10.3g}"
    met = {True: "met", False: "MISSED", None: ""}[result.meets_goal]
    return (
        f"{result.name:<46}{result.product:>12.4g}{floor:>12} {result.unit:<8}{ratio:>10}"
        f"  {result.goal:<10} {met:<7} {result.note}"
    )


def parser(doc: str | None) -> argparse.ArgumentParser:
    """Return a command line with what every measurement understands."""
    made = argparse.ArgumentParser(description=doc)
    made.add_argument("--quick", action="store_true", help="a small size, to see that it still runs")
    made.add_argument("--json", metavar="FILE", help="write the results there, too")
    made.add_argument("--rounds", type=int, default=5, help="interleaved rounds; the median counts")
    return made


def interleaved(rounds: int, *sides: Callable[[], float], label: str = "") -> tuple[list[float], ...]:
    """Run the sides in turn, so that a busy neighbour slows all of them; return what each measured."""
    measured: tuple[list[float], ...] = tuple([] for _ in sides)
    for number in range(rounds):
        order = range(len(sides)) if number % 2 == 0 else reversed(range(len(sides)))
        for place in order:
            measured[place].append(sides[place]())
        values = ", ".join(f"{values[-1]:.4g}" for values in measured)
        progress(f"{label} round {number + 1} of {rounds}: {values}")
    return measured


def ratio_of(products: Sequence[float], floors: Sequence[float]) -> float:
    """Return the median of the rounds' own ratios."""
    return statistics.median(product / floor for product, floor in zip(products, floors, strict=True) if floor)


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value that so large a share of the values does not exceed."""
    ordered = sorted(values)
    if not ordered:
        return float("nan")
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
