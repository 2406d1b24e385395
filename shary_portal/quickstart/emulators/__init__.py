"""The demonstration's devices: a process each, on loopback ports that stay the same from start to start."""

from shary_portal.quickstart.emulators.devices import EmulatedDevices

__all__ = ["EmulatedDevices"]
