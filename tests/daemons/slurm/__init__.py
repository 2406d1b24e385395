"""A real Slurm cluster of a few nodes, on this machine, as an ordinary folder and free ports."""

from tests.daemons.slurm.cluster import SlurmCluster, what_is_missing

__all__ = ["SlurmCluster", "what_is_missing"]
