"""Reads the cards of this machine through NVML; changes nothing and needs no root.

A card that is bound to `vfio-pci` for a virtual machine is invisible here: missing from NVML
does not mean gone.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pynvml

from adapters.pci import normal_form

_MIB = 1024 * 1024


class NvmlUnavailable(Exception):
    """NVML cannot say anything here: no library, no driver, or a card that fell off the bus."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NvmlProcess:
    """A process that holds memory of a card."""

    pid: int
    memory_used_mib: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NvmlSlice:
    """A MIG slice that was made on a card beforehand."""

    uuid: str
    model: str
    memory_mib: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NvmlCard:
    """A card as NVML sees it at this moment."""

    pci: str
    uuid: str
    model: str
    memory_total_mib: int
    memory_used_mib: int
    driver_version: str
    serial: str = ""
    cuda_cores: int | None = None
    utilisation_percent: int | None = None
    temperature_celsius: int | None = None
    mig_enabled: bool = False
    slices: tuple[NvmlSlice, ...] = ()
    processes: tuple[NvmlProcess, ...] = ()

    @property
    def measurements(self) -> dict[str, float]:
        """Return what can be plotted, with the unit in each name."""
        numbers = {
            "memory_used_mib": self.memory_used_mib,
            "memory_total_mib": self.memory_total_mib,
            "utilisation_percent": self.utilisation_percent,
            "temperature_celsius": self.temperature_celsius,
            "processes": len(self.processes),
        }
        return {name: float(number) for name, number in numbers.items() if number is not None}


def read_cards() -> tuple[NvmlCard, ...]:
    """Return the cards of this machine in NVML's order, without those that fell off the bus.

    Raises `NvmlUnavailable` when NVML cannot say.
    """
    with _library() as driver:
        return tuple(
            card for index in range(pynvml.nvmlDeviceGetCount()) if (card := _card_if_alive(index, driver))
        )


def card_at(pci: str) -> NvmlCard | None:
    """Return the card at the PCI address, or None when NVML does not see it."""
    with _library() as driver:
        try:
            handle = pynvml.nvmlDeviceGetHandleByPciBusId(normal_form(pci).encode())
        except pynvml.NVMLError_NotFound:
            return None
        return _card(handle, driver)


@contextmanager
def _library() -> Iterator[str]:
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        raise NvmlUnavailable(f"NVML cannot be used on this machine: {error}.") from error
    try:
        yield _text(pynvml.nvmlSystemGetDriverVersion())
    except pynvml.NVMLError as error:
        raise NvmlUnavailable(f"NVML stopped half-way: {error}.") from error
    finally:
        pynvml.nvmlShutdown()


def _card_if_alive(index: int, driver: str) -> NvmlCard | None:
    try:
        return _card(pynvml.nvmlDeviceGetHandleByIndex(index), driver)
    except pynvml.NVMLError_GpuIsLost:
        return None


def _card(handle: Any, driver: str) -> NvmlCard:
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    mig_mode = _if_supported(pynvml.nvmlDeviceGetMigMode, handle)
    mig_enabled = bool(mig_mode and mig_mode[0] == pynvml.NVML_DEVICE_MIG_ENABLE)
    rates = _if_supported(pynvml.nvmlDeviceGetUtilizationRates, handle)
    return NvmlCard(
        pci=normal_form(_text(pynvml.nvmlDeviceGetPciInfo(handle).busId)),
        uuid=_text(pynvml.nvmlDeviceGetUUID(handle)),
        model=_text(pynvml.nvmlDeviceGetName(handle)),
        memory_total_mib=memory.total // _MIB,
        memory_used_mib=memory.used // _MIB,
        driver_version=driver,
        serial=_text(_if_supported(pynvml.nvmlDeviceGetSerial, handle) or ""),
        cuda_cores=_if_supported(pynvml.nvmlDeviceGetNumGpuCores, handle),
        utilisation_percent=None if rates is None else rates.gpu,
        temperature_celsius=_if_supported(pynvml.nvmlDeviceGetTemperature, handle, pynvml.NVML_TEMPERATURE_GPU),
        mig_enabled=mig_enabled,
        slices=tuple(_slices(handle)) if mig_enabled else (),
        processes=tuple(_processes(handle)),
    )


def _slices(handle: Any) -> Iterator[NvmlSlice]:
    for index in range(pynvml.nvmlDeviceGetMaxMigDeviceCount(handle)):
        try:
            part = pynvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, index)
        except pynvml.NVMLError_NotFound:
            continue
        yield NvmlSlice(
            uuid=_text(pynvml.nvmlDeviceGetUUID(part)),
            model=_text(pynvml.nvmlDeviceGetName(part)),
            memory_mib=pynvml.nvmlDeviceGetMemoryInfo(part).total // _MIB,
        )


def _processes(handle: Any) -> Iterator[NvmlProcess]:
    seen: set[int] = set()
    for running in (
        pynvml.nvmlDeviceGetComputeRunningProcesses,
        pynvml.nvmlDeviceGetGraphicsRunningProcesses,
    ):
        for process in _if_supported(running, handle) or ():
            if process.pid not in seen:
                seen.add(process.pid)
                yield NvmlProcess(pid=process.pid, memory_used_mib=(process.usedGpuMemory or 0) // _MIB)


def _if_supported(question: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return question(*arguments)
    except (pynvml.NVMLError_NotSupported, pynvml.NVMLError_FunctionNotFound, pynvml.NVMLError_NoPermission):
        return None


def _text(answer: str | bytes) -> str:
    return answer.decode() if isinstance(answer, bytes) else answer
