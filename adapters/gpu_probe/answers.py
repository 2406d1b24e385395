"""What the program answers, as values that become JSON."""

import platform
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from enum import Enum
from typing import Any

from adapters.contract import Check
from adapters.gpu import CardBaseline
from adapters.gpu.baseline import ErrorCounters
from adapters.gpu_memory import wipe_card
from adapters.nvml import (
    NvmlUnavailable,
    card_at,
    health_of,
    idle_checks,
    read_cards,
    read_machine,
    take_baseline,
)

Baselines = Mapping[str, CardBaseline]
"""By PCI address; under “” the one for every card."""


def inventory() -> tuple[Any, bool]:
    """Return every NVIDIA card of this machine, also those that NVML does not see."""
    return {"host": platform.node(), "cards": [_plain(asdict(card)) for card in read_machine()]}, True


def measure(cards: tuple[str, ...]) -> tuple[Any, bool]:
    """Return the measurements of each card that NVML sees."""
    found = {pci: card_at(pci) for pci in cards}
    return {pci: dict(card.measurements) if card else None for pci, card in found.items()}, all(found.values())


def health(cards: tuple[str, ...], baselines: Baselines) -> tuple[Any, bool]:
    """Return how each card is; well when none is unfit."""
    found = {pci: health_of(pci, baseline=_baseline(pci, baselines)) for pci in cards}
    answer = {
        pci: {
            "fit": not one.unfit,
            "unfit": one.unfit,
            "complaints": list(one.complaints),
            "counters": asdict(one.counters),
        }
        for pci, one in found.items()
    }
    return answer, not any(one.unfit for one in found.values())


def baseline(cards: tuple[str, ...]) -> tuple[Any, bool]:
    """Return how each card is now, for the operator to keep and to compare with after a lease."""
    return {pci: take_baseline(pci).as_settings() for pci in cards}, True


def prove(
    cards: tuple[str, ...],
    *,
    mig_uuid: str | None,
    baselines: Baselines,
    idle_memory_mib: int,
    wipe: bool,
    budget_s: float,
    leave_mib: int | None,
) -> tuple[Any, bool]:
    """Return the checks that show that nobody uses the cards and that they are as they were."""
    checks: list[Check] = []
    for pci in cards:

        def look(pci: str = pci) -> tuple[Check, ...]:
            return idle_checks(
                pci,
                baseline=_baseline(pci, baselines),
                idle_memory_mib=idle_memory_mib,
                mig_uuid=mig_uuid,
            )

        if wipe:
            busy = [check for check in look() if not check.passed and check.name.startswith("process")]
            # Who still computes there would run out of memory.
            checks += (
                [_not_started(pci, busy[0])]
                if busy
                else wipe_card(pci, mig_uuid=mig_uuid, budget_s=budget_s, leave_mib=leave_mib)
            )
        checks += look()
    if not checks:
        checks.append(_no_card())
    return as_answer(checks), all(check.passed for check in checks)


def wipe(cards: tuple[str, ...], *, mig_uuid: str | None, budget_s: float, leave_mib: int) -> tuple[Any, bool]:
    """Overwrite the memory of the cards, and return what was proven of it."""
    checks = [
        check
        for pci in cards
        for check in wipe_card(pci, mig_uuid=mig_uuid, budget_s=budget_s, leave_mib=leave_mib)
    ] or [_no_card()]
    return as_answer(checks), all(check.passed for check in checks)


def all_cards() -> tuple[str, ...]:
    """Return the addresses of all cards that NVML sees."""
    return tuple(card.pci for card in read_cards() if card.pci)


def baseline_from(values: Mapping[str, Any]) -> CardBaseline:
    """Return the baseline that `baseline` printed; raise TypeError or ValueError for anything else."""
    known = dict(values)
    if isinstance(known.get("errors"), Mapping):
        known["errors"] = ErrorCounters(**known["errors"])
    for name in ("geometry", "locked_graphics_mhz", "locked_memory_mhz"):
        if isinstance(known.get(name), list):
            known[name] = tuple(known[name])
    if isinstance(known.get("taken_at"), str):
        known["taken_at"] = datetime.fromisoformat(known["taken_at"])
    return CardBaseline(**known)


def as_answer(checks: list[Check]) -> list[dict[str, Any]]:
    """Return checks in the form in which every adapter reads them."""
    return [asdict(check) for check in checks]


def _baseline(pci: str, baselines: Baselines) -> CardBaseline | None:
    return baselines.get(pci) or baselines.get("")


def _not_started(pci: str, busy: Check) -> Check:
    return Check(
        name=f"memory wipe of {pci}",
        expected="done",
        found=f"not done: {busy.name}: {busy.found}",
        passed=False,
        method=busy.method,
    )


def _no_card() -> Check:
    return Check(name="cards", expected="at least one", found="NVML sees none", passed=False, method="NVML")


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value


__all__ = [
    "NvmlUnavailable",
    "all_cards",
    "as_answer",
    "baseline",
    "baseline_from",
    "health",
    "inventory",
    "measure",
    "prove",
    "wipe",
]
