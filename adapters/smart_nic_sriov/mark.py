"""What of a lease is written on a card: its marks, and the addresses made for it.

A virtual function has no room for a name. Its physical function has: alternative names (ip-link(8),
`altname`), which the kernel keeps beside the very settings they speak of, changes one at a time, shows to
whoever types `ip link`, and forgets at the same moment as the settings: with the driver or the machine.
"""

import hashlib
import re
from dataclasses import dataclass

from adapters.errors import InvalidSettings

_MARK = re.compile(r"shary\.(?P<unit>(?:vf|port)\d+)\.(?P<lease>[A-Za-z0-9_-]{1,64})\.(?P<epoch>\d{1,20})")
_LEASE = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Mark:
    """The lease that a function is said to carry."""

    unit: str
    """`vf3` for a virtual function, `port7` for a port function."""
    lease_id: str
    epoch: int

    @property
    def text(self) -> str:
        """Return the alternative name; a kernel takes 127 characters and no “:” or “/”."""
        if not _LEASE.fullmatch(self.lease_id):
            raise InvalidSettings(f"The lease “{self.lease_id}” has a name that no interface can have.")
        return f"shary.{self.unit}.{self.lease_id}.{self.epoch}"


def read_mark(name: str) -> Mark | None:
    """Return what an alternative name says, None when it is not ours."""
    found = _MARK.fullmatch(name)
    return Mark(found["unit"], found["lease"], int(found["epoch"])) if found else None


def lease_address(lease_id: str, unit: str) -> str:
    """Return the hardware address of a lease's function: locally administered, of one card."""
    return _address(f"lease\n{lease_id}\n{unit}")


def park_address(card: str, unit: str) -> str:
    """Return the address that a function has between leases."""
    return _address(f"parked\n{card}\n{unit}")


def _address(words: str) -> str:
    digest = hashlib.sha256(words.encode()).digest()
    return ":".join(f"{octet:02x}" for octet in (0x02, *digest[:5]))
