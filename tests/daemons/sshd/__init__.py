"""This machine as a site of its own: a real sshd, real accounts, and device files in a folder of the test."""

from tests.daemons.sshd.machine import GpuMachine, what_is_missing

__all__ = ["GpuMachine", "what_is_missing"]
