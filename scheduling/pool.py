"""The candidates that are free at one moment, counted by sort."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scheduling.asks import Candidate
from scheduling.flow import Sort

Counts = tuple[tuple[Sort, int], ...]
"""How many of each sort, in the order of the sorts."""

Likeness = tuple[Counts, ...]
"""What a unit can give in place of what: units of one likeness are interchangeable."""


@dataclass(frozen=True, slots=True)
class Option:
    """One way to use a unit: members that can be held together."""

    counts: Counts
    members: tuple[int, ...]


@dataclass(slots=True)
class Unit:
    """A whole and its parts where the asks could use either: a choice has to be made."""

    members: tuple[Candidate, ...]
    sorts: tuple[Sort, ...]
    excluded_by: tuple[frozenset[int], ...]
    pattern: int
    """The same for all units whose members are of the same sorts and stand in the same relations."""
    free: frozenset[int] = frozenset()
    options: tuple[Option, ...] = ()
    likeness: Likeness = ()


class Pool:
    """Candidates by sort; `add` and `remove` say who becomes free and who is taken.

    Candidates that are in nobody's way lie loose. A whole and its parts, where both are of use, form a unit
    with its options; like units are kept together, so that thousands of them are one case and not thousands.
    """

    def __init__(self, entries: Mapping[str, tuple[Candidate, Sort]]) -> None:
        self._entries = entries
        self.loose: defaultdict[Sort, dict[str, Candidate]] = defaultdict(dict)
        self.units: defaultdict[Likeness, dict[int, Unit]] = defaultdict(dict)
        self._units: list[Unit] = []
        self._place_of: dict[str, tuple[int, int]] = {}
        self._patterns: dict[object, int] = {}
        self._known_options: dict[tuple[int, frozenset[int]], tuple[tuple[Option, ...], Likeness]] = {}
        self._find_units()

    def add(self, candidate_id: str) -> None:
        """It has become free."""
        place = self._place_of.get(candidate_id)
        if place is None:
            candidate, sort = self._entries[candidate_id]
            self.loose[sort][candidate_id] = candidate
        else:
            self._change(place[0], self._units[place[0]].free | {place[1]})

    def remove(self, candidate_id: str) -> None:
        """It is taken from now on."""
        place = self._place_of.get(candidate_id)
        if place is None:
            del self.loose[self._entries[candidate_id][1]][candidate_id]
        else:
            self._change(place[0], self._units[place[0]].free - {place[1]})

    def _find_units(self) -> None:
        related: defaultdict[str, set[str]] = defaultdict(set)
        for candidate, _ in self._entries.values():
            if len(candidate.excludes) > 1:
                for other in candidate.excludes:
                    if other != candidate.id and other in self._entries:
                        related[candidate.id].add(other)
                        related[other].add(candidate.id)
        for first in sorted(related):
            if first in self._place_of:
                continue
            members = sorted(_reachable(first, related))
            number = len(self._units)
            self._place_of.update((member, (number, index)) for index, member in enumerate(members))
            sorts = tuple(self._entries[member][1] for member in members)
            excluded_by = tuple(
                frozenset(self._place_of[other][1] for other in related[member]) for member in members
            )
            self._units.append(
                Unit(
                    members=tuple(self._entries[member][0] for member in members),
                    sorts=sorts,
                    excluded_by=excluded_by,
                    pattern=self._patterns.setdefault((sorts, excluded_by), len(self._patterns)),
                )
            )

    def _change(self, number: int, free: frozenset[int]) -> None:
        unit = self._units[number]
        if unit.options:
            like = self.units[unit.likeness]
            del like[number]
            if not like:
                del self.units[unit.likeness]
        unit.free = free
        known = self._known_options.get((unit.pattern, free))
        if known is None:
            options = _options(unit)
            known = options, tuple(option.counts for option in options)
            self._known_options[unit.pattern, free] = known
        unit.options, unit.likeness = known
        if unit.options:
            self.units[unit.likeness][number] = unit


def _reachable(first: str, related: Mapping[str, set[str]]) -> set[str]:
    found, waiting = {first}, [first]
    while waiting:
        for other in related[waiting.pop()] - found:
            found.add(other)
            waiting.append(other)
    return found


def _options(unit: Unit) -> tuple[Option, ...]:
    """The ways to use a unit of which none gives all that another gives, too."""
    by_counts = _choices(unit.free, unit)
    return tuple(
        Option(counts, by_counts[counts])
        for counts in sorted(by_counts)
        if counts and not any(other != counts and _gives_all(other, counts) for other in by_counts)
    )


def _gives_all(more: Counts, less: Counts) -> bool:
    given = dict(more)
    return all(given.get(sort, 0) >= count for sort, count in less)


def _choices(free: frozenset[int], unit: Unit) -> dict[Counts, tuple[int, ...]]:
    """Every largest set of members that can be held together, one for each count by sort."""
    alone = tuple(sorted(index for index in free if not unit.excluded_by[index] & free))
    result = {_counted(Counter(unit.sorts[index] for index in alone)): alone}
    rest = free.difference(alone)
    while rest:
        group = _connected(min(rest), rest, unit.excluded_by)
        rest -= group
        # In a tree the widest member is the whole: either it is used, or it is not.
        widest = max(sorted(group), key=lambda index: len(unit.excluded_by[index] & group))
        ways = {
            **_joined(
                {((unit.sorts[widest], 1),): (widest,)},
                _choices(group - unit.excluded_by[widest] - {widest}, unit),
            ),
            **_choices(group - {widest}, unit),
        }
        result = _joined(result, ways)
    return result


def _connected(first: int, within: frozenset[int], excluded_by: Sequence[frozenset[int]]) -> frozenset[int]:
    found, waiting = {first}, [first]
    while waiting:
        for other in (excluded_by[waiting.pop()] & within) - found:
            found.add(other)
            waiting.append(other)
    return frozenset(found)


def _joined(
    some: Mapping[Counts, tuple[int, ...]], others: Mapping[Counts, tuple[int, ...]]
) -> dict[Counts, tuple[int, ...]]:
    return {
        _counted(Counter[Sort](dict(left)) + Counter[Sort](dict(right))): some[left] + others[right]
        for left in some
        for right in others
    }


def _counted(counter: Mapping[Sort, int]) -> Counts:
    return tuple(sorted(counter.items()))
