"""Wipes what a lease had: a slice, a card, or a card that is cut into slices."""

import time

from adapters.contract import Check
from adapters.gpu_memory.service import BUDGET_S, wipe
from adapters.nvml import NvmlUnavailable, card_at

_LEAST_S = 5.0
"""What each slice gets, however little is left."""
_EXPECTED = "all that CUDA reaches is overwritten"


def wipe_card(
    pci: str,
    *,
    mig_uuid: str | None = None,
    budget_s: float = BUDGET_S,
    leave_mib: int | None = None,
) -> tuple[Check, ...]:
    """Overwrite the memory of a card, or of one slice of it; of a card that is cut, all its slices.

    The budget is for all of it. Never raises for the card: what could not be done has not passed.
    """
    if mig_uuid is not None:
        return wipe(mig_uuid, budget_s=budget_s, leave_mib=leave_mib)
    try:
        card = card_at(pci)
    except NvmlUnavailable as error:
        return (_not_wiped(pci, str(error)),)
    if card is None:
        return (_not_wiped(pci, "NVML does not see the card, so CUDA does not either."),)
    if not card.mig_enabled:
        return wipe(pci, budget_s=budget_s, leave_mib=leave_mib)
    if not card.slices:
        return (_not_wiped(pci, "MIG is on and no slice is cut, so CUDA reaches none of the memory."),)
    checks: list[Check] = []
    ends = time.monotonic() + budget_s
    for part in card.slices:
        left_s = max(_LEAST_S, ends - time.monotonic())
        checks += wipe(part.uuid, budget_s=left_s, leave_mib=leave_mib)
    return tuple(checks)


def _not_wiped(pci: str, reason: str) -> Check:
    return Check(
        name=f"memory wipe of {pci}",
        expected=_EXPECTED,
        found=f"not done: {reason}",
        passed=False,
        method="NVML",
    )
