"""Which devices can talk to each other over the cables that join them, and a choice of devices that can."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from scheduling.asks import Ask, Candidate
from scheduling.matching import Picks, choose

Ties = frozenset[tuple[int, int]]
"""Pairs of asks: each device of the one has to reach each device of the other; (0, 0) is within one ask."""

STEPS = 20_000
"""How many placements are tried before the search is given up; only contrived wiring comes near."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """How candidates are joined."""

    joins: Mapping[str, frozenset[str]] = field(default_factory=dict, hash=False)
    """Who is wired to whom, directly; always mutual. Parts have the cables of their whole."""
    forwards: frozenset[str] = frozenset()
    """Through whom traffic passes, as through a switch."""

    def reached_from(self, start: str, among: Iterable[str]) -> set[str]:
        """Return who can be reached from a device, over these devices alone."""
        usable = set(among)
        seen, front = {start}, [start]
        while front:
            here = front.pop()
            if here != start and here not in self.forwards:
                continue
            for other in self.joins.get(here, frozenset()) & usable:
                if other not in seen:
                    seen.add(other)
                    front.append(other)
        return seen


def everything_of(lines: int) -> Ties:
    """Return the ties of a reservation in which all can talk to all."""
    return frozenset((one, other) for one in range(lines) for other in range(one, lines))


def parted(network: Network, picks: Sequence[Sequence[str]], ties: Ties) -> list[tuple[str, str]]:
    """Return the pairs of devices that should talk and cannot."""
    among = [device for line in picks for device in line]
    reached = {device: network.reached_from(device, among) for device in among}
    found = []
    for one, other in sorted(ties):
        for first in picks[one]:
            for second in picks[other]:
                pair = (first, second)
                if first != second and second not in reached[first] and pair[::-1] not in found:
                    found.append(pair)
    return found


def choose_wired(asks: Sequence[Ask], free: Sequence[Candidate], network: Network, ties: Ties) -> Picks | None:
    """Pick devices for every ask as `choose` does, of which the tied ones can talk to each other."""
    picks = choose(asks, free)
    if picks is None or not parted(network, picks, ties):
        return picks
    return _Search(asks, free, network, ties).run()


class _Search:
    """Places one device after the other, those first that are wired to the ones that stand already."""

    def __init__(self, asks: Sequence[Ask], free: Sequence[Candidate], network: Network, ties: Ties) -> None:
        self.asks, self.network, self.ties = asks, network, ties
        self.meets = [[each for each in free if ask.is_met_by(each)] for ask in asks]
        self.island = _islands(network, [candidate.id for candidate in free])
        # Who has the least choice is placed first.
        order = sorted(range(len(asks)), key=lambda index: (len(self.meets[index]), index))
        self.slots = [index for index in order for _ in range(asks[index].count)]
        self.placed: list[tuple[int, Candidate]] = []
        self.steps = STEPS

    def run(self) -> Picks | None:
        """Return the first choice that fits, or None."""
        if len(self.placed) == len(self.slots):
            picks = tuple(
                tuple(one.id for place, one in self.placed if place == index) for index in range(len(self.asks))
            )
            return None if parted(self.network, picks, self.ties) else picks
        index = self.slots[len(self.placed)]
        for candidate in self._in_order(index):
            if self.steps == 0:
                return None
            self.steps -= 1
            if not self._fits(index, candidate):
                continue
            self.placed.append((index, candidate))
            if (found := self.run()) is not None:
                return found
            self.placed.pop()
        return None

    def _in_order(self, index: int) -> Iterator[Candidate]:
        near: set[str] = set()
        for _, one in self.placed:
            near |= self.network.joins.get(one.id, frozenset())
        yield from sorted(self.meets[index], key=lambda one: (one.id not in near, one.id))

    def _fits(self, index: int, candidate: Candidate) -> bool:
        ask = self.asks[index]
        for place, other in self.placed:
            if candidate.id in other.excludes:
                return False
            together = ask.same_site_as == place or self.asks[place].same_site_as == index
            if together and other.site != candidate.site:
                return False
            if place == index and ask.spread and other.site == candidate.site:
                return False
            tied = (place, index) in self.ties or (index, place) in self.ties
            if tied and self.island[other.id] != self.island[candidate.id]:
                return False
        return True


def _islands(network: Network, ids: Sequence[str]) -> dict[str, int]:
    """Number the candidates by what they could reach if everything forwarded."""
    wide = Network(joins=network.joins, forwards=frozenset(ids))
    found: dict[str, int] = {}
    for number, start in enumerate(sorted(ids)):
        if start not in found:
            for device in wide.reached_from(start, ids):
                found[device] = number
    return found
