"""Proves that nothing of a lease is left, with eyes of its own: what cleaned is not asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from adapters.linux_host.host.problems import Problem

from .configuration import Configuration
from .system import Card, System


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    expected: str
    found: str
    passed: bool
    method: str


def check_all(
    system: System,
    configuration: Configuration,
    *,
    account: str,
    uid: int | None,
    cards: tuple[str, ...],
) -> Iterator[Check]:
    """Look at everything that a holder could have left; without a user id, at what has names only."""
    found = system.account(account)
    yield Check(
        "account", "absent", f"user id {found.uid}" if found else "absent", found is None, "account database"
    )
    yield _none("things kept for the account", system.schedules(account), "home, keys, cron, at, linger, mail")
    if uid is not None:
        yield _none("processes", system.processes(uid), "user ids of every thread in /proc")
        yield _none("files", system.files(uid), "owner of every file in the folders that holders can write")
        yield _none("shared memory, semaphores, message queues", system.ipc(uid), "/proc/sysvipc")
    seen, complaint = _cards(system)
    for pci in cards:
        yield from _of_card(system, configuration, pci, seen.get(pci), complaint, uid)


def _cards(system: System) -> tuple[dict[str, Card], str]:
    try:
        return {card.pci: card for card in system.cards()}, ""
    except Problem as problem:
        return {}, str(problem)


def _of_card(
    system: System,
    configuration: Configuration,
    pci: str,
    card: Card | None,
    complaint: str,
    uid: int | None,
) -> Iterator[Check]:
    users = system.users_of(pci)
    names = ["everybody"] if users is None else [f"user id {number}" for number in sorted(users)]
    yield _none(f"users of {pci}", names, "mode and access list of the device file")
    tried = [("nobody in particular", None)] + ([(f"user id {uid}", uid)] if uid is not None else [])
    opened = [who for who, number in tried if system.can_open(pci, number)]
    yield Check(
        f"opening {pci}",
        "refused",
        f"opened by {', '.join(opened)}" if opened else "refused",
        not opened,
        "tried as another account" + ("" if uid is None else " and with the lease's user id"),
    )
    if card is None:
        yield Check(f"use of {pci}", "idle", complaint or "the driver does not see the card", False, "driver")
    else:
        used = int(card.measurements.get("memory_used_mib", 0))
        idle = not card.processes and used <= configuration.idle_memory_mib
        yield Check(
            f"use of {pci}",
            f"no process, at most {configuration.idle_memory_mib} MiB in use",
            f"{len(card.processes)} processes, {used} MiB in use",
            idle,
            "driver",
        )
    if configuration.probe:
        yield from _probed(system, pci, card)


def _probed(system: System, pci: str, card: Card | None) -> Iterator[Check]:
    try:
        answers = system.probe(pci, card)
        if not answers:
            raise ValueError("it gave no check")
        for answer in answers:
            name = str(answer["name"])
            yield Check(
                name=name if pci in name else f"{name} of {pci}",
                expected=str(answer.get("expected", "")),
                found=str(answer.get("found", "")),
                passed=answer["passed"] is True,
                method=str(answer.get("method") or "probe of the host"),
            )
    except (Problem, KeyError, ValueError, TypeError) as error:
        yield Check(f"probe of {pci}", "an answer", f"{error}"[:300], False, "probe of the host")


def _none(name: str, found: list[str], method: str) -> Check:
    shown = ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
    return Check(name, "none", shown or "none", not found, method)
