"""Judges whether a card may be lent, from what it counts: numbers in, words out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from adapters.gpu.baseline import ErrorCounters
from adapters.gpu.xid import other_words, unfit_words


@dataclass(frozen=True, slots=True, kw_only=True)
class CardHealth:
    """How a card is."""

    unfit: str = ""
    """Why it must not be lent until an operator has looked; empty when it may be."""
    complaints: tuple[str, ...] = ()
    """Everything that is not as it should be, in sentences; those of `unfit` first."""
    counters: ErrorCounters = field(default_factory=ErrorCounters)
    measurements: Mapping[str, float] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether there is nothing to complain of."""
        return not self.complaints


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryRepair:
    """What the card itself says about repairs of its memory; None where it does not say."""

    remap_pending: bool | None = None
    remap_failed: bool | None = None
    retirement_pending: bool | None = None


def judge(
    *,
    counters: ErrorCounters,
    baseline: ErrorCounters | None = None,
    repair: MemoryRepair | None = None,
    xids: Iterable[int] = (),
    slowdowns: Iterable[str] = (),
    lost: str = "",
) -> CardHealth:
    """Return whether the card may be lent, and why not.

    Without a baseline old errors do not count against a card: only its state of now does. `lost` is what
    the library said of a card that cannot be reached.
    """
    xids = tuple(xids)
    repair = repair or MemoryRepair()
    unfit = [f"The card cannot be reached: {lost}."] if lost else []
    unfit += new_errors(counters, baseline)
    if repair.remap_failed:
        unfit.append("A row of its memory could not be remapped: the card has to be replaced.")
    if repair.remap_pending:
        unfit.append("A row of its memory waits to be remapped: the card needs a reset.")
    if repair.retirement_pending:
        unfit.append("A page of its memory waits to be retired: the driver has to be loaded anew.")
    unfit += unfit_words(xids)
    light = [f"The card is slowed down: {reason}." for reason in slowdowns]
    light += other_words(xids)
    return CardHealth(unfit=" ".join(unfit), complaints=(*unfit, *light), counters=counters)


def new_errors(now: ErrorCounters, baseline: ErrorCounters | None) -> list[str]:
    """Return a sentence for each counter of grave errors that has grown since the baseline.

    The volatile counter goes back to zero with the driver: below the baseline, all it shows is new.
    """
    if baseline is None:
        return []
    found: list[str] = []
    for name, title in (
        ("ecc_uncorrected_aggregate", "uncorrectable memory error"),
        ("ecc_uncorrected_volatile", "uncorrectable memory error since the driver was loaded"),
        ("retired_pages", "retired page of memory"),
        ("remapped_rows_uncorrectable", "row of memory remapped for an uncorrectable error"),
    ):
        before, after = getattr(baseline, name), getattr(now, name)
        if before is None or after is None:
            continue
        if name == "ecc_uncorrected_volatile" and after < before:
            before = 0
        if after > before:
            found.append(f"New since the baseline: {after - before} × {title}.")
    return found
