"""The ways to meet the asks that differ in what matters to people: where, and by which model."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

from scheduling.asks import Ask, Candidate

Sort = tuple[str, str]
"""A site and a model."""


def variants(asks: Sequence[Ask], candidates: Sequence[Candidate], *, most: int = 40) -> list[tuple[Ask, ...]]:
    """Return the asks with a site and a model settled for each open line, in every way that could be met.

    Ties to one site hold. Lines that nobody meets leave none; after `most` the rest is left out.
    """
    stock = Counter((candidate.site, candidate.kind, candidate.model) for candidate in candidates)
    sites = {candidate.id: candidate.site for candidate in candidates}
    choices: list[list[Sort]] = []
    for ask in asks:
        if ask.named is not None:
            choices.append([(sites[ask.named], "")] if ask.named in sites else [])
            continue
        meeting = Counter(
            (candidate.site, candidate.model) for candidate in candidates if ask.is_met_by(candidate)
        )
        choices.append(sorted(sort for sort, found in meeting.items() if found >= ask.count))
    return list(islice(_settled(asks, choices, stock), most))


def _settled(
    asks: Sequence[Ask], choices: Sequence[Sequence[Sort]], stock: Counter[tuple[str, str, str]]
) -> Iterator[tuple[Ask, ...]]:
    if not all(choices):
        return
    kept: list[Sort] = []

    def go_on() -> Iterator[tuple[Ask, ...]]:
        place = len(kept)
        if place == len(asks):
            yield tuple(
                ask if ask.named is not None else replace(ask, site=site, model=model or None)
                for ask, (site, model) in zip(asks, kept, strict=True)
            )
            return
        for sort in choices[place]:
            if _fits(asks, [*kept, sort], stock):
                kept.append(sort)
                yield from go_on()
                kept.pop()

    yield from go_on()


def _fits(asks: Sequence[Ask], kept: Sequence[Sort], stock: Counter[tuple[str, str, str]]) -> bool:
    wanted: Counter[tuple[str, str, str]] = Counter()
    for place, (site, model) in enumerate(kept):
        ask = asks[place]
        for other, (other_site, _) in enumerate(kept):
            tied = ask.same_site_as == other or asks[other].same_site_as == place
            if tied and other_site != site:
                return False
        if ask.named is None and ask.kind is not None:
            wanted[site, ask.kind, model] += ask.count
    return all(stock[sort] >= count for sort, count in wanted.items())
