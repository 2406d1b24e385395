"""A real control processor."""

from .machine import LinuxSystem

__all__ = ["LinuxSystem"]
