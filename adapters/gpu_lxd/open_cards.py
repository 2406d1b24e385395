"""Which processes of this host still have a card open, whatever LXD has taken away from them.

LXD takes a card out of a running container by its device node and its permission; a process that had
opened the node before goes on using it. NVML lists only processes that compute at this moment, so the
open files of all processes are looked at. That needs root on the LXD host.
"""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

NVIDIA_MAJOR = 195


@dataclass(frozen=True, slots=True)
class Host:
    """The machine that this process runs on."""

    root: Path = Path("/")

    def users_of(self, cards: Iterable[str]) -> tuple[int, ...] | None:
        """Return the processes that have one of the cards open; None when that cannot be seen from here."""
        nodes: set[tuple[int, int]] = set()
        for pci in cards:
            minor = self._minor(pci)
            if minor is None:
                return None
            nodes |= {(NVIDIA_MAJOR, minor), *self._drm_nodes(pci)}
        try:
            return tuple(pid for pid in self._processes() if self._has_open(pid, nodes))
        except PermissionError:
            return None

    def _minor(self, pci: str) -> int | None:
        try:
            text = (self.root / "proc/driver/nvidia/gpus" / pci / "information").read_text()
        except OSError:
            return None
        found = re.search(r"^Device Minor:\s*(\d+)", text, re.MULTILINE)
        return int(found[1]) if found else None

    def _drm_nodes(self, pci: str) -> Iterator[tuple[int, int]]:
        for file in (self.root / "sys/bus/pci/devices" / pci / "drm").glob("*/dev"):
            major, _, minor = file.read_text().strip().partition(":")
            yield int(major), int(minor)

    def _processes(self) -> Iterator[int]:
        for entry in (self.root / "proc").iterdir():
            if entry.name.isdecimal():
                yield int(entry.name)

    def _has_open(self, pid: int, nodes: set[tuple[int, int]]) -> bool:
        files = self.root / "proc" / str(pid) / "fd"
        try:
            entries = list(files.iterdir())
        except (FileNotFoundError, ProcessLookupError):
            return False
        for entry in entries:
            try:
                device = entry.stat().st_rdev
            except (FileNotFoundError, ProcessLookupError, NotADirectoryError):
                continue
            except OSError as error:
                # A file whose server does not answer is none of a card.
                if isinstance(error, PermissionError):
                    raise
                continue
            if (os.major(device), os.minor(device)) in nodes:
                return True
        return False
