"""A site's pool of VLANs, as people write it: “200-219, 300”."""

import itertools
from collections.abc import Iterator

from django.core.exceptions import ValidationError

LOWEST, HIGHEST = 2, 4094
"""0 and 4095 are reserved by IEEE 802.1Q, and 1 is what switches come with."""


def vlans_of(pool: str) -> Iterator[int]:
    """Return the VLANs of a pool, lowest first; raise `ValueError` with words for people."""
    spans: list[tuple[int, int]] = []
    for word in pool.replace("–", "-").replace(";", ",").split(","):
        if not (text := word.strip()):
            continue
        first, dash, last = text.partition("-")
        try:
            low = int(first)
            high = int(last) if dash else low
        except ValueError:
            raise ValueError(f"“{text}” is no VLAN and no range; write 200-219, 300.") from None
        if low > high:
            raise ValueError(f"“{text}” runs backwards; write {high}-{low}.")
        if low < LOWEST or high > HIGHEST:
            raise ValueError(f"“{text}” is out of range: VLANs go from {LOWEST} to {HIGHEST}.")
        spans.append((low, high))
    spans.sort()
    for (low, high), (after, _) in itertools.pairwise(spans):
        if after <= high:
            raise ValueError(f"{after} is named twice: {low}-{high} has it already.")
    for low, high in spans:
        yield from range(low, high + 1)


def check_pool(pool: str) -> None:
    """Refuse what is no pool, for a form."""
    try:
        for _ in vlans_of(pool):
            pass
    except ValueError as error:
        raise ValidationError(str(error)) from error
