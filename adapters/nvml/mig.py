"""NVML's calls for cutting a card, one step each: what it offers, what is there, make, take away."""

from collections.abc import Iterator
from ctypes import byref, c_uint
from dataclasses import dataclass
from math import ceil
from typing import Any

import pynvml

from adapters.nvml.library import text


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A kind of slice that the card offers."""

    id: int
    name: str
    compute_slices: int
    most: int
    size: int
    """In memory slices."""
    starts: tuple[int, ...]


def offers_of(handle: Any) -> tuple[Offer, ...]:
    """Return the kinds of slices that the card says it can be cut into; some drivers say so only with MIG on."""
    found = []
    for number in range(pynvml.NVML_GPU_INSTANCE_PROFILE_COUNT):
        info = _profile(handle, number)
        if info is None:
            continue
        places = _places(handle, info.id)
        found.append(
            Offer(
                id=info.id,
                name=_name(info),
                compute_slices=info.sliceCount,
                most=info.instanceCount,
                size=places[0].size if places else info.sliceCount,
                starts=tuple(place.start for place in places),
            )
        )
    return tuple(found)


def instances_of(handle: Any, offers: tuple[Offer, ...]) -> Iterator[tuple[Offer, Any]]:
    """Yield each GPU instance on the card, with its kind; needs root."""
    for offer in offers:
        count = c_uint()
        room = (pynvml.c_nvmlGpuInstance_t * max(offer.most, 1))()
        pynvml.nvmlDeviceGetGpuInstances(handle, offer.id, room, byref(count))
        for index in range(count.value):
            yield offer, room[index]


def empty(instance: Any) -> Iterator[None]:
    """Take away the compute instances of a GPU instance, and yield after each."""
    for info in _compute_profiles(instance):
        count = c_uint()
        room = (pynvml.c_nvmlComputeInstance_t * max(info.instanceCount, 1))()
        pynvml.nvmlGpuInstanceGetComputeInstances(instance, info.id, room, byref(count))
        for index in range(count.value):
            pynvml.nvmlComputeInstanceDestroy(room[index])
            yield


def destroy(instance: Any) -> None:
    """Take away an empty GPU instance."""
    pynvml.nvmlGpuInstanceDestroy(instance)


def create(handle: Any, offer: Offer, start: int) -> Any:
    """Make a GPU instance at the place; it cannot be used before it is filled."""
    place = pynvml.c_nvmlGpuInstancePlacement_t(start, offer.size)
    return pynvml.nvmlDeviceCreateGpuInstanceWithPlacement(handle, offer.id, byref(place))


def fill(instance: Any, offer: Offer) -> None:
    """Make the one compute instance that takes all of a GPU instance."""
    sizes = [info for info in _compute_profiles(instance) if info.sliceCount == offer.compute_slices]
    if not sizes:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
    pynvml.nvmlGpuInstanceCreateComputeInstance(instance, sizes[0].id)


def _profile(handle: Any, number: int) -> Any:
    for version in (2, 1):
        try:
            return pynvml.nvmlDeviceGetGpuInstanceProfileInfo(handle, number, version=version)
        except pynvml.NVMLError_FunctionNotFound:
            continue
        except (pynvml.NVMLError_NotSupported, pynvml.NVMLError_InvalidArgument):
            return None
    return None


def _places(handle: Any, profile: int) -> list[Any]:
    count = c_uint()
    pynvml.nvmlDeviceGetGpuInstancePossiblePlacements(handle, profile, None, byref(count))
    room = (pynvml.c_nvmlGpuInstancePlacement_t * max(count.value, 1))()
    pynvml.nvmlDeviceGetGpuInstancePossiblePlacements(handle, profile, room, byref(count))
    return sorted(room[: count.value], key=lambda place: place.start)


def _compute_profiles(instance: Any) -> Iterator[Any]:
    for number in range(pynvml.NVML_COMPUTE_INSTANCE_PROFILE_COUNT):
        try:
            yield pynvml.nvmlGpuInstanceGetComputeInstanceProfileInfo(
                instance, number, pynvml.NVML_COMPUTE_INSTANCE_ENGINE_PROFILE_SHARED
            )
        except (pynvml.NVMLError_NotSupported, pynvml.NVMLError_InvalidArgument):
            continue


def _name(info: Any) -> str:
    # The driver's name is “MIG 3g.40gb”; the first form of the answer has none.
    named = text(getattr(info, "name", b"")).removeprefix("MIG ").strip()
    return named or f"{info.sliceCount}g.{ceil(info.memorySizeMB / 1024)}gb"
