"""The parts of a real control processor, put together."""

from __future__ import annotations

import grp
import os
import pwd
import socket
import time
from collections.abc import Collection, Mapping
from datetime import datetime, timezone
from pathlib import Path

from adapters.linux_host.host import files, processes
from adapters.linux_host.host.commands import run
from adapters.linux_host.host.keys import Way, read_way, write_way
from adapters.linux_host.host.problems import Invalid, Unknown

from ..configuration import Configuration, Look
from ..system import RunningProgram, System
from . import tenants

_FIRST_UID = 1000
_SCHEDULES = ("/var/spool/cron/crontabs", "/var/spool/cron", "/var/lib/systemd/linger")


class LinuxSystem(System):
    """This machine. Needs root."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration

    # --- looks --------------------------------------------------------------------------------------

    def hostname(self) -> str:
        return socket.gethostname()

    def now(self) -> datetime:
        return datetime.now(timezone.utc)

    def obstacles(self) -> list[str]:
        deny = self._configuration.deny
        for group in (deny, self._configuration.tenants):
            if _group(group) is None:
                return [f"There is no group “{group}”: make it with “groupadd {group}”."]
        shown = run(self._configuration.sshd).lower().splitlines()
        denied = [word for line in shown if line.startswith("denygroups ") for word in line.split()[1:]]
        if deny.lower() in denied:
            return []
        return [
            f"sshd does not refuse the group {deny}: put “DenyGroups {deny}” into its configuration and reload it."
        ]

    def tenants(self) -> Mapping[str, int]:
        group = _group(self._configuration.tenants)
        if group is None:
            raise Invalid(f"There is no group “{self._configuration.tenants}” on this machine.")
        members = {entry.pw_name: entry for entry in pwd.getpwall() if entry.pw_gid == group.gr_gid}
        # An account of that name may be gone, and its name still in the group.
        members |= {name: entry for name in group.gr_mem if (entry := _account(name))}
        return {
            name: entry.pw_uid
            for name, entry in members.items()
            if entry.pw_uid >= _FIRST_UID and name not in self._configuration.keep
        }

    def is_denied(self, name: str) -> bool:
        group = _group(self._configuration.deny)
        return group is not None and name in group.gr_mem

    def is_denied_seen_otherwise(self, name: str) -> bool:
        return self._configuration.deny in run(["id", "-nG", "--", name]).split()

    def way_in(self, name: str) -> Way | None:
        return read_way(self._configuration.keys_of(name))

    def processes(self, uids: Collection[int]) -> Mapping[int, list[str]]:
        return tenants.processes_of(uids)

    def sessions(self, name: str, uid: int) -> list[str]:
        found = [line for line in run(["who"], may_fail=True).splitlines() if line.split()[:1] == [name]]
        if Path("/run/systemd/system").is_dir():
            listed = run(["loginctl", "list-sessions", "--no-legend"], may_fail=True)
            found += [line.strip() for line in listed.splitlines() if line.split()[1:2] == [str(uid)]]
        return found

    def programs(self) -> list[RunningProgram]:
        return tenants.programs_called(self._configuration.programs, self.tenants().values())

    def files(self, uid: int) -> list[str]:
        try:
            return files.files_of(uid, self._configuration.wipe, within_s=self._configuration.look_s)
        except Unknown as problem:
            return [str(problem)]

    def ipc(self, uid: int) -> list[str]:
        return [f"{kind} {number}" for kind, number in processes.shared_objects(uid)]

    def schedules(self, name: str) -> list[str]:
        places = [f"{folder}/{name}" for folder in _SCHEDULES]
        return [place for place in dict.fromkeys(places) if os.path.lexists(place)]

    def look(self, look: Look) -> str:
        return run(look.command, timeout_s=self._configuration.look_s)

    # --- deeds --------------------------------------------------------------------------------------

    def deny(self, name: str) -> None:
        if not self.is_denied(name):
            self._set_group("-a", name)
        self._configuration.keys_of(name).unlink(missing_ok=True)
        if not self.is_denied(name):
            raise Unknown(f"gpasswd says that it denied {name}, but the group does not show it.")

    def let_in(self, name: str, way: Way) -> None:
        write_way(self._configuration.keys_of(name), way)
        if self.is_denied(name):
            self._set_group("-d", name)

    def end_processes(self, name: str, uid: int) -> None:
        for folder in _SCHEDULES:
            (Path(folder) / name).unlink(missing_ok=True)
        processes.end_all(name, uid)
        # What was started with sudo has root's id, and still the tenant's login.
        tenants.end_helpers(uid)

    def end_programs(self) -> None:
        tenants.end_programs(self._configuration.programs)

    def remove_traces(self, name: str, uid: int) -> None:
        processes.end_services(uid)
        files.remove_files(uid, self._configuration.wipe)
        processes.remove_shared_objects(uid)

    def restore(self) -> None:
        run(self._configuration.restore, timeout_s=self._configuration.restore_s)

    def _set_group(self, switch: str, name: str) -> None:
        # The site's own cron may be writing the same file at this moment.
        for wait_s in (0.2, 0.5, 1.0, 2.0):
            run(["gpasswd", switch, name, self._configuration.deny], may_fail=True)
            if self.is_denied(name) == (switch == "-a"):
                return
            time.sleep(wait_s)
        run(["gpasswd", switch, name, self._configuration.deny])


def _account(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _group(name: str) -> grp.struct_group | None:
    try:
        return grp.getgrnam(name)
    except KeyError:
        return None
