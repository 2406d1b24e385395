"""Says which nodes and cards a cluster has, for the operator to accept."""

import re
from collections.abc import Mapping, Sequence

from adapters.contract import FoundDevice
from adapters.gpu_slurm.nouns import Card, Licence, Node, cards_of

_CARDS_BY_COUNT_SINCE = (24, 5)


def version_of(text: str) -> tuple[int, int]:
    """Return year and month of a release such as `22.05.8`; (0, 0) where it says none."""
    found = re.match(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def reserves_cards(version: str) -> bool:
    """Say whether this version is worth asking for reservations of cards; it may still refuse."""
    return version_of(version) >= _CARDS_BY_COUNT_SINCE


def found_nodes(nodes: Sequence[Node], licences: Sequence[Licence], *, version: str) -> tuple[FoundDevice, ...]:
    """Return each node that has cards; its cards are parts where they can be lent apart."""
    names = {licence.name for licence in licences}
    return tuple(_host(node, names, version) for node in nodes if cards_of(node.gres))


def _host(node: Node, licences: set[str], version: str) -> FoundDevice:
    cards = cards_of(node.gres)
    total = sum(card.count for card in cards)
    return FoundDevice(
        name=node.name,
        kind="gpu_host",
        model=", ".join(
            _model(card) if card.count == 1 else f"{card.count} × {_model(card)}" for card in cards
        ),
        attributes=_attributes(", ".join(sorted({_model(card) for card in cards})), total),
        settings={
            "way": "nodes",
            "nodes": [node.name],
            "gres": _gres(cards[0]) if len(cards) == 1 else f"gpu:{total}",
        },
        parts=tuple(
            part
            for card in cards
            for number in range(card.count)
            for part in _part(node, card, number, total=total, licences=licences, version=version)
        ),
    )


def _part(
    node: Node, card: Card, number: int, *, total: int, licences: set[str], version: str
) -> Sequence[FoundDevice]:
    one = f"gpu:{card.type}:1" if card.type else "gpu:1"
    label = f"{node.name}-{card.type or 'gpu'}-{number}"
    if label in licences:
        settings: Mapping[str, object] = {"way": "licenses", "licence": f"{label}:1", "gres": one}
    elif reserves_cards(version):
        settings = {"way": "gres", "nodes": [node.name], "gres": one}
    elif total == 1:
        # The whole node is the card: a part would be the same thing twice.
        return ()
    else:
        settings = {"way": "cores", "nodes": [node.name], "cores": max(1, node.cpus // total), "gres": one}
    return (
        FoundDevice(
            name=label,
            kind="gpu",
            model=_model(card),
            attributes=_attributes(_model(card), 1),
            settings=settings,
        ),
    )


def _attributes(model: str, cards: int) -> dict[str, object]:
    return {"model": model, "cards": cards}


def _gres(card: Card) -> str:
    return f"gpu:{card.type}:{card.count}" if card.type else f"gpu:{card.count}"


def _model(card: Card) -> str:
    return card.type.upper() if card.type else "GPU"
