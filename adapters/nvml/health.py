"""Looks whether a card may be lent: memory errors, repairs, the driver's error numbers, slow-downs."""

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pynvml

from adapters.gpu.baseline import CardBaseline, ErrorCounters
from adapters.gpu.health import CardHealth, MemoryRepair, judge
from adapters.nvml.kernel_log import xids_in_kernel_log
from adapters.nvml.library import CardLost, NvmlUnavailable, flag, handle_at, if_supported, library

# Only those that tell of heat or of power that the machine cannot give; a cap that was set is no fault.
_SLOWDOWNS = {
    "nvmlClocksThrottleReasonHwThermalSlowdown": "it is too hot (hardware)",
    "nvmlClocksEventReasonSwThermalSlowdown": "it is too hot (driver)",
    "nvmlClocksThrottleReasonHwPowerBrakeSlowdown": "the machine's power supply asked for it",
    "nvmlClocksThrottleReasonHwSlowdown": "the hardware asked for it",
}


def health_of(
    pci: str,
    *,
    baseline: CardBaseline | None = None,
    xids: Iterable[int] = (),
    kernel_log: Path | None = None,
    since: datetime | None = None,
) -> CardHealth:
    """Return how the card is, compared with its baseline; `xids` are error numbers that a watcher heard.

    With a `kernel_log` (`kernel_log.KMSG`) errors count too that the driver logged after `since` and after the
    baseline was taken, whichever is known and later. Of older ones nobody knows whether they were mended.

    Raises `NvmlUnavailable` when NVML cannot say anything of any card: unknown is not unfit.
    A card that NVML does not see may be with a virtual machine: that is a complaint, not unfitness.
    """
    xids = (*xids, *_logged(pci, kernel_log, since, baseline.taken_at if baseline else None))
    try:
        with library():
            handle = handle_at(pci)
            if handle is None:
                return CardHealth(complaints=(f"NVML does not see the card at {pci}.",))
            return judge(
                counters=counters_of(handle),
                baseline=baseline.errors if baseline else None,
                repair=_repair_of(handle),
                xids=xids,
                slowdowns=_slowdowns(handle),
            )
    except CardLost as error:
        return judge(counters=ErrorCounters(), xids=xids, lost=str(error).rstrip("."))


def _logged(pci: str, log: Path | None, *moments: datetime | None) -> tuple[int, ...]:
    known = [moment for moment in moments if moment is not None]
    if log is None or not known:
        return ()
    age_s = (datetime.now(UTC) - max(known)).total_seconds()
    # The log counts as this clock does: from the start of the machine, without sleep.
    uptime_s = time.clock_gettime(time.CLOCK_MONOTONIC)
    return xids_in_kernel_log(pci, since_uptime_s=max(0.0, uptime_s - age_s), log=log) or ()


def counters_of(handle: Any) -> ErrorCounters:
    """Return what the card behind an open handle has counted of its memory's errors."""
    uncorrected = pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED
    # With MIG on and slices made, the card does not tell of its rows.
    rows = if_supported(pynvml.nvmlDeviceGetRemappedRows, handle)
    return ErrorCounters(
        ecc_uncorrected_aggregate=if_supported(
            pynvml.nvmlDeviceGetTotalEccErrors, handle, uncorrected, pynvml.NVML_AGGREGATE_ECC
        ),
        ecc_uncorrected_volatile=if_supported(
            pynvml.nvmlDeviceGetTotalEccErrors, handle, uncorrected, pynvml.NVML_VOLATILE_ECC
        ),
        retired_pages=_retired_pages(handle),
        remapped_rows_correctable=rows[0] if rows else None,
        remapped_rows_uncorrectable=rows[1] if rows else None,
    )


def _retired_pages(handle: Any) -> int | None:
    counts = [
        if_supported(pynvml.nvmlDeviceGetRetiredPages, handle, cause)
        for cause in (
            pynvml.NVML_PAGE_RETIREMENT_CAUSE_MULTIPLE_SINGLE_BIT_ECC_ERRORS,
            pynvml.NVML_PAGE_RETIREMENT_CAUSE_DOUBLE_BIT_ECC_ERROR,
        )
    ]
    known = [len(pages) for pages in counts if pages is not None]
    return sum(known) if known else None


def _repair_of(handle: Any) -> MemoryRepair:
    rows = if_supported(pynvml.nvmlDeviceGetRemappedRows, handle)
    return MemoryRepair(
        remap_pending=bool(rows[2]) if rows else None,
        remap_failed=bool(rows[3]) if rows else None,
        retirement_pending=flag(if_supported(pynvml.nvmlDeviceGetRetiredPagesPendingStatus, handle)),
    )


def _slowdowns(handle: Any) -> list[str]:
    reasons = if_supported(pynvml.nvmlDeviceGetCurrentClocksEventReasons, handle)
    if not reasons:
        return []
    return [words for name, words in _SLOWDOWNS.items() if reasons & getattr(pynvml, name)]


__all__ = ["NvmlUnavailable", "counters_of", "health_of"]
