"""Cuts a card into MIG slices, and makes it whole again."""

from collections.abc import Sequence

from adapters.nvml.slices import NvmlSlice


def reshape(pci: str, profiles: Sequence[str]) -> tuple[NvmlSlice, ...]:
    """Cut the idle card into slices of these profiles and return them, in the order of their places.

    Profiles are named as nvidia-smi prints them (`3g.40gb`); none at all makes the card whole: MIG off.
    A card that is cut like that already is left as it is. Needs root on the card's host.

    Raises `DeviceBusy` when processes use the card, `DeviceRefused` when the card or the driver cannot or may not,
    or when a reset is needed first, `DeviceUnreachable` when NVML does not see the card, and `OutcomeUnknown` when
    it stopped half-way; the words say how the card is left.
    """
    raise NotImplementedError
