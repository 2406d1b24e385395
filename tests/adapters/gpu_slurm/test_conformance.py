"""The promises of every adapter, kept by the one for Slurm: on the emulator, and on real daemons.

With SHARY_TEST_GPU_SLURM=<file> the same promises are tried on a cluster of yours: the file is JSON
with `settings` (as the inventory has them), `secrets` (a folder with the files that they name),
`holder` (the holder's name at SHARY, mapped in the settings) and `user` (who that is at the cluster,
whom the tests may become by `setpriv`, so they run as root on a login host).
"""

from contextlib import contextmanager

import pytest

from tests.adapters.conformance import AdapterConformance
from tests.adapters.gpu_slurm.conftest import target_with
from tests.adapters.gpu_slurm.holder import SlurmHolder


class Cluster:
    """What the suite sees of a cluster from outside: by the commands that holders use."""

    def __init__(self, run, user="games"):
        self.run = run
        self.holder = SlurmHolder(run, user)

    def can_enter(self, access, order):
        return self.holder.can_enter(access)

    @contextmanager
    def hold_session(self, access, order):
        with self.holder.session(access) as session:
            yield session

    def residue(self, order):
        shown = self.run(["scontrol", "-o", "show", "reservation"], user="root").stdout.splitlines()
        jobs = self.run(["squeue", "-h", "-o", "%i %v"], user="root").stdout.splitlines()
        found = [line.split(" StartTime=")[0] for line in shown if order.lease_id in line]
        return found + [f"job {line}" for line in jobs if order.lease_id in line]


class TestOnRealDaemons(AdapterConformance):
    patience_s = 30.0

    @pytest.fixture
    def target(self, slurm_cluster):
        return target_with(settings_of(slurm_cluster))

    @pytest.fixture
    def device(self, slurm_cluster):
        return Cluster(slurm_cluster.run)


def settings_of(cluster):
    from tests.adapters.gpu_slurm.conftest import USERS

    return {
        "slurm_conf": str(cluster.conf),
        "nodes": ["gpu1"],
        "gres": "gpu:h100:1",
        "users": USERS,
        "login_host": "login.uni-a.example",
        "timeout_s": 10.0,
        "settle_s": 15.0,
    }
