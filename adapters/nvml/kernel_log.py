"""Reads the driver's error numbers (Xid) from the kernel's log, where this process may.

NVML keeps no history of errors; the kernel's log does until it is overwritten.
Reading /dev/kmsg needs root or `kernel.dmesg_restrict=0`.
"""

import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path

from adapters.pci import normal_form

KMSG = Path("/dev/kmsg")
# “NVRM: Xid (PCI:0000:65:00): 79, pid=…”: the function is not written.
_LINE = re.compile(
    rb"^\d+,\d+,(?P<at_us>\d+),[^;]*;NVRM: Xid \(PCI:(?P<pci>[0-9a-fA-F:]+)(\.\d)?\): (?P<xid>\d+)"
)
_RECORD = 8192
_MOST = 200_000


def xids_in_kernel_log(pci: str, *, since_uptime_s: float = 0, log: Path = KMSG) -> tuple[int, ...] | None:
    """Return the errors of the card that the log still holds, oldest first; None where it may not be read.

    `since_uptime_s` leaves out what is older, counted from the start of the machine as the log counts.
    """
    address = normal_form(pci)
    try:
        records = list(_records(log))
    except OSError:
        return None
    found = []
    for record in records:
        match = _LINE.match(record)
        if match is None or int(match["at_us"]) < since_uptime_s * 1_000_000:
            continue
        if normal_form(match["pci"].decode() + ".0") == address:
            found.append(int(match["xid"]))
    return tuple(found)


def _records(log: Path) -> Iterator[bytes]:
    # Each read of /dev/kmsg gives one record; a plain file gives its lines.
    descriptor = os.open(log, os.O_RDONLY | os.O_NONBLOCK)
    rest = b""
    try:
        for _ in range(_MOST):
            try:
                chunk = os.read(descriptor, _RECORD)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno == errno.EPIPE:
                    # Overwritten while we read: the next read goes on with the oldest that is left.
                    continue
                raise
            if not chunk:
                if rest:
                    yield rest
                return
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines
    finally:
        os.close(descriptor)
