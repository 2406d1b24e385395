"""Reads the cards of this machine from the kernel, and enriches them by NVML.

The kernel shows every card on the bus, also one that a virtual machine has; NVML shows more, but
only of the cards that NVIDIA's driver has.
"""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from adapters.nvml.inventory import NvmlCard, read_cards, with_address
from adapters.nvml.library import NvmlUnavailable
from adapters.pci import normal_form

SYSFS = Path("/sys")
_NVIDIA = "0x10de"
_DISPLAY = "0x03"


class Presence(Enum):
    """How far a card can be seen."""

    SEEN = "seen"
    """NVML shows it."""
    LOST = "lost"
    """NVIDIA's driver has it, and can no longer reach it."""
    PASSED_THROUGH = "passed through"
    """Another driver has it, such as vfio-pci for a virtual machine."""
    UNBOUND = "unbound"
    """No driver has it."""
    HIDDEN = "hidden"
    """NVIDIA's driver has it, and NVML does not show it, or cannot be asked."""
    OFF_THE_BUS = "off the bus"
    """NVML still counts it, and the kernel has it no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineCard:
    """A card of this machine, whoever has it."""

    pci: str
    presence: Presence
    device_id: str = ""
    """The kernel's `0x2330`."""
    driver: str = ""
    """The kernel driver that has it; empty for none."""
    numa_node: int | None = None
    cpus: str = ""
    """The processors near to it, such as `0-31,64-95`."""
    bus_path: tuple[str, ...] = ()
    """The PCI bridges above it, from the root to the card."""
    iommu_group: str = ""
    nvml: NvmlCard | None = None


def read_machine(sysfs: Path = SYSFS) -> tuple[MachineCard, ...]:
    """Return every NVIDIA card of this machine, in the order of the addresses.

    Never raises for a missing NVML: then the cards are only known from the kernel.
    """
    try:
        seen = read_cards()
    except NvmlUnavailable:
        seen = ()
    by_address = {card.pci: card for card in seen if not card.lost}
    lost = [card for card in seen if card.lost]
    found = [_from_kernel(folder, by_address) for folder in _display_devices(sysfs)]
    return tuple(sorted(_with_lost(found, lost), key=lambda card: card.pci))


def driver_of(pci: str, sysfs: Path = SYSFS) -> str | None:
    """Return which kernel driver has the card, “” for none; None when there is no such device."""
    folder = _folder(pci, sysfs)
    if not folder.exists():
        return None
    link = folder / "driver"
    return link.resolve().name if link.exists() else ""


def numa_node_of(pci: str, sysfs: Path = SYSFS) -> int | None:
    """Return the NUMA node to which the card is near; None where the machine does not say."""
    return _numa_node(_folder(pci, sysfs))


def _numa_node(folder: Path) -> int | None:
    node = _read(folder / "numa_node")
    # The kernel writes -1 where the machine does not say.
    return int(node) if node.isdigit() else None


def _display_devices(sysfs: Path) -> list[Path]:
    devices = sysfs / "bus/pci/devices"
    if not devices.is_dir():
        return []
    return [
        folder
        for folder in devices.iterdir()
        if _read(folder / "vendor") == _NVIDIA and _read(folder / "class").startswith(_DISPLAY)
    ]


def _from_kernel(folder: Path, by_address: dict[str, NvmlCard]) -> MachineCard:
    pci = normal_form(folder.name)
    driver = (folder / "driver").resolve().name if (folder / "driver").exists() else ""
    nvml = by_address.get(pci)
    if nvml:
        presence = Presence.SEEN
    elif not driver:
        presence = Presence.UNBOUND
    else:
        presence = Presence.HIDDEN if driver == "nvidia" else Presence.PASSED_THROUGH
    return MachineCard(
        pci=pci,
        presence=presence,
        device_id=_read(folder / "device"),
        driver=driver,
        numa_node=_numa_node(folder),
        cpus=_read(folder / "local_cpulist"),
        bus_path=_bus_path(folder),
        iommu_group=(folder / "iommu_group").resolve().name if (folder / "iommu_group").exists() else "",
        nvml=nvml,
    )


def _with_lost(found: list[MachineCard], lost: list[NvmlCard]) -> list[MachineCard]:
    """Join the lost cards with those of the driver that NVML did not show.

    A lost card does not always know its address. When as many are lost as are hidden, they are the same.
    """
    known = {card.pci for card in lost if card.pci}
    hidden = [card.pci for card in found if card.presence is Presence.HIDDEN]
    nameless = [card for card in lost if not card.pci]
    rest = [pci for pci in hidden if pci not in known]
    if nameless and len(nameless) == len(rest):
        known |= set(rest)
        lost = [card for card in lost if card.pci]
        lost += [with_address(card, pci) for card, pci in zip(nameless, rest, strict=True)]
    by_address = {card.pci: card for card in lost if card.pci}
    joined = [card if card.pci not in known else _lost(card, by_address[card.pci]) for card in found]
    there = {card.pci for card in joined}
    return joined + [
        MachineCard(pci=card.pci, presence=Presence.OFF_THE_BUS, nvml=card)
        for card in lost
        if card.pci not in there
    ]


def _lost(card: MachineCard, nvml: NvmlCard) -> MachineCard:
    return MachineCard(
        pci=card.pci,
        presence=Presence.LOST,
        device_id=card.device_id,
        driver=card.driver,
        numa_node=card.numa_node,
        cpus=card.cpus,
        bus_path=card.bus_path,
        iommu_group=card.iommu_group,
        nvml=nvml,
    )


def _bus_path(folder: Path) -> tuple[str, ...]:
    """Return what the kernel's path of the device says of the bridges: `pci0000:60`, `0000:60:01.0` …"""
    steps = folder.resolve().parts
    root = next((index for index, step in enumerate(steps) if step.startswith("pci")), None)
    return steps[root:] if root is not None else ()


def _folder(pci: str, sysfs: Path) -> Path:
    return sysfs / "bus/pci/devices" / normal_form(pci)


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""
