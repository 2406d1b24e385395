"""What the operator of the host allows: `/etc/shary-gpu-host.json`."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, fields
from pathlib import Path

from adapters.linux_host.host.problems import Invalid

DEFAULT_FILE = Path("/etc/shary-gpu-host.json")
_FIRST_UID = 1000
_PCI = re.compile(r"(?:([0-9a-f]{1,8}):)?([0-9a-f]{1,2}):([0-9a-f]{1,2})\.([0-7])")

_ROOTS = (
    "/tmp",  # noqa: S108 - looked through, never trusted
    "/var/tmp",  # noqa: S108
    "/dev/shm",  # noqa: S108
    "/dev/mqueue",
    "/run",
    "/var/spool",
    "/var/mail",
    "/var/crash",
)


def normal_pci(address: str) -> str:
    """Return a PCI address as the kernel writes it: `0000:65:00.0`; raise ValueError for anything else."""
    found = _PCI.fullmatch(address.strip().lower())
    if found is None:
        raise ValueError(f"“{address}” is not a PCI address such as 0000:65:00.0")
    domain, bus, device, function = found.groups()
    return f"{int(domain or '0', 16):04x}:{int(bus, 16):02x}:{int(device, 16):02x}.{function}"


@dataclass(frozen=True)
class Configuration:
    """The cards on offer, and where things are on this host."""

    cards: tuple[str, ...]
    uids: range = range(70000, 100000)
    homes: str = "/home/shary"
    keys: str = "/etc/ssh/shary_keys/{account}"
    """Where sshd looks for the keys of an account; `{home}` may be used as well."""
    shell: str = "/bin/bash"
    state: str = "/var/lib/shary-gpu-host"
    wipe: tuple[str, ...] = _ROOTS
    """Folders in which a holder may leave files: emptied of theirs, without crossing into other mounts."""
    look: tuple[str, ...] = ()
    """More folders that are looked through for the proof, such as a data disk; nothing is removed there."""
    look_s: float = 60.0
    idle_memory_mib: int = 1024
    nvidia_smi: str = "nvidia-smi"
    probe: tuple[str, ...] = ()
    """A command whose checks are added to the proof; `{pci}` and `{uuid}` stand for the card's."""
    probe_s: float = 180.0
    device_root: str = "/dev"
    driver_root: str = "/proc/driver/nvidia"
    more: dict[str, str] = field(default_factory=dict)
    """Notes of the operator's own."""

    def home_of(self, account: str) -> str:
        """Return the account's home."""
        return f"{self.homes}/{account}"

    def keys_of(self, account: str) -> str:
        """Return the file in which sshd looks for the account's keys."""
        return self.keys.format(account=account, home=self.home_of(account))


def read_configuration(file: Path) -> Configuration:
    """Return what the operator wrote; raise `Invalid` when it cannot work or others could have written it."""
    try:
        status = file.stat()
        written = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise Invalid(f"The host's configuration {file} cannot be read: {error}.") from error
    if status.st_uid != 0 or status.st_mode & 0o022:
        raise Invalid(f"{file} must belong to root and be writable by root only.")
    return configuration_from(written, str(file))


def configuration_from(written: object, name: str) -> Configuration:
    """Return the configuration that the values stand for."""
    if not isinstance(written, dict):
        raise Invalid(f"{name} must be one JSON object.")
    strange = sorted(set(written) - {entry.name for entry in fields(Configuration)})
    if strange:
        raise Invalid(f"{name} has what nobody knows: {', '.join(strange)}.")
    values = dict(written)
    try:
        values["cards"] = tuple(normal_pci(str(card)) for card in values["cards"])
        if "uids" in values:
            first, last = (int(uid) for uid in values["uids"])
            values["uids"] = range(first, last + 1)
        for name_of_list in ("wipe", "look", "probe"):
            if name_of_list in values:
                values[name_of_list] = tuple(str(entry) for entry in values[name_of_list])
        made = Configuration(**values)
    except (KeyError, TypeError, ValueError) as error:
        raise Invalid(f"{name} cannot work: {error!r}.") from error
    if not made.uids or made.uids.start < _FIRST_UID:
        raise Invalid(f"{name}: “uids” must be two numbers of at least {_FIRST_UID}, first and last.")
    for path in (made.homes, made.keys_of("x"), made.state, *made.wipe, *made.look):
        if not path.startswith("/") or path == "/" or ".." in path.split("/"):
            raise Invalid(f"{name}: “{path}” must be an absolute path below /.")
    return made
