"""Reads the MIG slices of a card through NVML; needs no root."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pynvml

from adapters.gpu.geometry import profile_in
from adapters.nvml.library import MIB, if_supported, text


@dataclass(frozen=True, slots=True, kw_only=True)
class NvmlSlice:
    """A MIG slice of a card."""

    uuid: str
    model: str
    """With the profile at its end: “NVIDIA H100 80GB HBM3 MIG 1g.10gb”."""
    memory_mib: int
    memory_used_mib: int = 0
    profile: str = ""
    """As nvidia-smi prints it: `1g.10gb`."""
    gpu_instance: int | None = None
    compute_instance: int | None = None
    start: int | None = None
    """Its first memory slice; None where this user may not see it."""
    size: int | None = None
    """How many memory slices it has."""


def slices_of(handle: Any) -> tuple[NvmlSlice, ...]:
    """Return the slices of the card behind a handle, in the order of their places."""
    return tuple(sorted((found for _, found in open_slices(handle)), key=_place))


def open_slices(handle: Any) -> Iterator[tuple[Any, NvmlSlice]]:
    """Yield a handle for each slice of the card, and how it is."""
    for index in range(pynvml.nvmlDeviceGetMaxMigDeviceCount(handle)):
        try:
            part = pynvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, index)
        except pynvml.NVMLError_NotFound:
            # They are not numbered without gaps.
            continue
        yield part, _slice(handle, part)


def _slice(card: Any, part: Any) -> NvmlSlice:
    model = text(pynvml.nvmlDeviceGetName(part))
    instance = if_supported(pynvml.nvmlDeviceGetGpuInstanceId, part)
    placement = None if instance is None else if_supported(_placement, card, instance)
    memory = pynvml.nvmlDeviceGetMemoryInfo(part)
    return NvmlSlice(
        uuid=text(pynvml.nvmlDeviceGetUUID(part)),
        model=model,
        memory_mib=memory.total // MIB,
        memory_used_mib=memory.used // MIB,
        profile=profile_in(model),
        gpu_instance=instance,
        compute_instance=if_supported(pynvml.nvmlDeviceGetComputeInstanceId, part),
        start=placement.start if placement else None,
        size=placement.size if placement else None,
    )


def _placement(card: Any, instance: int) -> Any:
    return pynvml.nvmlGpuInstanceGetInfo(pynvml.nvmlDeviceGetGpuInstanceById(card, instance)).placement


def _place(part: NvmlSlice) -> tuple[int, int, int]:
    # Who may not see places gets the order of the instances, which is at least always the same.
    return (
        -1 if part.start is None else part.start,
        part.gpu_instance or 0,
        part.compute_instance or 0,
    )
