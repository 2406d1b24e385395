"""Proves that nothing of a lease is left, with eyes of its own: what cleaned is not asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from adapters.linux_host.host.problems import Problem

from .configuration import Configuration, Look
from .system import System


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    expected: str
    found: str
    passed: bool
    method: str


def check_all(system: System, configuration: Configuration, *, account: str | None) -> Iterator[Check]:
    """Look at everything that a holder could have left; without an account, at the switch alone."""
    yield _none("obstacles", system.obstacles(), "sshd's own settings, groups, configuration")
    tenants = system.tenants()
    if account is not None:
        yield from _of_account(system, account, tenants.get(account))
    open_doors = [
        name for name in sorted(tenants) if name != account and not system.is_denied_seen_otherwise(name)
    ]
    yield _none("other tenants who can enter", open_doors, "groups of each account")
    busy = [word for words in system.processes(tenants.values()).values() for word in words]
    yield _none("processes of tenants", busy, "user id, login and slice of every process in /proc")
    run = [program.words for program in system.programs() if program.tenant is not None]
    yield _none("control programs run by tenants", run, "name, user id and login of every process in /proc")
    for look in configuration.looks:
        yield _looked(system, look)


def _of_account(system: System, account: str, uid: int | None) -> Iterator[Check]:
    denied = uid is None or system.is_denied_seen_otherwise(account)
    yield Check(
        name=f"account {account}",
        expected="denied",
        found="denied" if denied else "can enter",
        passed=denied,
        method="groups of the account, as “id” sees them",
    )
    yield _none("keys", ["a file with keys"] if system.way_in(account) else [], "the file that sshd reads")
    yield _none("things that start later", system.schedules(account), "cron, at, linger")
    if uid is not None:
        yield _none("sessions", system.sessions(account, uid), "who, loginctl")
        yield _none("files outside the home", system.files(uid), "owner of every file in the folders emptied")
        yield _none("shared memory, semaphores, message queues", system.ipc(uid), "/proc/sysvipc")


def _looked(system: System, look: Look) -> Check:
    try:
        found = system.look(look).strip()
    except Problem as problem:
        found = f"no answer: {problem}"
    return Check(
        name=look.name,
        expected=look.expect[:300],
        found=found[:300],
        passed=found == look.expect.strip(),
        method=" ".join(look.command)[:200],
    )


def _none(name: str, found: list[str], method: str) -> Check:
    shown = ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
    return Check(name, "none", shown or "none", not found, method)
