"""Accounts, their ways in and their homes."""

from __future__ import annotations

import grp
import os
import pwd
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path

from adapters.linux_host.host.commands import run
from adapters.linux_host.host.problems import Unknown

from ..configuration import Configuration
from ..system import Account, Way

_LONG_AGO = "1970-01-02"
_LINE = re.compile(r'expiry-time="([0-9]{14})" (\S.*)')
_LOGIN_DEFS = ("-K", "SUB_UID_COUNT=0", "-K", "SUB_GID_COUNT=0")
_MAIL = ("/var/mail", "/var/spool/mail")
_SCHEDULES = ("/var/spool/cron/crontabs", "/var/spool/cron", "/var/lib/systemd/linger")


class Accounts:
    """The machine's accounts, as far as leases need them."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration

    def find(self, name: str) -> Account | None:
        """Return the account of this name, wherever the machine keeps it."""
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            return None
        return Account(name=name, uid=entry.pw_uid, comment=entry.pw_gecos)

    def has(self, uid: int) -> bool:
        """Say whether an account or a group has this id."""
        for look in (pwd.getpwuid, grp.getgrgid):
            try:
                look(uid)
            except KeyError:
                continue
            return True
        return False

    def add(self, name: str, uid: int, comment: str) -> None:
        """Make an account that nobody can enter, with a group and a home of its own."""
        homes = Path(self._configuration.homes)
        if not homes.is_dir():
            homes.mkdir(parents=True, mode=0o711)
            homes.chmod(0o711)
        if _group(name) is None:
            run(["groupadd", "-g", str(uid), name])
        run(
            [
                *("useradd", "-u", str(uid), "-g", name, "-c", comment, "-s", self._configuration.shell),
                *("-d", self._configuration.home_of(name), "-m", "-e", _LONG_AGO, "-p", "!"),
                # Without ids to hand on, nothing of the holder's can run or lie about under another id.
                *_LOGIN_DEFS,
                name,
            ]
        )
        Path(self._configuration.home_of(name)).chmod(0o700)
        made = self.find(name)
        if made is None or made.uid != uid:
            raise Unknown(f"useradd says that it made {name}, but the machine does not show it.")

    def way_in(self, name: str) -> Way | None:
        """Return the keys and the end that sshd sees; None when the account is locked and no keys are there.

        What is neither shut nor as it should be is shown as open to nobody known, until 1970.
        """
        shadow = _shadow(name)
        file = Path(self._configuration.keys_of(name))
        if shadow is None or (shadow.startswith("!") and not file.exists()):
            return None
        strange = Way(keys=(), until=datetime.fromtimestamp(0, timezone.utc))
        lines = file.read_text().splitlines() if file.exists() else []
        found = re.fullmatch(r"# SHARY until (\S+)", lines[0]) if lines else None
        if found is None or shadow.startswith("!"):
            return strange
        keys = [match[2] for match in map(_LINE.fullmatch, lines[1:]) if match]
        if len(keys) != len(lines) - 1:
            return strange
        return Way(keys=tuple(keys), until=datetime.fromisoformat(found[1]))

    def let_in(self, name: str, way: Way) -> None:
        """Write the keys where the holder cannot add any, and unlock the account until a day after the end."""
        # sshd reads this time in the machine's own time zone. It lets nobody in after it, though we be dead.
        ends = way.until.astimezone().strftime("%Y%m%d%H%M%S")
        lines = [f"# SHARY until {way.until.isoformat()}"]
        lines += [f'expiry-time="{ends}" {key}' for key in way.keys]
        file = Path(self._configuration.keys_of(name))
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        draft = file.with_name(f".{file.name}.new")
        draft.unlink(missing_ok=True)
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
        with os.fdopen(handle, "w") as opened:
            os.fchmod(opened.fileno(), 0o644)
            opened.write("".join(f"{line}\n" for line in lines))
            opened.flush()
            os.fsync(opened.fileno())
        draft.replace(file)
        expires = (way.until + timedelta(days=2)).strftime("%Y-%m-%d")
        run(["usermod", "-p", "*", "-e", expires, name])

    def lock_out(self, name: str) -> None:
        """Take the keys away and lock the account, each of which is enough."""
        Path(self._configuration.keys_of(name)).unlink(missing_ok=True)
        if self.find(name) is not None:
            run(["usermod", "-p", "!", "-e", _LONG_AGO, name])

    def remove(self, name: str) -> None:
        """Remove the account and its group."""
        Path(self._configuration.keys_of(name)).unlink(missing_ok=True)
        if self.find(name) is not None:
            # Forced: a process that is dead, but whose parent has not noticed, counts as one that runs.
            run(["userdel", "-f", name], may_fail=True)
        if _group(name) is not None:
            run(["groupdel", name])
        if self.find(name) is not None:
            raise Unknown(f"userdel says that it removed {name}, but the machine shows it still.")

    def remove_schedules(self, name: str) -> None:
        """Remove what would start something for the account later on."""
        for folder in _SCHEDULES:
            (Path(folder) / name).unlink(missing_ok=True)

    def remove_home(self, name: str) -> None:
        """Remove home and mail; what is mounted inside is taken out, not emptied."""
        home = self._configuration.home_of(name)
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            place = line.split()[4]
            if place == home or place.startswith(home + "/"):
                run(["umount", "-l", "--", place.replace("\\040", " ")], may_fail=True)
        run(["rm", "-rf", "--one-file-system", "--", home, *(f"{folder}/{name}" for folder in _MAIL)])

    def leftovers(self, name: str) -> list[str]:
        """Return what is kept under the account's name."""
        places = [f"{folder}/{name}" for folder in (*_SCHEDULES, *_MAIL)]
        places += [self._configuration.home_of(name), self._configuration.keys_of(name)]
        found = [place for place in dict.fromkeys(places) if os.path.lexists(place)]
        group = _group(name)
        if group is not None:
            found.append(f"group {name}")
        for file in ("/etc/subuid", "/etc/subgid"):
            text = Path(file).read_text() if Path(file).exists() else ""
            found += [f"line in {file}" for line in text.splitlines() if line.startswith(f"{name}:")]
        return found


def _group(name: str) -> int | None:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None


def _shadow(name: str) -> str | None:
    """Return the account's password field."""
    for line in Path("/etc/shadow").read_text().splitlines():
        parts = line.split(":")
        if parts[0] == name and len(parts) > 1:
            return parts[1]
    return None
