"""Listens for the driver's error numbers (Xid).

NVML tells of an error only to those who were registered when it happened. A process that lives long keeps a
`Watcher`; a short look between two others sees next to nothing. That is why health also compares
counters with the baseline, and may read the kernel's log (`adapters.nvml.kernel_log`).
"""

import ctypes
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pynvml

from adapters.nvml.inventory import pci_of
from adapters.nvml.library import library

_MOST = 1000
_UNKNOWN = 0xFFFFFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class CardEvent:
    """An error that the driver reported of a card."""

    pci: str
    xid: int
    gpu_instance: int | None = None
    """The slice to which it is due; None for the card as a whole."""


class Watcher:
    """Hears of errors from its making until the end of `watching`."""

    def __init__(self, events: Any, addresses: dict[int | None, str], unwatched: tuple[int, ...]) -> None:
        self._events = events
        self._addresses = addresses
        self.unwatched = unwatched
        """The numbers of the cards that could not be registered: lost ones, and those without events."""

    def drain(self) -> tuple[CardEvent, ...]:
        """Return what was reported since the last call, without waiting; at most a thousand events."""
        return self.wait(0)

    def wait(self, timeout_s: float) -> tuple[CardEvent, ...]:
        """Return what was reported since the last call; wait up to so long for the first of them."""
        deadline = time.monotonic() + timeout_s
        heard: list[CardEvent] = []
        while len(heard) < _MOST:
            left_ms = 0 if heard else max(0, round((deadline - time.monotonic()) * 1000))
            try:
                event = pynvml.nvmlEventSetWait_v2(self._events, left_ms)
            except pynvml.NVMLError_Timeout:
                break
            except pynvml.NVMLError_GpuIsLost:
                # One card of the set is gone: what the others report is lost with it.
                break
            if event.eventType != pynvml.nvmlEventTypeXidCriticalError:
                continue
            heard.append(
                CardEvent(
                    pci=self._addresses.get(_number(event.device), ""),
                    xid=int(event.eventData),
                    gpu_instance=None if event.gpuInstanceId == _UNKNOWN else int(event.gpuInstanceId),
                )
            )
        return tuple(heard)


@contextmanager
def watching() -> Iterator[Watcher]:
    """Register for the errors of all cards; raises `NvmlUnavailable` where NVML cannot be used.

    For a process that stays: a worker, a monitor. NVML is open meanwhile.
    """
    with library():
        events = pynvml.nvmlEventSetCreate()
        addresses: dict[int | None, str] = {}
        unwatched: list[int] = []
        try:
            for index in range(pynvml.nvmlDeviceGetCount()):
                try:
                    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
                    pynvml.nvmlDeviceRegisterEvents(handle, pynvml.nvmlEventTypeXidCriticalError, events)
                    addresses[_number(handle)] = pci_of(handle)
                except pynvml.NVMLError:
                    # One that fails must not keep us from hearing of the others.
                    unwatched.append(index)
            yield Watcher(events, addresses, tuple(unwatched))
        finally:
            pynvml.nvmlEventSetFree(events)


def _number(handle: Any) -> int | None:
    # The card may answer nothing more, but its handle stays the same while NVML is open.
    return ctypes.cast(handle, ctypes.c_void_p).value
