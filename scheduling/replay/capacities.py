"""How many cards each site has: from the load that it is to carry, or from a table."""

import csv
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping

from scheduling.queue.requests import PoolSpec
from scheduling.replay.traces import Trace, TraceProblem

STEP = 8
"""Cards come by the server."""


def capacities_for_load(trace: Trace, load: float) -> dict[str, int]:
    """Return so many cards for each site that its own work fills this share of them, and its widest job fits."""
    if not 0.01 <= load <= 100:
        raise TraceProblem(f"A load of {load:g} cannot be replayed; give a share such as 0.85.")
    work: defaultdict[str, float] = defaultdict(float)
    widest: defaultdict[str, int] = defaultdict(int)
    for job in trace.jobs:
        work[job.site] += job.duration_s * (job.share / 1000 or job.cards)
        widest[job.site] = max(widest[job.site], job.cards)
    span = max(trace.span_s, 1)
    return {
        site: math.ceil(max(widest[site], math.ceil(work[site] / (span * load))) / STEP) * STEP
        for site in sorted(work)
    }


def pools_of(capacities: Mapping[str, int]) -> list[PoolSpec]:
    """Return a pool for each site."""
    return [PoolSpec(site=site, cards=cards) for site, cards in capacities.items()]


def read_capacities(lines: Iterable[str], *, name: str = "the table of sites") -> list[PoolSpec]:
    """Read `site,cards[,model,speed,price,memory_gib,cards_per_host]`, or an inventory of nodes by model."""
    rows = csv.DictReader(line.removeprefix("\ufeff") for line in lines)
    columns = {(column or "").strip().casefold() for column in rows.fieldnames or ()}
    by_node = {"gpu_model", "gpus_per_node", "nodes"} <= columns
    if not by_node and not {"site", "cards"} <= columns:
        raise TraceProblem(
            f"{name} needs the columns site and cards (and may have model, speed, price, memory_gib and"
            " cards_per_host), or gpu_model, gpus_per_node and nodes."
        )
    pools: list[PoolSpec] = []
    for row in rows:
        cells = {(key or "").strip().casefold(): (value or "").strip() for key, value in row.items() if key}
        try:
            if by_node:
                width = int(cells["gpus_per_node"])
                pools.append(
                    PoolSpec(
                        site=cells.get("site", ""),
                        model=cells["gpu_model"],
                        cards=int(cells["nodes"]) * width,
                        cards_per_host=width,
                    )
                )
            else:
                pools.append(
                    PoolSpec(
                        site=cells["site"],
                        model=cells.get("model", ""),
                        cards=int(cells["cards"]),
                        speed=float(cells.get("speed") or 1),
                        price=float(cells.get("price") or 0),
                        memory_gib=float(cells.get("memory_gib") or 0),
                        cards_per_host=int(cells.get("cards_per_host") or 0),
                    )
                )
        except (ValueError, KeyError) as problem:
            raise TraceProblem(
                f"{name}, line {rows.line_num}: {problem}. Give whole numbers of cards."
            ) from None
    if not pools:
        raise TraceProblem(f"{name} names no site; give a line for each.")
    return pools
