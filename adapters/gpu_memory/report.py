"""What a wipe or a search reached, and what that proves."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from adapters.contract import Check

MIB = 1 << 20
GIB = 1 << 30
WIPE_METHOD = "all memory that CUDA hands out, filled by the driver, read by "
_EXPECTED = "a pattern, its complement and zeros, each read back as filled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """One filling of the memory, and one reading of all of it."""

    pattern: str
    filled_bytes: int = 0
    read_bytes: int = 0
    differing_words: int = 0
    lowest_byte: int | None = None
    """Where the first word that differs lies, counted from the start of what was reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WipeReport:
    """How far a wipe came. Without `trouble` and `stopped` it came to its end."""

    model: str = ""
    total_bytes: int = 0
    """What CUDA says the card or the slice has."""
    reached_bytes: int = 0
    """What could be allocated, and so was filled."""
    passes: tuple[Pass, ...] = ()
    reader: str = ""
    """How it was read: by a kernel on the card, or copied back."""
    stopped: str = ""
    """Why it ended early, when it was not the card's fault."""
    trouble: str = ""
    """What went wrong, in words."""
    unfit: bool = False
    """Whether what went wrong means that the card must not be lent."""
    fill_gib_per_s: float = 0.0
    read_gib_per_s: float = 0.0

    @property
    def proven_bytes(self) -> int:
        """Return how much was overwritten and read back in every pass."""
        if len(self.passes) < 3:
            return 0
        return min(min(one.filled_bytes, one.read_bytes) for one in self.passes)


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchReport:
    """What a search for a mark found; it read what CUDA handed out, as it was."""

    model: str = ""
    total_bytes: int = 0
    read_bytes: int = 0
    marks: int = 0
    """How many 16-byte units equal the mark."""
    reader: str = ""
    stopped: str = ""
    trouble: str = ""
    unfit: bool = False


def wipe_report_of(values: Mapping[str, Any]) -> WipeReport:
    """Return the report that was written as JSON."""
    return WipeReport(**{**values, "passes": tuple(Pass(**one) for one in values.get("passes", ()))})


def usual_leave_mib(total_bytes: int) -> int:
    """Return how much of a card may stay out of reach: for the driver, and for the context of the wipe.

    1 GiB, of large cards one per cent, and of small slices no more than 15 per cent.
    """
    return min(max(1024 * MIB, total_bytes // 100), total_bytes * 15 // 100) // MIB


def checks_of(device: str, report: WipeReport, *, leave_mib: int | None = None) -> tuple[Check, ...]:
    """Return what the wipe proves: that nearly all memory was reached, and that it holds what was written."""
    if report.trouble:
        return (
            Check(
                name=f"{'memory errors' if report.unfit else 'memory wipe'} of {device}",
                expected="none" if report.unfit else "done",
                found=report.trouble + _so_far(report),
                passed=False,
                method=_method(report),
            ),
        )
    if leave_mib is None:
        leave_mib = usual_leave_mib(report.total_bytes)
    return (_reached(device, report, leave_mib), _held(device, report))


def _reached(device: str, report: WipeReport, leave_mib: int) -> Check:
    proven = report.proven_bytes
    left = report.total_bytes - proven
    found = f"{mib(proven)} of {mib(report.total_bytes)} MiB ({share(proven, report.total_bytes)})"
    found += (
        f"; {mib(left)} MiB are the driver’s own or in use" if not report.stopped else f"; {report.stopped}"
    )
    return Check(
        name=f"memory reached of {device}",
        expected=f"all but at most {leave_mib} MiB",
        found=found,
        passed=proven > 0 and left <= leave_mib * MIB and not report.stopped,
        method=_method(report),
    )


def _held(device: str, report: WipeReport) -> Check:
    wrong = [one for one in report.passes if one.differing_words]
    if wrong:
        found = "; ".join(
            f"{one.differing_words} words differ from {one.pattern}, the first at MiB {_mib_exact(one.lowest_byte)}"
            for one in wrong
        )
    else:
        found = _EXPECTED if report.proven_bytes else "not read to the end" + _so_far(report)
    return Check(
        name=f"memory of {device}",
        expected=_EXPECTED,
        found=found,
        passed=not wrong and report.proven_bytes > 0,
        method=_method(report),
    )


def _mib_exact(byte: int | None) -> str:
    return "unknown" if byte is None else f"{byte / MIB:.1f}"


def _method(report: WipeReport) -> str:
    return f"{WIPE_METHOD}{report.reader}" if report.reader else "CUDA"


def _so_far(report: WipeReport) -> str:
    if not report.total_bytes:
        return ""
    return f" Until then: {_listed(report.passes)} of {mib(report.total_bytes)} MiB."


def _listed(done: Iterable[Pass]) -> str:
    return ", ".join(f"{mib(one.filled_bytes)} MiB filled with {one.pattern}" for one in done) or "nothing"


def mib(size: int) -> str:
    """Return the bytes in MiB, without the fraction."""
    return str(size // MIB)


def share(part: int, whole: int) -> str:
    """Return the part in per cent, never rounded up to all."""
    return f"{int(1000 * part / whole) / 10:.1f} %" if whole else "0 %"
