"""What NVML measures of a lease's cards and says of their health, where the worker runs on their host."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from adapters.gpu_lxd.instance import Card
from adapters.gpu_lxd.settings import LxdSettings
from adapters.nvml import CardLost, NvmlCard, NvmlUnavailable, card_at, health_of
from adapters.nvml.kernel_log import KMSG

RECENT = timedelta(minutes=15)
"""How far back the kernel's log is read: well beyond the time between two looks."""


@dataclass(slots=True, kw_only=True)
class Readings:
    """What a look at the cards of a lease showed."""

    measurements: dict[str, float] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)
    unfit: list[str] = field(default_factory=list)


def nvml_of(settings: LxdSettings, known: dict[str, Card]) -> Readings:
    """Return the measurements of the cards, what is wrong with them, and why they must not be lent."""
    readings = Readings()
    if not settings.nvml_is_local:
        return readings
    for pci in settings.wanted_cards:
        if pci not in known or known[pci].is_passed_through:
            # NVML does not see what a virtual machine has.
            continue
        try:
            _read(pci, settings, readings)
        except NvmlUnavailable as error:
            readings.complaints.append(f"{pci}: {error}")
    return readings


def _read(pci: str, settings: LxdSettings, readings: Readings) -> None:
    prefix = "" if len(settings.wanted_cards) == 1 else f"{pci} "
    health = health_of(
        pci,
        baseline=settings.baseline_of(pci),
        kernel_log=KMSG,
        since=datetime.now(UTC) - RECENT,
    )
    readings.complaints += [prefix + complaint for complaint in health.complaints]
    if health.unfit:
        readings.unfit.append(prefix + health.unfit)
    try:
        card = card_at(pci)
    except CardLost:
        return
    if card is None:
        return
    numbers = card.measurements if settings.mig_uuid is None else _of_slice(card, settings.mig_uuid, readings)
    readings.measurements |= {prefix + name: number for name, number in numbers.items()}


def _of_slice(card: NvmlCard, uuid: str, readings: Readings) -> dict[str, float]:
    part = next((part for part in card.slices if part.uuid == uuid), None)
    if part is None:
        readings.complaints.append(f"The card at {card.pci} has no slice {uuid} any more.")
        return {}
    numbers = {"memory_used_mib": part.memory_used_mib, "memory_total_mib": part.memory_mib}
    return {name: float(number) for name, number in numbers.items()}
