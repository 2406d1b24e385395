"""Proves that a card, or a slice of it, is as it was before a lease: each thing looked at is a check."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pynvml

from adapters.contract import Check
from adapters.gpu.baseline import CardBaseline
from adapters.gpu.health import CardHealth
from adapters.nvml.baseline import baseline_of
from adapters.nvml.health import health_of
from adapters.nvml.inventory import NvmlCard, NvmlProcess, card_of, processes_of
from adapters.nvml.kernel_log import KMSG
from adapters.nvml.library import MIB, NvmlUnavailable, cuda_version, driver_version, handle_at, library
from adapters.nvml.machine import SYSFS
from adapters.nvml.slices import open_slices

_METHOD = "NVML"


def idle_checks(
    pci: str,
    *,
    baseline: CardBaseline | None,
    idle_memory_mib: int,
    mig_uuid: str | None = None,
    sysfs: Path = SYSFS,
    kernel_log: Path | None = KMSG,
    since: datetime | None = None,
) -> tuple[Check, ...]:
    """Return what shows that nobody uses the card and that it is as its baseline says.

    With `mig_uuid` use is looked at in that slice alone: its neighbours may be at work. Without a baseline only use
    and health are looked at. `since` is when the lease began: what the driver reported before is not due to it.
    Never raises for NVML: what could not be looked at has not passed.
    """
    try:
        with library():
            handle = handle_at(pci)
            if handle is None:
                return (_failed(pci, "NVML does not see the card"),)
            card = card_of(handle, driver_version(), cuda_version())
            checks = [
                *(
                    _slice_in_use(pci, handle, mig_uuid, idle_memory_mib)
                    if mig_uuid
                    else _in_use(card, idle_memory_mib)
                )
            ]
            if baseline is not None:
                now = baseline_of(card, handle, sysfs=sysfs)
                checks += _settings(pci, now, baseline, pending=card, whole=mig_uuid is None)
        health = health_of(pci, baseline=baseline, kernel_log=kernel_log, since=since)
    except NvmlUnavailable as error:
        return (_failed(pci, str(error)),)
    return (*checks, _fit(pci, health))


def _in_use(card: NvmlCard, idle_memory_mib: int) -> Iterator[Check]:
    yield _processes(f"processes of {card.pci}", card.processes if card.processes_known else None)
    yield _memory(f"memory in use of {card.pci}", card.memory_used_mib, idle_memory_mib)


def _slice_in_use(pci: str, handle: Any, mig_uuid: str, idle_memory_mib: int) -> Iterator[Check]:
    found = next((part for part, seen in open_slices(handle) if seen.uuid == mig_uuid), None)
    yield _check(f"slice {mig_uuid}", "there", "there" if found is not None else "missing")
    if found is not None:
        yield _processes(f"processes of {mig_uuid}", processes_of(found))
        used = pynvml.nvmlDeviceGetMemoryInfo(found).used // MIB
        yield _memory(f"memory in use of {mig_uuid}", used, idle_memory_mib)


def _settings(
    pci: str, now: CardBaseline, wanted: CardBaseline, *, pending: NvmlCard, whole: bool
) -> Iterator[Check]:
    named = [
        ("card", now.uuid, wanted.uuid),
        ("VBIOS", now.vbios, wanted.vbios),
        ("compute mode", now.compute_mode, wanted.compute_mode),
        ("MIG mode", _on(now.mig_enabled), _on(wanted.mig_enabled)),
        ("MIG mode after a reset", _on(pending.mig_pending), _on(wanted.mig_enabled)),
        ("ECC mode", _on(now.ecc_enabled), _on(wanted.ecc_enabled)),
        ("ECC mode after a reset", _on(pending.ecc_pending), _on(wanted.ecc_enabled)),
        ("persistence mode", _on(now.persistence), _on(wanted.persistence)),
        ("power limit", _watts(now.power_limit_w), _watts(wanted.power_limit_w)),
        (
            "application clocks",
            _clocks(now.application_graphics_mhz, now.application_memory_mhz),
            _clocks(wanted.application_graphics_mhz, wanted.application_memory_mhz),
        ),
    ]
    if whole:
        # Who has one slice cannot have cut the card anew; the other slices are others' business.
        named.append(("slices", _names(now.geometry), _names(wanted.geometry)))
    for name, found, expected in named:
        if expected is not None:
            yield _check(f"{name} of {pci}", expected, found if found is not None else "unknown")
    if wanted.driver_binding is not None:
        found = "missing" if now.driver_binding is None else now.driver_binding or "none"
        yield _check(f"driver of {pci}", wanted.driver_binding or "none", found, method="driver link in sysfs")


def _fit(pci: str, health: CardHealth) -> Check:
    return Check(
        name=f"errors of {pci}",
        expected="none since the baseline",
        found=health.unfit or "none since the baseline",
        passed=not health.unfit,
        method="NVML: error counters, row remapping, page retirement; Xid in the kernel's log",
    )


def _processes(name: str, processes: tuple[NvmlProcess, ...] | None) -> Check:
    if processes is None:
        return _check(name, "none", "unknown: NVML does not say")
    listed = ", ".join(f"pid {process.pid} with {process.memory_used_mib} MiB" for process in processes)
    return _check(name, "none", listed or "none")


def _memory(name: str, used_mib: int, idle_mib: int) -> Check:
    return Check(
        name=name,
        expected=f"at most {idle_mib} MiB in use",
        found=f"{used_mib} MiB in use",
        passed=used_mib <= idle_mib,
        method=_METHOD,
    )


def _failed(pci: str, reason: str) -> Check:
    return Check(name=f"use of {pci}", expected="nobody uses it", found=reason, passed=False, method=_METHOD)


def _check(name: str, expected: str, found: str, *, method: str = _METHOD) -> Check:
    return Check(name=name, expected=expected, found=found, passed=found == expected, method=method)


def _on(switch: bool | None) -> str | None:
    return None if switch is None else "on" if switch else "off"


def _watts(limit: float | None) -> str | None:
    return None if limit is None else f"{limit:g} W"


def _clocks(graphics: int | None, memory: int | None) -> str | None:
    return None if graphics is None or memory is None else f"{graphics} MHz, memory {memory} MHz"


def _names(geometry: tuple[str, ...] | None) -> str | None:
    return None if geometry is None else ", ".join(geometry) or "none"
