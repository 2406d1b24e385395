"""Small calendars and wishes, and the slow, plain answers to compare with."""

from collections.abc import Sequence
from itertools import combinations

from hypothesis import strategies as st

from scheduling.asks import Ask, Busy, Candidate, merged

SITES = ["uni-a", "uni-b", "uni-c"]
STEP_S = 10


def family(
    name: str,
    site: str,
    kinds: Sequence[str],
    memory: Sequence[float],
    of_part: int,
    times: tuple[int, int] = (0, 0),
) -> list[Candidate]:
    """A whole with parts (one for each kind after the first); part `of_part`, if any, has two parts."""
    parts = [f"{name}.{number}" for number in range(1, len(kinds))]
    halves = [f"{parts[of_part]}.{side}" for side in "ab"] if of_part < len(parts) else []

    def make(candidate_id: str, kind: str, gib: float, excludes: Sequence[str]) -> Candidate:
        return Candidate(
            id=candidate_id,
            site=site,
            kind=kind,
            model=kind.title(),
            attributes={"memory_gib": gib},
            excludes=frozenset(excludes),
            preparation_s=times[0],
            cleanup_s=times[1],
        )

    devices = [make(name, kinds[0], memory[0], [name, *parts, *halves])]
    for number, part in enumerate(parts):
        own = halves if number == of_part else []
        devices.append(make(part, kinds[number + 1], memory[(number + 1) % len(memory)], [name, part, *own]))
    devices += [make(half, "slice", memory[-1], [name, parts[of_part], half]) for half in halves]
    return devices


@st.composite
def inventories(draw: st.DrawFn, families: int = 4) -> list[Candidate]:
    devices = []
    for number in range(draw(st.integers(1, families))):
        kinds = [draw(st.sampled_from(["gpu", "nic"]))]
        kinds += draw(st.lists(st.sampled_from(["slice", "slice", "gpu"]), max_size=3))
        devices += family(
            f"d{number}",
            draw(st.sampled_from(SITES)),
            kinds,
            draw(st.lists(st.sampled_from([8.0, 16.0]), min_size=1, max_size=2)),
            draw(st.integers(0, 6)),
            draw(st.sampled_from([(0, 0), (5, 10), (12, 3)])),
        )
    return [device for device in devices if draw(st.integers(0, 9))]


@st.composite
def wishes(draw: st.DrawFn, inventory: Sequence[Candidate], most: int = 3) -> list[Ask]:
    number = draw(st.integers(1, most))
    asks = []
    for _ in range(number):
        if inventory and draw(st.integers(0, 4)) == 0:
            named = draw(st.sampled_from(inventory))
            asks.append(Ask(named=named.id, same_site_as=draw(st.sampled_from([None, None, number - 1]))))
            continue
        asks.append(
            Ask(
                count=draw(st.integers(1, 3)),
                kind=draw(st.sampled_from([None, "gpu", "nic", "slice", "slice"])),
                model=draw(st.sampled_from([None, None, None, "GPU"])),
                site=draw(st.sampled_from([None, None, None, *SITES])),
                same_site_as=draw(st.sampled_from([None, None, *range(number)])),
                spread=draw(st.sampled_from([False, False, False, True])),
                minimum=draw(st.sampled_from([{}, {}, {"memory_gib": 16}])),
            )
        )
    return asks


@st.composite
def calendars(draw: st.DrawFn, inventory: Sequence[Candidate], horizon: int = 200) -> Busy:
    """Leases on some devices, carried over to all that they exclude."""
    taken: dict[str, list[tuple[int, int]]] = {}
    for device in inventory:
        for start in draw(st.lists(st.integers(-20, horizon), max_size=2)):
            lease = (start, start + draw(st.integers(1, 70)))
            for other in device.excludes:
                taken.setdefault(other, []).append(lease)
    return {candidate_id: merged(leases) for candidate_id, leases in taken.items()}


def is_answer(asks: Sequence[Ask], free: Sequence[Candidate], picks: Sequence[Sequence[str]]) -> bool:
    """Whether these picks keep every rule, checked word by word."""
    by_id = {candidate.id: candidate for candidate in free}
    chosen = [candidate_id for line in picks for candidate_id in line]
    if len(picks) != len(asks) or any(candidate_id not in by_id for candidate_id in chosen):
        return False
    for first, second in combinations(chosen, 2):
        if second in by_id[first].excludes or first in by_id[second].excludes:
            return False
    for ask, line in zip(asks, picks, strict=True):
        sites = {by_id[candidate_id].site for candidate_id in line}
        if len(line) != ask.count or not all(ask.is_met_by(by_id[candidate_id]) for candidate_id in line):
            return False
        if ask.spread and len(sites) < ask.count:
            return False
        if ask.same_site_as is not None:
            sites |= {by_id[candidate_id].site for candidate_id in picks[ask.same_site_as]}
            if len(sites) > 1:
                return False
    return True


def brute_force(asks: Sequence[Ask], free: Sequence[Candidate]) -> list[list[str]] | None:
    """Try everything."""

    def extend(picks: list[list[str]]) -> list[list[str]] | None:
        if len(picks) == len(asks):
            return picks if is_answer(asks, free, picks) else None
        ask = asks[len(picks)]
        held = {candidate_id for line in picks for candidate_id in line}
        fitting = [c for c in free if ask.is_met_by(c) and not held & c.excludes]
        for line in combinations(fitting, ask.count):
            if any(b.id in a.excludes for a, b in combinations(line, 2)):
                continue
            found = extend([*picks, [candidate.id for candidate in line]])
            if found is not None:
                return found
        return None

    return extend([])


def fewest_sites(asks: Sequence[Ask], free: Sequence[Candidate]) -> int | None:
    """The smallest number of sites that will do, or None if nothing will."""
    for size in range(len(SITES) + 1):
        for sites in combinations(SITES, size):
            if brute_force(asks, [candidate for candidate in free if candidate.site in sites]) is not None:
                return size
    return None


def is_idle(candidate: Candidate, busy: Busy, starts_at: int, ends_at: int) -> bool:
    """Whether the candidate is free second by second."""
    occupied = range(starts_at - candidate.preparation_s, ends_at + candidate.cleanup_s)
    return not any(start <= second < end for start, end in busy.get(candidate.id, ()) for second in occupied)
