"""Says which cards an LXD server has, for the operator to accept."""

from collections.abc import Sequence

from adapters.contract import FoundDevice
from adapters.gpu_lxd.instance import Card
from adapters.nvml import NvmlCard, NvmlUnavailable, read_cards, take_baseline

# Graphics of management controllers and of virtual screens: ASPEED, Matrox, Cirrus, QXL, virtio.
_NOT_FOR_COMPUTING = {"1a03", "102b", "1013", "1b36", "1af4", "1234"}


def found_host(*, name: str, cards: Sequence[Card], nvml_is_local: bool) -> FoundDevice:
    """Return the host with its cards as parts, and with MIG slices as parts of those."""
    enriched = _from_nvml() if nvml_is_local else {}
    lendable = [card for card in cards if card.vendor_id not in _NOT_FOR_COMPUTING]
    parts = tuple(found_card(card, enriched.get(card.pci)) for card in lendable)
    model = _model_of(parts)
    attributes: dict[str, object] = {"model": model}
    if parts:
        attributes["cards"] = len(parts)
    return FoundDevice(
        name=name,
        kind="gpu_host",
        model=model,
        attributes=attributes,
        settings={"cards": [card.pci for card in lendable]},
        parts=parts,
    )


def _from_nvml() -> dict[str, NvmlCard]:
    try:
        # Of a lost card NVML knows less than LXD does.
        return {card.pci: card for card in read_cards() if not card.lost}
    except NvmlUnavailable:
        # NVML only enriches: cards in the hands of virtual machines are invisible to it anyway.
        return {}


def found_card(card: Card, seen: NvmlCard | None) -> FoundDevice:
    """Return a card as LXD and, where it sees it, NVML know it, with its slices as parts."""
    attributes: dict[str, object] = {"model": seen.model if seen else card.model, "pci": card.pci}
    uuid = seen.uuid if seen else card.uuid
    if uuid:
        attributes["uuid"] = uuid
    if seen:
        attributes["memory_gib"] = round(seen.memory_total_mib / 1024, 1)
    if seen and seen.cuda_cores:
        attributes["cuda_cores"] = seen.cuda_cores
    slices = tuple(
        FoundDevice(
            name=part.uuid,
            kind="gpu_slice",
            model=part.model,
            serial=part.uuid,
            attributes={
                "model": part.model,
                "uuid": part.uuid,
                "memory_gib": round(part.memory_mib / 1024, 1),
            },
            settings={"pci": card.pci, "mig_uuid": part.uuid},
        )
        for part in (seen.slices if seen else ())
    )
    return FoundDevice(
        name=card.pci,
        kind="gpu",
        model=str(attributes["model"]),
        serial=(seen.serial if seen else "") or uuid,
        attributes=attributes,
        settings={"pci": card.pci, **_baseline_of(card.pci, seen)},
        parts=slices,
    )


def _baseline_of(pci: str, seen: NvmlCard | None) -> dict[str, object]:
    if seen is None:
        return {}
    try:
        baseline = take_baseline(pci).as_settings()
    except NvmlUnavailable:
        return {}
    # It would be another one at each search, and each time an operator would have to look.
    baseline.pop("taken_at", None)
    return {"baseline": baseline}


def _model_of(parts: Sequence[FoundDevice]) -> str:
    models = sorted({part.model for part in parts})
    if not models:
        return "host without graphics cards"
    if len(models) == 1:
        return f"{len(parts)} × {models[0]}" if len(parts) > 1 else models[0]
    return ", ".join(models)
