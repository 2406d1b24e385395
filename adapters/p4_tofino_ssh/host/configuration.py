"""What the operator of the switch allows: `/etc/shary-switch-host.json`."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path

from adapters.linux_host.host.problems import Invalid

DEFAULT_FILE = Path("/etc/shary-switch-host.json")

_ROOTS = (
    "/tmp",  # noqa: S108 - looked through, never trusted
    "/var/tmp",  # noqa: S108
    "/dev/shm",  # noqa: S108
    "/dev/mqueue",
    "/dev/hugepages",
    "/var/spool/cron",
    "/var/spool/at",
)


@dataclass(frozen=True)
class Look:
    """A command of the operator's that must print this, or the switch is not clean."""

    name: str
    command: tuple[str, ...]
    expect: str


@dataclass(frozen=True)
class Configuration:
    """Who the tenants are, and how the switch is brought back to what it was."""

    tenants: str
    """The group of all accounts that the switch is lent to."""
    restore: tuple[str, ...]
    """The command that loads the known image again; it may take `restore_s`."""
    restore_s: float = 240.0
    looks: tuple[Look, ...] = ()
    look_s: float = 60.0
    deny: str = "deny-ssh"
    """The group that sshd refuses: `DenyGroups`."""
    keep: tuple[str, ...] = ()
    """Accounts of the tenants' group that are never touched, such as the operator's."""
    programs: tuple[str, ...] = ("bf_switchd",)
    """Control programs, ended by name at the end of a lease whoever runs them."""
    keys: str = "/etc/ssh/shary_keys/{account}"
    sshd: tuple[str, ...] = ("sshd", "-T")
    """The command that prints sshd's settings as they are."""
    state: str = "/var/lib/shary-switch-host"
    wipe: tuple[str, ...] = _ROOTS

    def keys_of(self, account: str) -> Path:
        """Return the file in which sshd looks for the account's keys."""
        return Path(self.keys.format(account=account))


def read_configuration(file: Path) -> Configuration:
    """Return what the operator wrote; raise `Invalid` when it cannot work or others could have written it."""
    try:
        status = file.stat()
        written = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise Invalid(f"The switch's configuration {file} cannot be read: {error}.") from error
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
        for list_name in ("restore", "keep", "programs", "sshd", "wipe"):
            if list_name in values:
                if not isinstance(values[list_name], list):
                    raise TypeError(f"“{list_name}” is a list")
                values[list_name] = tuple(str(entry) for entry in values[list_name])
        values["looks"] = tuple(
            Look(
                name=str(look["name"]),
                command=tuple(str(word) for word in look["command"]),
                expect=str(look["expect"]),
            )
            for look in values.get("looks", ())
        )
        made = Configuration(**values)
    except (KeyError, TypeError, ValueError) as error:
        raise Invalid(f"{name} cannot work: {error!r}.") from error
    if not made.restore or not all(look.command for look in made.looks):
        raise Invalid(f"{name}: “restore” and the command of each look need at least a word.")
    if "{account}" not in made.keys:
        raise Invalid(f"{name}: “keys” has to contain “{{account}}”, or all tenants would share one file.")
    for path in (str(made.keys_of("x")), made.state, *made.wipe):
        if not path.startswith("/") or path == "/" or ".." in path.split("/"):
            raise Invalid(f"{name}: “{path}” must be an absolute path below /.")
    return made
