"""Says which cards a machine offers, for the operator to accept."""

from collections.abc import Sequence
from typing import Any

from adapters.contract import FoundDevice


def found_host(*, name: str, cards: Sequence[dict[str, Any]]) -> FoundDevice:
    """Return the machine with its cards as parts."""
    parts = tuple(_found_card(card) for card in cards)
    models = dict.fromkeys(part.model for part in parts)
    model = ", ".join(
        f"{sum(part.model == one for part in parts)} x {one}" if len(parts) > 1 else one for one in models
    )
    attributes: dict[str, object] = {"model": model or "no card"}
    if parts:
        attributes["cards"] = len(parts)
    return FoundDevice(
        name=name,
        kind="gpu_host",
        model=model or "no card",
        attributes=attributes,
        settings={"cards": [card["pci"] for card in cards]},
        parts=parts,
    )


def _found_card(card: dict[str, Any]) -> FoundDevice:
    attributes: dict[str, object] = {"model": card["model"], "pci": card["pci"]}
    if card["uuid"]:
        attributes["uuid"] = card["uuid"]
    if card["memory_mib"]:
        attributes["memory_gib"] = round(card["memory_mib"] / 1024, 1)
    return FoundDevice(
        name=card["pci"],
        kind="gpu",
        model=card["model"],
        serial=card["serial"],
        attributes=attributes,
        settings={"pci": card["pci"]},
    )
