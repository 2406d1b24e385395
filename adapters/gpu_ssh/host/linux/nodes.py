"""The cards' device files, and the access lists that keep each of them to one account."""

from __future__ import annotations

import os
import re
import stat
import struct
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from adapters.linux_host.host.problems import Invalid, Unknown

from ..configuration import Configuration

_ACL = "system.posix_acl_access"
# acl(5) as the kernel keeps it: a version, then tag, permissions and id of each entry.
_VERSION, _NO_ID = 2, 0xFFFFFFFF
_OWNER, _USER, _GROUP_OWNER, _GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
_READ, _WRITE = 4, 2

_CARD_MAJOR, _CONTROL_MINOR = 195, 255
_NOBODY = 65534


class Nodes:
    """Device files of NVIDIA's driver: one for each card, and some for all."""

    def __init__(self, configuration: Configuration) -> None:
        self._devices = Path(configuration.device_root)
        self._driver = Path(configuration.driver_root)

    # --- where they are -----------------------------------------------------------------------------

    def minors(self) -> dict[str, int]:
        """Return the device minor of each card, by PCI address, as the driver gives it."""
        found = {}
        for folder in self._driver.glob("gpus/*"):
            match = re.search(r"^Device Minor:\s*(\d+)", _text(folder / "information"), re.MULTILINE)
            if match:
                found[folder.name.lower()] = int(match[1])
        return found

    def obstacles(self) -> list[str]:
        """Return why device files would not stay as they are set."""
        params = _text(self._driver / "params")
        if not params:
            return [f"NVIDIA's driver is not loaded: there is no {self._driver / 'params'}."]
        if re.search(r"^ModifyDeviceFiles:\s*0", params, re.MULTILINE):
            return []
        return [
            "NVIDIA's driver opens its device files to everybody again: put “options nvidia "
            "NVreg_ModifyDeviceFiles=0” into /etc/modprobe.d/shary.conf and load the driver anew."
        ]

    # --- looking --------------------------------------------------------------------------------------

    def users_of(self, pci: str) -> frozenset[int] | None:
        """Return who may use the card; None when its device file is open to more, or not there yet.

        What makes the file first says who may use it: so it had better be made here.
        """
        if pci not in self.minors():
            return frozenset()
        try:
            users = access_list(self._card(pci))
        except FileNotFoundError:
            return None
        if users is None:
            return None
        return frozenset(users)

    def can_open(self, pci: str, uid: int | None) -> bool:
        """Really try to open it, as that user id with no group; refused means: by its permissions."""
        return pci in self.minors() and opens(self._card(pci), _NOBODY if uid is None else uid)

    # --- setting ----------------------------------------------------------------------------------------

    def give(self, pci: str, uids: frozenset[int]) -> None:
        """Let these user ids and root use the card, nobody else; make device files that are missing."""
        self._make_common()
        node = self._card(pci)
        if not node.exists():
            os.mknod(node, 0o600 | stat.S_IFCHR, os.makedev(_CARD_MAJOR, self.minors()[pci]))
        set_access_list(node, dict.fromkeys(uids, _READ | _WRITE))
        if access_list(node) != dict.fromkeys(uids, _READ | _WRITE):
            raise Unknown(f"The access list of {node} is not what was set.")

    def _card(self, pci: str) -> Path:
        minors = self.minors()
        if pci not in minors:
            raise Invalid(f"The driver has no card at {pci}.")
        return self._devices / f"nvidia{minors[pci]}"

    def _make_common(self) -> None:
        """Make what all cards need: open to everybody, since without a card's own file it opens no card."""
        majors = _majors()
        wanted = [("nvidiactl", _CARD_MAJOR, _CONTROL_MINOR)] if _CARD_MAJOR in majors.values() else []
        if "nvidia-uvm" in majors:
            wanted += [("nvidia-uvm", majors["nvidia-uvm"], 0), ("nvidia-uvm-tools", majors["nvidia-uvm"], 1)]
        for name, major, minor in wanted:
            node = self._devices / name
            if not node.exists():
                os.mknod(node, 0o600 | stat.S_IFCHR, os.makedev(major, minor))
                node.chmod(0o666)


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""


def _majors() -> dict[str, int]:
    """Return the majors of character devices by the name of their driver."""
    found = {}
    for line in _text(Path("/proc/devices")).split("Block devices:")[0].splitlines():
        words = line.split()
        if len(words) == 2 and words[0].isdecimal():
            found[words[1]] = int(words[0])
    return found


def opens(node: Path, uid: int) -> bool:
    """Try to open a file as a user id without groups; say whether its permissions let it."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            try:
                os.close(os.open(node, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))
            except (PermissionError, FileNotFoundError):
                code = 0
            except OSError:
                # Whoever gets as far as the device itself was let in.
                code = 1
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return status != 0


def access_list(node: Path) -> dict[int, int] | None:
    """Return the users beside root that may use a file; None when a group or everybody may."""
    status = node.stat()
    if status.st_mode & 0o007 or status.st_uid != 0:
        return None
    try:
        packed = os.getxattr(node, _ACL)
    except OSError:
        # No list: then the group's bits are the group's.
        return {} if not status.st_mode & 0o070 or status.st_gid == 0 else None
    users = {}
    for tag, permissions, number in struct.iter_unpack("<HHI", packed[4:]):
        if tag == _USER and permissions:
            users[number] = permissions
        elif permissions and (tag == _GROUP or (tag == _GROUP_OWNER and status.st_gid != 0)):
            return None
    return users


def set_access_list(node: Path, users: Mapping[int, int]) -> None:
    """Let root and these users use a file, and nobody else. Closed to all for a moment in between."""
    os.chown(node, 0, 0)
    with suppress(OSError):
        os.removexattr(node, _ACL)
    node.chmod(0o600)
    if not users:
        return
    entries = [(_OWNER, _READ | _WRITE, _NO_ID)]
    entries += [(_USER, permissions, uid) for uid, permissions in sorted(users.items())]
    entries += [(_GROUP_OWNER, 0, _NO_ID), (_MASK, _READ | _WRITE, _NO_ID), (_OTHER, 0, _NO_ID)]
    packed = struct.pack("<I", _VERSION) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    try:
        os.setxattr(node, _ACL, packed)
    except OSError as error:
        raise Invalid(
            f"{node} takes no access list ({error}): its file system must know POSIX ACLs."
        ) from error
