"""Everything that runs under a user id, and its end."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from pathlib import Path

from adapters.linux_host.host.commands import run
from adapters.linux_host.host.problems import Unknown

_UIDS = re.compile(r"^Uid:\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)", re.MULTILINE)
_STATE = re.compile(r"^State:\s+(\S)", re.MULTILINE)
_NAME = re.compile(r"^Name:\s+(.*)$", re.MULTILINE)
_QUIET_LOOKS = 3
# From OpenSSH 9.8 on a program of its own serves a connection.
_SSHDS = ("sshd", "sshd-session")


def running(uid: int) -> list[str]:
    """Return the processes that have the id in any way: real, effective, saved or for files.

    A process may outlive its first thread, so that only this one looks dead; what is dead does not count.
    """
    found = []
    for number in os.listdir("/proc"):  # noqa: PTH208 - looked through often, with much in it
        if not number.isdecimal():
            continue
        status = _status(f"/proc/{number}")
        uids, name = _UIDS.search(status), _NAME.search(status)
        if uids is None or str(uid) not in uids.groups():
            continue
        threads = Path(f"/proc/{number}/task").glob("*")
        if _is_alive(status) or any(_is_alive(_status(str(thread))) for thread in threads):
            found.append(f"{name[1] if name else '?'} ({number})")
    return found


def _status(folder: str) -> str:
    try:
        return Path(folder, "status").read_text(errors="replace")
    except OSError:
        return ""


def _is_alive(status: str) -> bool:
    state = _STATE.search(status)
    return state is not None and state[1] not in "ZX"


def end_all(name: str, uid: int, *, within_s: float = 15.0) -> None:
    """End all that runs under the id, however fast it multiplies; raise `Unknown` when something stays.

    A login in the making still runs as root, under the account's name: it ends too.
    """
    _tell_systemd(name, uid)
    deadline = time.monotonic() + within_s
    quiet = 0
    while quiet < _QUIET_LOOKS:
        for number in _logins(name):
            _kill(number)
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


def _logins(name: str) -> list[int]:
    """Return the processes of sshd that serve the account, by the titles that sshd gives them."""
    titles = tuple(f"{program}: {name}{mark}".encode() for program in _SSHDS for mark in (" ", "@"))
    return [
        int(number)
        for number in os.listdir("/proc")  # noqa: PTH208 - looked through often, with much in it
        if number.isdecimal() and _title(number).startswith(titles) and _is_root(number)
    ]


def _title(number: str) -> bytes:
    try:
        return Path(f"/proc/{number}/cmdline").read_bytes()
    except OSError:
        return b""


def _is_root(number: str) -> bool:
    # A tenant may call a process anything.
    uids = _UIDS.search(_status(f"/proc/{number}"))
    return uids is not None and uids[1] == "0"


def _kill(number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(number, signal.SIGKILL)


def _tell_systemd(name: str, uid: int) -> None:
    if Path("/run/systemd/system").is_dir():
        # No lingering, no user manager that starts again what is killed.
        run(["loginctl", "disable-linger", name], may_fail=True)
        run(["systemctl", "kill", "--signal=KILL", f"user-{uid}.slice"], may_fail=True)
        run(["systemctl", "stop", "--no-block", f"user@{uid}.service"], may_fail=True)


def end_services(uid: int) -> None:
    """Let systemd take down what it keeps for the id, and wait for it: its manager and its folder in /run."""
    if Path("/run/systemd/system").is_dir():
        services = [f"user@{uid}.service", f"user-runtime-dir@{uid}.service"]
        run(["systemctl", "stop", *services], may_fail=True)


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
                # The id has another name in each file, and the second place in all of them.
                found.append((kind, line[1]))
    return found


def remove_shared_objects(uid: int) -> None:
    """Remove the System V objects of the id."""
    switches = {"shm": "-m", "sem": "-s", "msg": "-q"}
    for kind, number in shared_objects(uid):
        run(["ipcrm", switches[kind], number], may_fail=True)
