"""A real Linux machine."""

from .machine import LinuxSystem

__all__ = ["LinuxSystem"]
