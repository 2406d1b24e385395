"""What a list of asks means before anybody looks at the calendar."""

from collections.abc import Sequence
from functools import cache

from scheduling.asks import Ask, Candidate
from scheduling.flow import Sort


class Wishes:
    """The asks, weighed against all candidates there are.

    `contradict` says that no calendar could ever meet them: a name that nobody bears, one device named
    twice, two sites for devices that are to be at one.
    """

    def __init__(self, asks: Sequence[Ask], candidates: Sequence[Candidate]) -> None:
        self.asks = tuple(asks)
        self.open = [index for index, ask in enumerate(asks) if ask.named is None and ask.count > 0]
        self.contradict = False
        self.tied = _tied(asks)
        self.named = self._find_named(candidates)
        self.site_of_group = self._sites_of_groups()
        blocked: set[str] = set()
        for candidate in self.named.values():
            self.contradict |= candidate.id in blocked
            blocked |= candidate.excludes
        self.blocked = frozenset(blocked)
        self.entries: dict[str, tuple[Candidate, Sort]] = {}
        if not self.contradict:
            self._sort(candidates)

    def _find_named(self, candidates: Sequence[Candidate]) -> dict[int, Candidate]:
        wanted = {ask.named for ask in self.asks if ask.named is not None and ask.count > 0}
        by_id = (
            {candidate.id: candidate for candidate in candidates if candidate.id in wanted} if wanted else {}
        )
        found = {}
        for index, ask in enumerate(self.asks):
            if ask.named is None or ask.count == 0:
                continue
            candidate = by_id.get(ask.named)
            if candidate is None or ask.count != 1 or not ask.is_met_by(candidate):
                self.contradict = True
            else:
                found[index] = candidate
        return found

    def _sites_of_groups(self) -> dict[int, str]:
        sites: dict[int, str] = {}
        for index, group in enumerate(self.tied):
            if group is None or self.asks[index].count == 0:
                continue
            candidate = self.named.get(index)
            site = candidate.site if candidate else self.asks[index].site
            if site is not None and sites.setdefault(group, site) != site:
                self.contradict = True
        return sites

    def _sort(self, candidates: Sequence[Candidate]) -> None:
        """Keep the candidates that are of use to an open ask, each with its sort."""

        @cache
        def promising(site: str, kind: str, model: str) -> tuple[int, ...]:
            return tuple(
                index
                for index in self.open
                if self.site_of(index) in (None, site) and self.asks[index].is_met_by_sort(site, kind, model)
            )

        @cache
        def sort(site: str, meets: int) -> Sort:
            return Sort(site, meets)

        for candidate in candidates:
            meets = 0
            for index in promising(candidate.site, candidate.kind, candidate.model):
                minimum = self.asks[index].minimum
                if not minimum or self.asks[index].is_met_by_attributes(candidate.attributes):
                    meets |= 1 << index
            if meets and candidate.id not in self.blocked:
                self.entries[candidate.id] = (candidate, sort(candidate.site, meets))

    def site_of(self, index: int) -> str | None:
        """The one site at which the picks of an ask have to be, where that is settled."""
        group = self.tied[index]
        if group is not None and group in self.site_of_group:
            return self.site_of_group[group]
        return self.asks[index].site

    @property
    def settled_sites(self) -> frozenset[str]:
        """The sites that any answer uses."""
        sites = {candidate.site for candidate in self.named.values()}
        sites.update(site for index in self.open if (site := self.site_of(index)) is not None)
        return frozenset(sites)

    @property
    def floating_groups(self) -> list[int]:
        """The groups of open asks whose common site is still to be chosen."""
        groups = {self.tied[index] for index in self.open}
        return sorted(group for group in groups if group is not None and group not in self.site_of_group)


def _tied(asks: Sequence[Ask]) -> list[int | None]:
    """For each ask the group of asks that share its site, or None where it is free to span sites."""
    head = list(range(len(asks)))

    def root(index: int) -> int:
        while head[index] != index:
            index = head[index]
        return index

    tied = set()
    for index, ask in enumerate(asks):
        if ask.same_site_as is None:
            continue
        if not 0 <= ask.same_site_as < len(asks):
            raise ValueError(f"Ask {index} is tied to ask {ask.same_site_as}, which does not exist.")
        tied |= {index, ask.same_site_as}
        first, second = sorted((root(index), root(ask.same_site_as)))
        head[second] = first
    return [root(index) if index in tied else None for index in range(len(asks))]
