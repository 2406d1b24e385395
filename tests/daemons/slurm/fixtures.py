"""The cluster as a fixture: one for all tests of a process."""

from collections.abc import Iterator

import pytest

from tests.daemons.slurm.cluster import SlurmCluster, what_is_missing
from tests.lacking import give_up


@pytest.fixture(scope="session")
def slurm_cluster() -> Iterator[SlurmCluster]:
    """A real cluster; where there can be none, say so, and in CI fail."""
    missing = what_is_missing()
    if missing:
        give_up(missing)
    with SlurmCluster() as cluster:
        yield cluster
