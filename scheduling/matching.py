"""Which devices meet the asks together: all of them or none."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from itertools import combinations, islice

from scheduling.asks import Ask, Candidate
from scheduling.flow import Demand, Shares, Sort, share_out
from scheduling.pool import Likeness, Pool, Unit
from scheduling.wishes import Wishes

Picks = tuple[tuple[str, ...], ...]
"""For each ask the ids of its devices."""

FLOWS = 500
"""How many flows may be tried for one answer; only contrived wishes come near."""
SITE_SETS = 2000
"""How many sets of sites may be looked at to find the smallest."""


class _TooHard(Exception):
    """The wish is so contrived that the search is given up."""


@dataclass(frozen=True, slots=True)
class _Lot:
    """So many units of one likeness, of which some options are still open."""

    likeness: Likeness
    options: tuple[int, ...]
    count: int


@dataclass(frozen=True, slots=True)
class _Plan:
    """Who gets how many of which sort, and how the units are used for that."""

    shares: Shares
    lots: tuple[_Lot, ...]

    @property
    def sites(self) -> frozenset[str]:
        return frozenset(sort.site for _, sort in self.shares)


def choose(asks: Sequence[Ask], free: Sequence[Candidate]) -> Picks | None:
    """Pick distinct, compatible devices for every ask, or None where that cannot be done.

    Named ones come first; then few sites rather than many, devices that are broken up already rather than
    whole ones, and at last the order of ids, so that the same question has the same answer.
    """
    matcher = Matcher(Wishes(asks, free))
    for candidate_id in matcher.ids:
        matcher.add(candidate_id)
    return matcher.picks()


class Matcher:
    """Answers one wish again and again while candidates come free and are taken."""

    def __init__(self, wishes: Wishes) -> None:
        self.wishes = wishes
        self.ids = [*wishes.entries, *(candidate.id for candidate in wishes.named.values())]
        self.attempts = 0
        """How often a full search was made."""
        self.flows = 0
        """How many flows all searches took together."""
        self._pool = Pool(wishes.entries)
        self._named = {candidate.id for candidate in wishes.named.values()}
        self._named_free: set[str] = set()
        self._free = [0] * len(wishes.asks)
        self._free_at: list[defaultdict[str, int]] = [defaultdict(int) for _ in wishes.asks]
        self._flows_left = 0
        kinds_of_use = {sort.meets for _, sort in wishes.entries.values()}
        self._met_by = {meets: [index for index in wishes.open if meets >> index & 1] for meets in kinds_of_use}

    def add(self, candidate_id: str) -> None:
        """It has become free."""
        self._count(candidate_id, 1)

    def remove(self, candidate_id: str) -> None:
        """It is taken from now on."""
        self._count(candidate_id, -1)

    def _count(self, candidate_id: str, change: int) -> None:
        if candidate_id in self._named:
            (self._named_free.add if change > 0 else self._named_free.remove)(candidate_id)
            return
        (self._pool.add if change > 0 else self._pool.remove)(candidate_id)
        sort = self.wishes.entries[candidate_id][1]
        for index in self._met_by[sort.meets]:
            self._free[index] += change
            self._free_at[index][sort.site] += change

    def picks(self, is_partly_used: Callable[[Candidate], bool] | None = None) -> Picks | None:
        """The answer for those who are free now."""
        if self.wishes.contradict or self._named_free != self._named or not self._is_plausible(None):
            return None
        if not self.wishes.open:
            return self._with_named({})
        self.attempts += 1
        self._flows_left = FLOWS
        try:
            plan = self._plan(None)
        except _TooHard:
            return None
        if plan is None:
            return None
        return self._with_named(self._hand_out(self._narrowed(plan), is_partly_used))

    # Whether it can be done

    def _is_plausible(self, sites: frozenset[str] | None) -> bool:
        """A quick look at the counts: False means no, True means perhaps."""
        for index in self.wishes.open:
            ask = self.wishes.asks[index]
            at = self._free_at[index]
            if self._free[index] < ask.count:
                return False
            if self.wishes.tied[index] is None and (sites is not None or ask.spread):
                here = [n for site, n in at.items() if n and (sites is None or site in sites)]
                if (len(here) if ask.spread else sum(here)) < ask.count:
                    return False
        return all(any(self._sites_for(group, sites)) for group in self.wishes.floating_groups)

    def _sites_for(self, group: int, sites: frozenset[str] | None) -> Iterator[str]:
        members = [index for index in self.wishes.open if self.wishes.tied[index] == group]
        for site in sorted(self._free_at[members[0]]):
            if (sites is None or site in sites) and all(
                self._free_at[index][site] >= self.wishes.asks[index].count for index in members
            ):
                yield site

    def _plan(self, sites: frozenset[str] | None) -> _Plan | None:
        """A plan that uses these sites only, or None."""
        most = sum(self.wishes.asks[index].count for index in self.wishes.open)
        loose = {
            sort: len(candidates)
            for sort, candidates in self._pool.loose.items()
            if candidates and (sites is None or sort.site in sites)
        }
        lots = tuple(
            _Lot(likeness, tuple(range(len(likeness))), min(most, len(units)))
            for likeness, units in sorted(self._pool.units.items())
            if units and (sites is None or any(sort.site in sites for way in likeness for sort, _ in way))
        )
        return self._place(self.wishes.floating_groups, {}, sites, loose, lots)

    def _place(
        self,
        groups: Sequence[int],
        site_of_group: Mapping[int, str],
        sites: frozenset[str] | None,
        loose: Mapping[Sort, int],
        lots: tuple[_Lot, ...],
    ) -> _Plan | None:
        """Give each group a site, as long as the rest could still be met."""
        demands = self._demands(site_of_group)
        if not groups:
            return self._settle(demands, sites, loose, lots)
        if self._share_out(demands, sites, loose, lots) is None:
            return None
        for site in list(self._sites_for(groups[0], sites)):
            plan = self._place(groups[1:], {**site_of_group, groups[0]: site}, sites, loose, lots)
            if plan is not None:
                return plan
        return None

    def _demands(self, site_of_group: Mapping[int, str]) -> list[Demand]:
        demands = []
        for index in self.wishes.open:
            ask, group = self.wishes.asks[index], self.wishes.tied[index]
            site = self.wishes.site_of(index)
            if group is not None and group in site_of_group:
                site = site_of_group[group]
            demands.append(Demand(ask=index, count=ask.count, site=site, spread=ask.spread))
        return demands

    def _share_out(
        self,
        demands: Sequence[Demand],
        sites: frozenset[str] | None,
        loose: Mapping[Sort, int],
        lots: Sequence[_Lot],
    ) -> Shares | None:
        """Share out as if every unit could be used in all its open ways at once."""
        if self._flows_left == 0:
            raise _TooHard
        self._flows_left -= 1
        self.flows += 1
        supply = dict(loose)
        for lot in lots:
            best: dict[Sort, int] = {}
            for option in lot.options:
                for sort, count in lot.likeness[option]:
                    if sites is None or sort.site in sites:
                        best[sort] = max(best.get(sort, 0), count)
            for sort, count in best.items():
                supply[sort] = supply.get(sort, 0) + lot.count * count
        return share_out(demands, supply)

    def _settle(
        self,
        demands: Sequence[Demand],
        sites: frozenset[str] | None,
        loose: Mapping[Sort, int],
        lots: tuple[_Lot, ...],
    ) -> _Plan | None:
        """Decide how each unit is used, whole or in parts."""
        shares = self._share_out(demands, sites, loose, lots)
        if shares is None:
            return None
        used = _used(shares, loose, lots)
        if used is not None:
            return _Plan(shares, used)
        undecided = next(place for place, lot in enumerate(lots) if len(lot.options) > 1)
        lot = lots[undecided]
        for count in range(lot.count, -1, -1):
            split = (
                _Lot(lot.likeness, lot.options[:1], count),
                _Lot(lot.likeness, lot.options[1:], lot.count - count),
            )
            plan = self._settle(
                demands,
                sites,
                loose,
                lots[:undecided] + tuple(part for part in split if part.count) + lots[undecided + 1 :],
            )
            if plan is not None:
                return plan
        return None

    # Which answer is best

    def _narrowed(self, plan: _Plan) -> _Plan:
        """The same with fewer sites, where that is possible."""
        settled = self.wishes.settled_sites
        used = plan.sites | settled
        least = max(1, len(settled))
        sites = sorted({site for index in self.wishes.open for site, n in self._free_at[index].items() if n})
        others = [site for site in sites if site not in settled]
        self._flows_left = FLOWS
        left = SITE_SETS
        try:
            for size in range(least, len(used)):
                for extra in islice(combinations(others, size - len(settled)), left):
                    left -= 1
                    chosen = settled.union(extra)
                    if self._is_plausible(chosen) and (narrower := self._plan(chosen)) is not None:
                        return narrower
                if not left:
                    break
            else:
                return plan
            # Too many sets to look at all: take the richest sites, then leave out what is not needed.
            richest = sorted(others, key=lambda site: (-self._worth(site), site))
            for size in range(least - len(settled), min(len(others), 2 * len(used)) + 1):
                chosen = settled.union(richest[:size])
                if self._is_plausible(chosen) and (rich := self._plan(chosen)) is not None:
                    rich = self._without_needless_sites(rich)
                    if len(rich.sites | settled) < len(used):
                        return rich
                    break
            plan = self._without_needless_sites(plan)
        except _TooHard:
            pass
        return plan

    def _without_needless_sites(self, plan: _Plan) -> _Plan:
        settled = self.wishes.settled_sites
        for site in sorted(plan.sites - settled):
            fewer = (plan.sites | settled) - {site}
            if self._is_plausible(fewer) and (narrower := self._plan(fewer)) is not None:
                plan = narrower
        return plan

    def _worth(self, site: str) -> int:
        """How much of what is wanted could come from this site."""
        return sum(min(self.wishes.asks[index].count, self._free_at[index][site]) for index in self.wishes.open)

    def _hand_out(
        self, plan: _Plan, is_partly_used: Callable[[Candidate], bool] | None
    ) -> dict[int, list[str]]:
        rank = self._rank(is_partly_used)
        needed: defaultdict[Sort, int] = defaultdict(int)
        for (_, sort), count in plan.shares.items():
            needed[sort] += count
        offered: defaultdict[Sort, list[Candidate]] = defaultdict(list)
        for sort in needed:
            offered[sort].extend(self._pool.loose.get(sort, {}).values())
        queues: dict[Likeness, list[Unit]] = {}
        for lot in plan.lots:
            if lot.likeness not in queues:
                units = self._pool.units[lot.likeness].values()
                queues[lot.likeness] = sorted(
                    units, key=lambda unit: min(rank(unit.members[index]) for index in unit.free), reverse=True
                )
            for _ in range(lot.count):
                unit = queues[lot.likeness].pop()
                for index in unit.options[lot.options[0]].members:
                    if unit.sorts[index] in needed:
                        offered[unit.sorts[index]].append(unit.members[index])
        chosen = {
            sort: [candidate.id for candidate in reversed(nsmallest(needed[sort], offered[sort], key=rank))]
            for sort in needed
        }
        picks: defaultdict[int, list[str]] = defaultdict(list)
        for (index, sort), count in sorted(plan.shares.items()):
            picks[index].extend(chosen[sort].pop() for _ in range(count))
        return picks

    def _rank(
        self, is_partly_used: Callable[[Candidate], bool] | None
    ) -> Callable[[Candidate], tuple[bool, int, str, str]]:
        """The order in which candidates of one sort are taken: those first that break up nothing new."""

        def rank(candidate: Candidate) -> tuple[bool, int, str, str]:
            relatives = candidate.excludes
            if len(relatives) == 1:
                return (not candidate.partly_used, 1, "", candidate.id)
            partly_used = (
                candidate.partly_used
                or bool(relatives & self.wishes.blocked)
                or (is_partly_used is not None and is_partly_used(candidate))
            )
            # The smallest relative keeps the parts of one whole together.
            return (not partly_used, len(relatives), min(relatives - {candidate.id}), candidate.id)

        return rank

    def _with_named(self, picks: Mapping[int, Sequence[str]]) -> Picks:
        named = self.wishes.named
        return tuple(
            (named[index].id,) if index in named else tuple(picks.get(index, ()))
            for index in range(len(self.wishes.asks))
        )


def _used(shares: Shares, loose: Mapping[Sort, int], lots: Sequence[_Lot]) -> tuple[_Lot, ...] | None:
    """Use units one after the other until the shares are covered, or None where this leads nowhere."""
    needed: defaultdict[Sort, int] = defaultdict(int)
    for (_, sort), count in shares.items():
        needed[sort] += count
    for sort in needed:
        needed[sort] -= min(needed[sort], loose.get(sort, 0))
    used: list[_Lot] = []
    for lot in lots:
        for _ in range(lot.count):

            def gain(option: int, likeness: Likeness = lot.likeness) -> int:
                return sum(min(needed.get(sort, 0), count) for sort, count in likeness[option])

            best = max(lot.options, key=gain)
            if not gain(best):
                break
            for sort, count in lot.likeness[best]:
                if sort in needed:
                    needed[sort] -= min(needed[sort], count)
            used.append(_Lot(lot.likeness, (best,), 1))
    return None if any(needed.values()) else tuple(used)
