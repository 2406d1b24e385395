"""Reads how the cards of this machine are joined."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import pynvml

from adapters.nvml.inventory import pci_of
from adapters.nvml.library import if_supported, library, text
from adapters.nvml.machine import SYSFS, numa_node_of
from adapters.pci import normal_form

_ANCESTORS = {
    pynvml.NVML_TOPOLOGY_INTERNAL: "board",
    pynvml.NVML_TOPOLOGY_SINGLE: "switch",
    pynvml.NVML_TOPOLOGY_MULTIPLE: "switches",
    pynvml.NVML_TOPOLOGY_HOSTBRIDGE: "host bridge",
    pynvml.NVML_TOPOLOGY_NODE: "NUMA node",
    pynvml.NVML_TOPOLOGY_SYSTEM: "system",
}
_CPU_WORDS = 16  # of 64 processors each


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two cards and what joins them."""

    first: str
    second: str
    common: str
    """The nearest thing above both: `board`, `switch`, `switches`, `host bridge`, `NUMA node`, `system`; or empty."""
    nvlinks: int = 0
    """Active links straight from one to the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a card sits in the machine."""

    pci: str
    numa_node: int | None = None
    """The NUMA node near to it, as the kernel says; None where it does not."""
    cpus: tuple[int, ...] = ()
    """The processors near to it; empty where NVML does not say."""
    nvlinks: int = 0
    """Its active links, to whatever."""
    nvswitch_links: int = 0
    """Those of them that end at a switch: all cards there reach each other at full speed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """All cards of the machine, and each pair of them."""

    places: tuple[Place, ...]
    pairs: tuple[Pair, ...]

    def pair(self, one: str, other: str) -> Pair | None:
        """Return what joins the two cards, whichever is named first."""
        wanted = {normal_form(one), normal_form(other)}
        return next((pair for pair in self.pairs if {pair.first, pair.second} == wanted), None)


def topology(sysfs: Path = SYSFS) -> Topology:
    """Return how the cards are joined, without those that fell off the bus or want a reset.

    Raises `NvmlUnavailable` when NVML cannot say.
    """
    with library():
        handles, links = [], {}
        for pci, handle in _handles():
            try:
                links[pci] = list(_links(handle))
            except (pynvml.NVMLError_GpuIsLost, pynvml.NVMLError_ResetRequired):
                continue
            handles.append((pci, handle))
        peers = {pci: Counter(peer for peer, _ in found) for pci, found in links.items()}
        return Topology(
            places=tuple(
                Place(
                    pci=pci,
                    numa_node=numa_node_of(pci, sysfs),
                    cpus=_cpus(handle),
                    nvlinks=len(links[pci]),
                    nvswitch_links=sum(is_switch for _, is_switch in links[pci]),
                )
                for pci, handle in handles
            ),
            pairs=tuple(
                Pair(first=one, second=other, common=_common(a, b), nvlinks=peers[one][other])
                for (one, a), (other, b) in combinations(handles, 2)
            ),
        )


def _handles() -> Iterator[tuple[str, Any]]:
    for index in range(pynvml.nvmlDeviceGetCount()):
        try:
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            yield pci_of(handle), handle
        except (pynvml.NVMLError_GpuIsLost, pynvml.NVMLError_ResetRequired):
            continue


def _links(handle: Any) -> Iterator[tuple[str, bool]]:
    """Yield the far end of each active link, and whether that is a switch."""
    for link in range(pynvml.NVML_NVLINK_MAX_LINKS):
        try:
            active = pynvml.nvmlDeviceGetNvLinkState(handle, link)
        except (pynvml.NVMLError_NotSupported, pynvml.NVMLError_InvalidArgument):
            # The first number beyond the card's last link.
            return
        if not active:
            continue
        remote = if_supported(pynvml.nvmlDeviceGetNvLinkRemotePciInfo, handle, link)
        kind = if_supported(pynvml.nvmlDeviceGetNvLinkRemoteDeviceType, handle, link)
        yield (
            normal_form(text(remote.busId)) if remote else "",
            kind == pynvml.NVML_NVLINK_DEVICE_TYPE_SWITCH,
        )


def _cpus(handle: Any) -> tuple[int, ...]:
    words = if_supported(pynvml.nvmlDeviceGetCpuAffinity, handle, _CPU_WORDS)
    return tuple(
        64 * index + bit for index, word in enumerate(words or ()) for bit in range(64) if word >> bit & 1
    )


def _common(one: Any, other: Any) -> str:
    level = if_supported(pynvml.nvmlDeviceGetTopologyCommonAncestor, one, other)
    return _ANCESTORS.get(level, "") if level is not None else ""
