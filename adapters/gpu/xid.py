"""Which of the driver's error numbers (Xid) mean that a card must not be lent.

The meanings follow NVIDIA's “Xid Errors” catalogue; the judgement whether a card may be lent is ours.
A number that is not listed is told to the operator and does not stop anything.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Xid:
    """An error that the driver reports, and what we make of it."""

    number: int
    meaning: str
    is_unfit: bool
    """Whether the card must not be lent until an operator has looked."""
    reason: str
    """Why it is judged so."""


def _unfit(number: int, meaning: str, reason: str) -> Xid:
    return Xid(number=number, meaning=meaning, is_unfit=True, reason=reason)


def _fit(number: int, meaning: str, reason: str) -> Xid:
    return Xid(number=number, meaning=meaning, is_unfit=False, reason=reason)


_PROGRAM = "usually the program's own fault; the next one starts afresh"

XIDS: dict[int, Xid] = {
    xid.number: xid
    for xid in (
        _fit(13, "graphics engine exception", _PROGRAM),
        _fit(31, "memory page fault", _PROGRAM),
        _fit(43, "the GPU stopped processing for one program", _PROGRAM),
        _fit(45, "work was cut off early", "follows the end of a program, also the one that we end"),
        _fit(68, "video processor exception", _PROGRAM),
        _fit(69, "graphics engine class error", _PROGRAM),
        _unfit(46, "the GPU stopped processing", "the catalogue asks for a reset of the card"),
        _unfit(48, "uncorrectable double-bit memory error", "results may be wrong until the card was reset"),
        _unfit(62, "the power controller inside the GPU halted", "the card needs a reset"),
        _fit(
            63,
            "a memory row is to be remapped or a page was retired",
            "the repair went well; whether it still needs a reset, the counters say",
        ),
        _unfit(64, "a memory row could not be remapped or a page not be retired", "bad memory stays in use"),
        _unfit(74, "NVLink error", "the link, the bridge or the neighbour is faulty"),
        _unfit(79, "the GPU has fallen off the bus", "it can no longer be reached"),
        _unfit(92, "high rate of single-bit memory errors", "the memory is about to fail"),
        _unfit(
            94,
            "contained memory error",
            "it hit one program only, but the bad row stays in use until a reset",
        ),
        _unfit(95, "uncontained memory error", "it may have hit other programs; the card needs a reset"),
        _unfit(110, "security fault", "the card needs a cold restart"),
        _unfit(119, "the GPU's system processor does not answer", "the card needs a reset"),
        _unfit(120, "error in the GPU's system processor", "the card needs a reset"),
        _fit(121, "corrected error on the link to the processor", "it was corrected"),
        _unfit(140, "uncorrected memory error outside of the row remapper", "the card needs a reset"),
        _unfit(143, "the GPU could not be initialised", "it cannot be used"),
        _unfit(154, "the driver asks for a reset, a reboot or a replacement", "it says so itself"),
    )
}


def words_for(number: int) -> str:
    """Return the error in words: `Xid 79, the GPU has fallen off the bus`."""
    known = XIDS.get(number)
    return f"Xid {number}, {known.meaning}" if known else f"Xid {number}"


def unfit_words(numbers: Iterable[int]) -> tuple[str, ...]:
    """Return a sentence for each different error after which the card must not be lent."""
    grave = [XIDS[number] for number in sorted(set(numbers)) if number in XIDS and XIDS[number].is_unfit]
    return tuple(f"The driver reported {words_for(xid.number)}: {xid.reason}." for xid in grave)


def other_words(numbers: Iterable[int]) -> tuple[str, ...]:
    """Return a sentence for each different error that does not stop anything."""
    light = [number for number in sorted(set(numbers)) if number not in XIDS or not XIDS[number].is_unfit]
    return tuple(f"The driver reported {words_for(number)}." for number in light)
