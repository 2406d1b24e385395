"""What tenants run: under their own id, or as somebody else after sudo, where the login gives them away."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from pathlib import Path

from adapters.linux_host.host.problems import Unknown
from adapters.linux_host.host.processes import running

from ..system import RunningProgram

_SLICE = re.compile(r"/user-(\d+)\.slice(?:/|$)", re.MULTILINE)
_UID = re.compile(r"^Uid:\s+(\d+)", re.MULTILINE)
_STATE = re.compile(r"^State:\s+(\S)", re.MULTILINE)


def processes_of(uids: Collection[int]) -> dict[int, list[str]]:
    """Return what runs for each of these ids."""
    found: dict[int, list[str]] = {uid: running(uid) for uid in uids} if len(uids) == 1 else {}
    if not found:
        # Only those that have anything are looked at thread by thread.
        seen = {uid for number in _numbers() for uid in _ids_of(number)}
        found = {uid: running(uid) if uid in seen else [] for uid in uids}
    for number, uid in _helpers(set(uids)):
        words = f"{_name(number)} ({number})"
        if words not in found[uid]:
            found[uid].append(words)
    return found


def end_helpers(uid: int, *, within_s: float = 15.0) -> None:
    """End what the tenant's logins started as somebody else."""
    _end(lambda: [number for number, _ in _helpers({uid})], within_s=within_s)


def programs_called(names: Collection[str], tenants: Collection[int]) -> list[RunningProgram]:
    """Return the programs of these names, and whether a tenant has them run."""
    helpers = dict(_helpers(set(tenants)))
    found = []
    for number in _called(names):
        uid = _uid(number)
        tenant = uid if uid in tenants else helpers.get(number)
        found.append(RunningProgram(words=f"{_name(number)} ({number}) of user id {uid}", tenant=tenant))
    return found


def end_programs(names: Collection[str], *, within_s: float = 15.0) -> None:
    """End the programs of these names, whoever runs them."""
    _end(lambda: list(_called(names)), within_s=within_s)


def _end(look: Callable[[], list[int]], *, within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while left := look():
        for number in left:
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        if time.monotonic() > deadline:
            words = ", ".join(f"{_name(number)} ({number})" for number in left[:5])
            raise Unknown(f"These do not end, though killed for {within_s:.0f} s: {words}.")
        time.sleep(0.02)


def _helpers(uids: set[int]) -> Iterator[tuple[int, int]]:
    """Yield the processes that belong to a login of one of these ids, whatever id they run under."""
    ours = _family()
    for number in _numbers():
        if number in ours or not _is_alive(number):
            continue
        login = _read(number, "loginuid").strip()
        if login.isdecimal() and int(login) in uids:
            yield number, int(login)
            continue
        found = _SLICE.search(_read(number, "cgroup"))
        if found and int(found[1]) in uids:
            yield number, int(found[1])


def _called(names: Collection[str]) -> Iterator[int]:
    ours = _family()
    for number in _numbers():
        if number in ours or not _is_alive(number):
            continue
        first = _read(number, "cmdline").partition("\0")[0]
        # The kernel keeps fifteen letters of a name.
        if os.path.basename(first) in names or _name(number) in {name[:15] for name in names}:  # noqa: PTH119
            yield number


def _family() -> set[int]:
    """Return this process and those that it came from: never to be ended by itself."""
    found, number = set(), os.getpid()
    while number > 0 and number not in found:
        found.add(number)
        parent = re.search(r"^PPid:\s+(\d+)", _read(number, "status"), re.MULTILINE)
        number = int(parent[1]) if parent else 0
    return found | {1}


def _numbers() -> list[int]:
    return [int(entry) for entry in os.listdir("/proc") if entry.isdecimal()]  # noqa: PTH208


def _ids_of(number: int) -> set[int]:
    found = re.search(r"^Uid:\s+(.*)$", _read(number, "status"), re.MULTILINE)
    return {int(word) for word in found[1].split()} if found else set()


def _uid(number: int) -> int | None:
    found = _UID.search(_read(number, "status"))
    return int(found[1]) if found else None


def _is_alive(number: int) -> bool:
    state = _STATE.search(_read(number, "status"))
    return state is not None and state[1] not in "ZX"


def _name(number: int) -> str:
    return _read(number, "comm").strip() or "?"


def _read(number: int, file: str) -> str:
    try:
        return Path(f"/proc/{number}/{file}").read_text(errors="replace")
    except OSError:
        return ""
