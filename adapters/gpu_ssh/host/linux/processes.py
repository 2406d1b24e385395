"""Everything that runs under a user id, and its end."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

from ..problems import Unknown
from .commands import run

_UIDS = re.compile(r"^Uid:\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)", re.MULTILINE)
_STATE = re.compile(r"^State:\s+(\S)", re.MULTILINE)
_NAME = re.compile(r"^Name:\s+(.*)$", re.MULTILINE)
_QUIET_LOOKS = 3


def running(uid: int) -> list[str]:
    """Return the processes that have the id in any way: real, effective, saved or for files.

    Looks at threads, since a process may outlive its first one; what is dead does not count.
    """
    found = []
    for process in Path("/proc").iterdir():
        if not process.name.isdecimal():
            continue
        try:
            threads = sorted((process / "task").iterdir())
        except OSError:
            continue
        for thread in threads:
            try:
                status = (thread / "status").read_text(errors="replace")
            except OSError:
                continue
            uids, state, name = _UIDS.search(status), _STATE.search(status), _NAME.search(status)
            if uids and str(uid) in uids.groups() and state and state[1] not in "ZX":
                found.append(f"{name[1] if name else '?'} ({process.name})")
                break
    return found


def end_all(name: str, uid: int, *, within_s: float = 15.0) -> None:
    """End all that runs under the id, however fast it multiplies; raise `Unknown` when something stays."""
    _tell_systemd(name, uid)
    deadline = time.monotonic() + within_s
    quiet = 0
    while quiet < _QUIET_LOOKS:
        _kill_at_once(uid)
        left = running(uid)
        if not left:
            # A login that was let in a moment ago may only now become a process.
            quiet += 1
        else:
            quiet = 0
            if time.monotonic() > deadline:
                raise Unknown(f"These do not end, though killed for {within_s:.0f} s: {', '.join(left[:5])}.")
        time.sleep(0.02)


def _kill_at_once(uid: int) -> None:
    """Kill everything that the id may kill in one call, so that no fork can slip through."""
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            os.kill(-1, signal.SIGKILL)
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def _tell_systemd(name: str, uid: int) -> None:
    if Path("/run/systemd/system").is_dir():
        # No lingering, no user manager that starts again what is killed.
        run(["loginctl", "disable-linger", name], may_fail=True)
        run(["systemctl", "kill", "--signal=KILL", f"user-{uid}.slice"], may_fail=True)
        run(["systemctl", "stop", "--no-block", f"user@{uid}.service"], may_fail=True)


def shared_objects(uid: int) -> list[tuple[str, str]]:
    """Return kind and id of the System V objects that the id owns or made."""
    found = []
    for kind in ("shm", "sem", "msg"):
        try:
            lines = [line.split() for line in Path(f"/proc/sysvipc/{kind}").read_text().splitlines()]
        except OSError:
            continue
        if not lines:
            continue
        head = lines[0]
        for line in lines[1:]:
            entry = dict(zip(head, line))
            if str(uid) in (entry.get("uid"), entry.get("cuid")):
                found.append((kind, entry.get(f"{kind}id") or entry.get("semid") or ""))
    return found


def remove_shared_objects(uid: int) -> None:
    """Remove the System V objects of the id."""
    switches = {"shm": "-m", "sem": "-s", "msg": "-q"}
    for kind, number in shared_objects(uid):
        run(["ipcrm", switches[kind], number], may_fail=True)
