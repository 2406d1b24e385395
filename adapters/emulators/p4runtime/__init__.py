"""A switch that speaks P4Runtime (specification 1.4) and forwards nothing: for trying out and for tests."""

from adapters.emulators.p4runtime.emulator import P4RuntimeEmulator
from adapters.emulators.p4runtime.faults import Fault

__all__ = ["Fault", "P4RuntimeEmulator"]
