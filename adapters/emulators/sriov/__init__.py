"""An emulated network card with virtual functions, which is asked in netlink over a local socket."""

from adapters.emulators.sriov.card import EmulatedCard
from adapters.emulators.sriov.emulator import Fault, SriovEmulator

__all__ = ["EmulatedCard", "Fault", "SriovEmulator"]
