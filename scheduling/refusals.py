"""Why the asks cannot be met in a window, and until when."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from scheduling.asks import Ask, Busy, Candidate, Moment
from scheduling.intervals import can_carry
from scheduling.matching import choose
from scheduling.windows import free_windows

Reason = Literal["taken", "not_enough", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """One ask that cannot be met, and why."""

    ask: int
    named: str | None
    reason: Reason
    """“unknown”: there is no such device. “taken”: the named device is. “not_enough”: too few would do."""
    found: int
    """How many could be had, beside what the asks before it take if it fails only because of them."""
    wanted: int
    until: Moment | None
    """The first start from which a window of this length is possible for it; None if there is none."""
    never: bool
    """Whether it fails even when every device is idle."""


def explain(
    asks: Sequence[Ask], candidates: Sequence[Candidate], busy: Busy, *, starts_at: Moment, ends_at: Moment
) -> list[Shortfall]:
    """Say for each ask that stands in the way what it lacks; an empty list if nothing does.

    An ask that could not be met even alone is named for that. If each could be met alone and all together
    cannot, the one is named that fails beside those before it, named devices first.
    """
    asks = tuple(asks)
    known = [candidate for candidate in candidates if any(ask.is_met_by(candidate) for ask in asks)]
    free = [
        candidate for candidate in known if can_carry(candidate, busy, starts_at=starts_at, ends_at=ends_at)
    ]
    if choose(asks, free) is not None:
        return []
    never = [] if choose(asks, known) is not None else _failing(asks, known)
    hopeless = {index for index, _, _ in never}
    shortfalls = [
        Shortfall(
            ask=index,
            named=asks[index].named,
            reason=_reason(asks[index], candidates, never=True),
            found=found,
            wanted=asks[index].count,
            until=None,
            never=True,
        )
        for index, found, _ in never
    ]
    now = [failure for failure in _failing(asks, free) if failure[0] not in hopeless]
    for index, found, among in now:
        possible = choose(among, known) is not None
        if hopeless and not possible:
            continue
        shortfalls.append(
            Shortfall(
                ask=index,
                named=asks[index].named,
                reason=_reason(asks[index], candidates, never=False),
                found=found,
                wanted=asks[index].count,
                until=_first_start(among, known, busy, starts_at, ends_at),
                never=False,
            )
        )
    return sorted(shortfalls, key=lambda shortfall: shortfall.ask)


_Failure = tuple[int, int, tuple[Ask, ...]]
"""The ask that fails, how many it could have, and the asks among which it fails."""


def _failing(asks: tuple[Ask, ...], at_hand: Sequence[Candidate]) -> list[_Failure]:
    """The asks that fail alone with these candidates, or else the first that fails beside others."""
    failures = []
    for index, ask in enumerate(asks):
        alone = _only(asks, {index})
        if ask.count and choose(alone, at_hand) is None:
            failures.append((index, _most(alone, index, at_hand), alone))
    if failures:
        return failures
    considered: set[int] = set()
    for index in sorted(range(len(asks)), key=lambda index: (asks[index].named is None, index)):
        considered.add(index)
        together = _only(asks, considered)
        if choose(together, at_hand) is None:
            return [(index, _most(together, index, at_hand), together)]
    return []


def _only(asks: tuple[Ask, ...], indices: set[int]) -> tuple[Ask, ...]:
    """The same asks with nothing wanted by the others; who shares a site with whom stays."""
    return tuple(ask if index in indices else replace(ask, count=0) for index, ask in enumerate(asks))


def _most(asks: tuple[Ask, ...], index: int, at_hand: Sequence[Candidate]) -> int:
    """The largest count for this ask that can be met."""
    met, unmet = 0, asks[index].count
    if asks[index].named is not None:
        return 0
    while unmet - met > 1:
        middle = (met + unmet) // 2
        fewer = tuple(replace(ask, count=middle) if place == index else ask for place, ask in enumerate(asks))
        if choose(fewer, at_hand) is None:
            unmet = middle
        else:
            met = middle
    return met


def _reason(ask: Ask, candidates: Sequence[Candidate], *, never: bool) -> Reason:
    if ask.named is not None:
        if not any(candidate.id == ask.named for candidate in candidates):
            return "unknown"
        return "not_enough" if never else "taken"
    return "not_enough" if any(ask.is_met_by(candidate) for candidate in candidates) else "unknown"


def _first_start(
    asks: tuple[Ask, ...],
    candidates: Sequence[Candidate],
    busy: Busy,
    starts_at: Moment,
    ends_at: Moment,
) -> Moment | None:
    duration_s = ends_at - starts_at
    over = max((intervals[-1][1] for intervals in busy.values() if intervals), default=starts_at)
    longest = max((candidate.preparation_s for candidate in candidates), default=0)
    slots = free_windows(
        asks,
        candidates,
        busy,
        duration_s=duration_s,
        earliest=starts_at,
        latest=max(over, starts_at) + longest + duration_s,
        step_s=1,
        limit=1,
    )
    return slots[0].starts_at if slots else None
