"""A Slurm cluster in one process: it answers Slurm's commands and slurmrestd, and runs nobody's code."""

from adapters.emulators.slurm.emulator import SlurmEmulator
from adapters.emulators.slurm.nouns import EmulatedNode

__all__ = ["EmulatedNode", "SlurmEmulator"]
