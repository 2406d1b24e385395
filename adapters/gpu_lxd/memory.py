"""Overwrites the memory of a lease's cards, once the server has taken them back."""

import time
from collections.abc import Iterable, Iterator

from adapters.contract import Check
from adapters.gpu_lxd.settings import LxdSettings
from adapters.gpu_memory import wipe_card

BUDGET_S = 180.0
"""For all cards of a lease together; the release's deadline leaves room for it."""
_LEAST_S = 5.0


def memory_checks(
    settings: LxdSettings, *, at_hand: Iterable[str], elsewhere: Iterable[str]
) -> Iterator[Check]:
    """Overwrite the memory of the cards at hand, and say of every other why not.

    What the site has switched off, or cannot reach by its own choice, is said and is no failure: an operator
    reads in the proof what was not proven.
    """
    ends = time.monotonic() + BUDGET_S
    for pci in elsewhere:
        yield _left(pci, "vfio-pci has the card")
    for pci in at_hand:
        if not settings.nvml_is_local:
            yield _left(pci, "the site worker does not run on this host")
        elif not settings.wipe_memory:
            yield _left(pci, "the site has switched it off")
        else:
            left_s = max(_LEAST_S, ends - time.monotonic())
            yield from wipe_card(pci, mig_uuid=settings.mig_uuid, budget_s=left_s)


def _left(pci: str, reason: str) -> Check:
    return Check(
        name=f"memory of {pci}",
        expected="overwritten, where the site can and wants",
        found=f"not overwritten: {reason}",
        passed=True,
        method="settings",
    )
