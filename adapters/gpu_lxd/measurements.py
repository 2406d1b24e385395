"""What NVML measures of a lease's cards, where the worker runs on their host."""

from adapters.gpu_lxd.instance import Card
from adapters.gpu_lxd.settings import LxdSettings
from adapters.nvml import NvmlUnavailable, card_at


def nvml_of(settings: LxdSettings, known: dict[str, Card]) -> tuple[dict[str, float], list[str]]:
    """Return the measurements of the cards, and what is wrong with them in words."""
    measurements: dict[str, float] = {}
    complaints: list[str] = []
    for pci in settings.wanted_cards:
        if pci not in known or known[pci].is_passed_through:
            # NVML does not see what a virtual machine has.
            continue
        try:
            card = card_at(pci)
        except NvmlUnavailable as error:
            complaints.append(f"{pci}: {error}")
            continue
        if card is None:
            complaints.append(f"NVML does not see the card at {pci}.")
            continue
        prefix = "" if len(settings.wanted_cards) == 1 else f"{pci} "
        measurements |= {prefix + name: number for name, number in card.measurements.items()}
    return measurements, complaints
