"""Which ask takes how many of which sort: a largest flow through a small graph."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Sort(NamedTuple):
    """Candidates that are alike: at one site, meeting the same asks (a bit for each)."""

    site: str
    meets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """How many one ask still wants, and where."""

    ask: int
    count: int
    site: str | None
    spread: bool


Shares = dict[tuple[int, Sort], int]
"""How many of a sort go to an ask."""


class _Graph:
    """Edges with what they can still carry; each edge is followed by its reverse."""

    def __init__(self) -> None:
        self.edges_from: list[list[int]] = []
        self.leads_to: list[int] = []
        self.room: list[int] = []

    def add_node(self) -> int:
        self.edges_from.append([])
        return len(self.edges_from) - 1

    def add_edge(self, source: int, target: int, room: int) -> int:
        edge = len(self.leads_to)
        self.leads_to += [target, source]
        self.room += [room, 0]
        self.edges_from[source].append(edge)
        self.edges_from[target].append(edge + 1)
        return edge

    def push(self, source: int, target: int) -> int:
        """Send what fits along a shortest path with room; zero when there is none."""
        came_by = {source: -1}
        waiting = deque([source])
        while waiting and target not in came_by:
            node = waiting.popleft()
            for edge in self.edges_from[node]:
                following = self.leads_to[edge]
                if self.room[edge] and following not in came_by:
                    came_by[following] = edge
                    waiting.append(following)
        if target not in came_by:
            return 0
        path = []
        node = target
        while node != source:
            path.append(came_by[node])
            node = self.leads_to[came_by[node] ^ 1]
        fits = min(self.room[edge] for edge in path)
        for edge in path:
            self.room[edge] -= fits
            self.room[edge ^ 1] += fits
        return fits


def share_out(demands: Sequence[Demand], supply: Mapping[Sort, int]) -> Shares | None:
    """Give every ask its count out of the supply, or None where that cannot be done."""
    wanted = sum(demand.count for demand in demands)
    if wanted > sum(supply.values()):
        return None
    graph = _Graph()
    source, target = graph.add_node(), graph.add_node()
    # Sorts that fewer asks can use come first, so that the versatile ones stay free.
    sorts = sorted((sort for sort, count in supply.items() if count), key=lambda s: (s.meets.bit_count(), s))
    node_of: dict[Sort, int] = {}
    for sort in sorts:
        node_of[sort] = graph.add_node()
        graph.add_edge(node_of[sort], target, supply[sort])
    edges: list[tuple[int, Sort, int]] = []
    for demand in demands:
        ask = graph.add_node()
        graph.add_edge(source, ask, demand.count)
        gates: dict[str, int] = {}
        for sort in sorts:
            if not sort.meets >> demand.ask & 1 or demand.site not in (None, sort.site):
                continue
            origin = ask
            if demand.spread:
                if sort.site not in gates:
                    gates[sort.site] = graph.add_node()
                    graph.add_edge(ask, gates[sort.site], 1)
                origin = gates[sort.site]
            edges.append((demand.ask, sort, graph.add_edge(origin, node_of[sort], demand.count)))
    carried = 0
    while carried < wanted:
        pushed = graph.push(source, target)
        if not pushed:
            return None
        carried += pushed
    return {(ask, sort): graph.room[edge ^ 1] for ask, sort, edge in edges if graph.room[edge ^ 1]}
