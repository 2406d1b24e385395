"""Reads the cards of this machine through NVML; changes nothing and needs no root.

A card that is bound to `vfio-pci` for a virtual machine is invisible here: missing from NVML
does not mean gone (`adapters.nvml.machine` knows those too).
"""

from dataclasses import dataclass, replace
from typing import Any

import pynvml

from adapters.nvml.library import (
    MIB,
    CardLost,
    NvmlUnavailable,
    cuda_version,
    driver_version,
    flag,
    handle_at,
    if_supported,
    library,
    text,
)
from adapters.nvml.slices import NvmlSlice, slices_of
from adapters.pci import normal_form

__all__ = ["CardLost", "NvmlCard", "NvmlProcess", "NvmlSlice", "NvmlUnavailable", "card_at", "read_cards"]

COMPUTE_MODES = ("default", "exclusive_thread", "prohibited", "exclusive_process")


@dataclass(frozen=True, slots=True, kw_only=True)
class NvmlProcess:
    """A process that holds memory of a card."""

    pid: int
    memory_used_mib: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerLimit:
    """How much power a card may draw, in watts; None where it does not say."""

    current_w: float | None = None
    default_w: float | None = None
    lowest_w: float | None = None
    highest_w: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """A card's clocks in MHz; None where it does not say.

    Locked clocks are missing: NVML sets them, but has no question for them.
    """

    application_graphics_mhz: int | None = None
    application_memory_mhz: int | None = None
    default_graphics_mhz: int | None = None
    default_memory_mhz: int | None = None
    highest_graphics_mhz: int | None = None
    highest_memory_mhz: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NvmlCard:
    """A card as NVML sees it at this moment."""

    pci: str
    """In normal form; empty for a lost card whose address is not known any more."""
    uuid: str
    model: str
    memory_total_mib: int
    memory_used_mib: int
    driver_version: str
    cuda_version: str = ""
    serial: str = ""
    vbios: str = ""
    lost: bool = False
    """It cannot be read, for `trouble`: everything but the address is unknown, and sometimes that, too."""
    trouble: str = ""
    """What NVML said instead of an answer: that it is lost, or wants a reset."""
    cuda_cores: int | None = None
    utilisation_percent: int | None = None
    temperature_celsius: int | None = None
    power_w: float | None = None
    """What it draws now."""
    compute_mode: str | None = None
    """`default`, `exclusive_process`, `prohibited`."""
    persistence: bool | None = None
    ecc_enabled: bool | None = None
    ecc_pending: bool | None = None
    """What ECC will be after the next reset."""
    power: PowerLimit = PowerLimit()
    clocks: Clocks = Clocks()
    mig_capable: bool = False
    mig_enabled: bool = False
    mig_pending: bool = False
    """What MIG mode will be after the next reset."""
    slices: tuple[NvmlSlice, ...] = ()
    processes: tuple[NvmlProcess, ...] = ()
    processes_known: bool = True
    """Whether NVML says who uses it: of a card that is cut into slices it tells root only."""

    @property
    def measurements(self) -> dict[str, float]:
        """Return what can be plotted, with the unit in each name."""
        if self.lost:
            return {}
        numbers = {
            "memory_used_mib": self.memory_used_mib,
            "memory_total_mib": self.memory_total_mib,
            "utilisation_percent": self.utilisation_percent,
            "temperature_celsius": self.temperature_celsius,
            "power_w": self.power_w,
            "processes": len(self.processes) if self.processes_known else None,
        }
        return {name: float(number) for name, number in numbers.items() if number is not None}

    @property
    def geometry(self) -> tuple[str, ...]:
        """Return the profiles of its slices, in the order of their places."""
        return tuple(part.profile for part in self.slices)


def read_cards() -> tuple[NvmlCard, ...]:
    """Return the cards of this machine in NVML's order, those that cannot be read marked `lost`.

    Raises `NvmlUnavailable` when NVML cannot say.
    """
    with library():
        driver, cuda = driver_version(), cuda_version()
        return tuple(_card_or_lost(index, driver, cuda) for index in range(pynvml.nvmlDeviceGetCount()))


def card_at(pci: str) -> NvmlCard | None:
    """Return the card at the PCI address, or None when NVML does not see it.

    Raises `CardLost` when it fell off the bus, `NvmlUnavailable` when NVML cannot say.
    """
    with library():
        handle = handle_at(pci)
        return None if handle is None else card_of(handle, driver_version(), cuda_version())


def _card_or_lost(index: int, driver: str, cuda: str) -> NvmlCard:
    pci = ""
    try:
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        pci = pci_of(handle)
        return card_of(handle, driver, cuda)
    except pynvml.NVMLError_Uninitialized:
        raise
    except pynvml.NVMLError as error:
        # One that fails must not hide the others.
        return NvmlCard(
            pci=pci,
            uuid="",
            model="",
            memory_total_mib=0,
            memory_used_mib=0,
            driver_version=driver,
            cuda_version=cuda,
            lost=True,
            trouble=str(error),
        )


