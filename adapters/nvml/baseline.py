"""Takes a card's baseline, and puts back what a lease has changed."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pynvml

from adapters.gpu.baseline import CardBaseline
from adapters.nvml.health import counters_of
from adapters.nvml.inventory import COMPUTE_MODES, NvmlCard, card_of
from adapters.nvml.library import NvmlUnavailable, cuda_version, driver_version, handle_at, library
from adapters.nvml.machine import SYSFS, driver_of


def take_baseline(pci: str, *, sysfs: Path = SYSFS) -> CardBaseline:
    """Return how the card is now, for the operator to accept as its baseline.

    Raises `NvmlUnavailable` when NVML does not see the card, or cannot say.
    """
    with library():
        card, handle = open_card(pci)
        return baseline_of(card, handle, sysfs=sysfs)


def baseline_of(card: NvmlCard, handle: Any, *, sysfs: Path = SYSFS) -> CardBaseline:
    """Return how a card is that was just read, and whose handle is open."""
    return CardBaseline(
        uuid=card.uuid,
        vbios=card.vbios or None,
        driver_binding=driver_of(card.pci, sysfs),
        compute_mode=card.compute_mode,  # type: ignore[arg-type]  # one of COMPUTE_MODES
        mig_enabled=card.mig_enabled if card.mig_capable else None,
        geometry=card.geometry if card.mig_capable else None,
        ecc_enabled=card.ecc_enabled,
        persistence=card.persistence,
        power_limit_w=card.power.current_w,
        application_graphics_mhz=card.clocks.application_graphics_mhz,
        application_memory_mhz=card.clocks.application_memory_mhz,
        errors=counters_of(handle),
        taken_at=datetime.now(UTC).replace(microsecond=0),
    )


def open_card(pci: str) -> tuple[NvmlCard, Any]:
    """Return the card and its handle, inside of `library()`; raise `NvmlUnavailable` when NVML does not see it."""
    handle = handle_at(pci)
    if handle is None:
        raise NvmlUnavailable(
            f"NVML does not see the card at {pci}: it may be with a virtual machine, or off the bus."
        )
    return card_of(handle, driver_version(), cuda_version()), handle


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What `restore_baseline` has done."""

    done: tuple[str, ...] = ()
    """What it has put back, by name."""
    left: tuple[str, ...] = ()
    """What it could not put back, each with the reason and the way out."""


def restore_baseline(pci: str, baseline: CardBaseline) -> Restored:
    """Put back power limit, clocks, compute mode, ECC and persistence, where they differ.

    Somebody with root on the host, or in a privileged container, can have changed them. It needs root itself: what
    it may not do it returns in `left`. Locked clocks cannot be read, so they are always set.
    Slices are not touched: see `adapters.nvml.reshape`.

    Raises `NvmlUnavailable` when NVML does not see the card, or cannot say.
    """
    with library():
        card, handle = open_card(pci)
        done: list[str] = []
        left: list[str] = []
        for name, put_back in _steps(card, handle, baseline):
            try:
                put_back()
            except pynvml.NVMLError_NoPermission:
                left.append(f"{name}: this needs root on the card's host.")
            except pynvml.NVMLError_NotSupported:
                if name not in _BLINDLY:
                    left.append(f"{name}: the card does not know it.")
            except pynvml.NVMLError_GpuIsLost:
                raise
            except pynvml.NVMLError as error:
                left.append(f"{name}: NVML refused ({error}).")
            else:
                done.append(name)
        wanted_ecc = baseline.ecc_enabled
        if wanted_ecc is not None and card.ecc_enabled is not None and card.ecc_enabled != wanted_ecc:
            # The mode itself changes with the next reset only, also after it was put back.
            left.append(f"ECC: a reset is needed: nvidia-smi --gpu-reset -i {card.uuid}.")
        return Restored(done=tuple(done), left=tuple(left))


_BLINDLY = ("locked clocks, graphics", "locked clocks, memory")

_Step = tuple[str, Callable[[], object]]


def _steps(card: NvmlCard, handle: Any, wanted: CardBaseline) -> list[_Step]:
    """Return what has to be put back: persistence first, for without it settings do not last."""
    steps: list[_Step] = []

    def step(name: str, function: Callable[..., object], *arguments: object) -> None:
        steps.append((name, lambda: function(handle, *arguments)))

    if wanted.persistence is not None and card.persistence not in (None, wanted.persistence):
        step("persistence", pynvml.nvmlDeviceSetPersistenceMode, int(wanted.persistence))
    if wanted.compute_mode is not None and card.compute_mode not in (None, wanted.compute_mode):
        step("compute mode", pynvml.nvmlDeviceSetComputeMode, COMPUTE_MODES.index(wanted.compute_mode))
    if wanted.ecc_enabled is not None and card.ecc_pending not in (None, wanted.ecc_enabled):
        step("ECC after the next reset", pynvml.nvmlDeviceSetEccMode, int(wanted.ecc_enabled))
    if wanted.power_limit_w is not None and card.power.current_w not in (None, wanted.power_limit_w):
        step("power limit", pynvml.nvmlDeviceSetPowerManagementLimit, round(wanted.power_limit_w * 1000))
    _lock(step, "locked clocks, graphics", wanted.locked_graphics_mhz, "Gpu")
    _lock(step, "locked clocks, memory", wanted.locked_memory_mhz, "Memory")
    clocks = (wanted.application_memory_mhz, wanted.application_graphics_mhz)
    now = (card.clocks.application_memory_mhz, card.clocks.application_graphics_mhz)
    if None not in clocks and None not in now and clocks != now:
        step("application clocks", pynvml.nvmlDeviceSetApplicationsClocks, *clocks)
    return steps


def _lock(step: Callable[..., None], name: str, wanted: tuple[int, int] | None, what: str) -> None:
    if wanted:
        step(name, getattr(pynvml, f"nvmlDeviceSet{what}LockedClocks"), *wanted)
    else:
        step(name, getattr(pynvml, f"nvmlDeviceReset{what}LockedClocks"))
