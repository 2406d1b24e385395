"""What is wished for, what there is, and when it is taken."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

Moment = int
"""Seconds since the epoch."""

Interval = tuple[Moment, Moment]
"""Half-open: its end is the first moment that is free again."""

Busy = Mapping[str, Sequence[Interval]]
"""When each candidate cannot be occupied: sorted and disjoint, as `merged` makes them.

A whole is busy while any of its parts is, and a part while its whole is; the caller puts both in. Candidates
without an entry are always free.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One device, or one part of a shared device, that could be chosen."""

    id: str
    site: str
    kind: str
    model: str = ""
    preparation_s: int = 0
    """Kept free before each window."""
    cleanup_s: int = 0
    """Kept free after each window."""
    attributes: Mapping[str, float | str] = field(default_factory=dict, hash=False)
    excludes: frozenset[str] = frozenset()
    """Who cannot be held together with it: itself, its parts and the wholes it belongs to. Always mutual."""
    partly_used: bool = False
    """Whether other parts of its whole are held, so that choosing it breaks up nothing new."""

    def __post_init__(self) -> None:
        if self.id not in self.excludes:
            object.__setattr__(self, "excludes", self.excludes | {self.id})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One line of a wish: so many devices of a sort, or one by its name."""

    count: int = 1
    named: str | None = None
    """The id of the one candidate that will do; the other wishes must hold for it too."""
    kind: str | None = None
    model: str | None = None
    """Compared without regard to case."""
    site: str | None = None
    same_site_as: int | None = None
    """The index of another ask, or its own: all picks of both are at one site."""
    spread: bool = False
    """Whether each of its picks has to be at another site."""
    minimum: Mapping[str, float] = field(default_factory=dict, hash=False)
    """Attributes that have to be numbers and at least this much."""

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError(f"An ask cannot be for {self.count} devices; give zero or more.")

    def is_met_by(self, candidate: Candidate) -> bool:
        """Whether this candidate is of the sort that is asked for."""
        return (
            (self.named is None or self.named == candidate.id)
            and self.is_met_by_sort(candidate.site, candidate.kind, candidate.model)
            and self.is_met_by_attributes(candidate.attributes)
        )

    def is_met_by_sort(self, site: str, kind: str, model: str) -> bool:
        """Whether a device of this site, kind and model would do."""
        return (
            (self.site is None or self.site == site)
            and (self.kind is None or self.kind == kind)
            and (self.model is None or self.model.casefold() == model.casefold())
        )

    def is_met_by_attributes(self, attributes: Mapping[str, float | str]) -> bool:
        """Whether every attribute with a minimum is a number that reaches it."""
        for name, least in self.minimum.items():
            value = attributes.get(name)
            if value is None or isinstance(value, str) or value < least:
                return False
        return True


def merged(intervals: Iterable[Interval]) -> list[Interval]:
    """The same moments as sorted, disjoint intervals."""
    result: list[Interval] = []
    for start, end in sorted(intervals):
        if end <= start:
            continue
        if result and start <= result[-1][1]:
            if end > result[-1][1]:
                result[-1] = (result[-1][0], end)
        else:
            result.append((start, end))
    return result