def card_of(handle: Any, driver: str, cuda: str) -> NvmlCard:
    """Return the card behind an open handle."""
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    mig_mode = if_supported(pynvml.nvmlDeviceGetMigMode, handle)
    current, pending = mig_mode or (0, 0)
    # With MIG on, the card as a whole has no rate.
    rates = if_supported(pynvml.nvmlDeviceGetUtilizationRates, handle)
    mode = if_supported(pynvml.nvmlDeviceGetComputeMode, handle)
    ecc = if_supported(pynvml.nvmlDeviceGetEccMode, handle) or (None, None)
    processes = processes_of(handle)
    return NvmlCard(
        pci=pci_of(handle),
        uuid=text(pynvml.nvmlDeviceGetUUID(handle)),
        model=text(pynvml.nvmlDeviceGetName(handle)),
        memory_total_mib=memory.total // MIB,
        memory_used_mib=memory.used // MIB,
        driver_version=driver,
        cuda_version=cuda,
        serial=text(if_supported(pynvml.nvmlDeviceGetSerial, handle) or ""),
        vbios=text(if_supported(pynvml.nvmlDeviceGetVbiosVersion, handle) or ""),
        cuda_cores=if_supported(pynvml.nvmlDeviceGetNumGpuCores, handle),
        utilisation_percent=None if rates is None else rates.gpu,
        temperature_celsius=if_supported(pynvml.nvmlDeviceGetTemperature, handle, pynvml.NVML_TEMPERATURE_GPU),
        compute_mode=None if mode is None else COMPUTE_MODES[mode],
        persistence=flag(if_supported(pynvml.nvmlDeviceGetPersistenceMode, handle)),
        ecc_enabled=flag(ecc[0]),
        ecc_pending=flag(ecc[1]),
        power_w=_watts(if_supported(pynvml.nvmlDeviceGetPowerUsage, handle)),
        power=_power(handle),
        clocks=_clocks(handle),
        mig_capable=mig_mode is not None,
        mig_enabled=bool(current),
        mig_pending=bool(pending),
        slices=slices_of(handle) if current else (),
        processes=processes or (),
        processes_known=processes is not None,
    )


def pci_of(handle: Any) -> str:
    """Return the address of the card behind a handle, in normal form."""
    return normal_form(text(pynvml.nvmlDeviceGetPciInfo(handle).busId))


def processes_of(handle: Any) -> tuple[NvmlProcess, ...] | None:
    """Return each process that uses the card or the slice, once; None where NVML does not say."""
    found: dict[int, NvmlProcess] = {}
    for question, is_needed in _PROCESSES:
        running = if_supported(question, handle)
        if running is None:
            if is_needed:
                return None
            continue
        for process in running:
            used_mib = (process.usedGpuMemory or 0) // MIB
            found.setdefault(process.pid, NvmlProcess(pid=process.pid, memory_used_mib=used_mib))
    return tuple(found.values())


_PROCESSES = (
    (pynvml.nvmlDeviceGetComputeRunningProcesses_v3, True),
    (pynvml.nvmlDeviceGetGraphicsRunningProcesses_v3, False),
    (pynvml.nvmlDeviceGetMPSComputeRunningProcesses_v3, False),
)


def _power(handle: Any) -> PowerLimit:
    lowest, highest = if_supported(pynvml.nvmlDeviceGetPowerManagementLimitConstraints, handle) or (None, None)
    return PowerLimit(
        current_w=_watts(if_supported(pynvml.nvmlDeviceGetPowerManagementLimit, handle)),
        default_w=_watts(if_supported(pynvml.nvmlDeviceGetPowerManagementDefaultLimit, handle)),
        lowest_w=_watts(lowest),
        highest_w=_watts(highest),
    )


def _clocks(handle: Any) -> Clocks:
    graphics, memory = pynvml.NVML_CLOCK_GRAPHICS, pynvml.NVML_CLOCK_MEM
    return Clocks(
        application_graphics_mhz=if_supported(pynvml.nvmlDeviceGetApplicationsClock, handle, graphics),
        application_memory_mhz=if_supported(pynvml.nvmlDeviceGetApplicationsClock, handle, memory),
        default_graphics_mhz=if_supported(pynvml.nvmlDeviceGetDefaultApplicationsClock, handle, graphics),
        default_memory_mhz=if_supported(pynvml.nvmlDeviceGetDefaultApplicationsClock, handle, memory),
        highest_graphics_mhz=if_supported(pynvml.nvmlDeviceGetMaxClockInfo, handle, graphics),
        highest_memory_mhz=if_supported(pynvml.nvmlDeviceGetMaxClockInfo, handle, memory),
    )


def _watts(milliwatts: int | None) -> float | None:
    return None if milliwatts is None else milliwatts / 1000


def with_address(card: NvmlCard, pci: str) -> NvmlCard:
    """Return the card with an address that was learned elsewhere."""
    return replace(card, pci=pci)
