"""A list of asks as it is kept for later, in the words of the API."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from reservations.services.asks import Ask
from scheduling.wiring import Ties


def lines_of(asks: Sequence[Ask]) -> list[dict[str, Any]]:
    """Return the asks as they are kept; what says nothing is left out."""
    return [_line(ask) for ask in asks]


def asks_of_lines(lines: Sequence[Mapping[str, Any]]) -> list[Ask]:
    """Return the asks that were kept."""
    return [
        Ask(
            resource=UUID(line["resource"]) if line.get("resource") else None,
            kind=line.get("kind", ""),
            model=line.get("model", ""),
            site=line.get("site", ""),
            count=line.get("count", 1),
            same_site_as=line.get("same_site_as"),
            minimum={name.removesuffix("_min"): least for name, least in line.get("attributes", {}).items()},
            parameters=line.get("parameters", {}),
            artefacts={name: UUID(key) for name, key in line.get("artefacts", {}).items()},
        )
        for line in lines
    ]


def links_of_ties(ties: Ties) -> list[list[int]]:
    """Return as pairs which lines have to be able to talk to each other."""
    return sorted([one, other] for one, other in ties)


def ties_of_links(links: Sequence[Sequence[int]]) -> Ties:
    """Return which lines have to be able to talk to each other."""
    return frozenset((one, other) for one, other in links)


def _line(ask: Ask) -> dict[str, Any]:
    line: dict[str, Any] = {
        "resource": None if ask.resource is None else str(ask.resource),
        "kind": ask.kind or None,
        "model": ask.model or None,
        "site": ask.site or None,
        "count": ask.count if ask.count > 1 else None,
        "same_site_as": ask.same_site_as,
        "attributes": {f"{name}_min": least for name, least in ask.minimum.items()} or None,
        "parameters": dict(ask.parameters) or None,
        "artefacts": {name: str(key) for name, key in ask.artefacts.items()} or None,
    }
    return {name: value for name, value in line.items() if value is not None}
