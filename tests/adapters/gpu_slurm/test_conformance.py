"""The promises of every adapter, kept by the one for Slurm: on the emulator, and on real daemons.

With SHARY_TEST_GPU_SLURM=<file> the same promises are tried on a cluster of yours: the file is JSON
with `settings` (as the inventory has them), `secrets` (a folder with the files that they name),
`holder` (the holder's name at SHARY, mapped in the settings) and `user` (who that is at the cluster,
whom the tests may become by `setpriv`, so they run as root on a login host).
"""

import json
import os
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapters.contract import Holder
from adapters.gpu_slurm.adapter import GpuSlurm
from tests.adapters.conformance import AdapterConformance
from tests.adapters.conftest import SecretsInFolder
from tests.adapters.gpu_slurm.conftest import NEW, OLD, emulator, rest_settings_of, settings_of, target_with
from tests.adapters.gpu_slurm.holder import SlurmHolder

REAL = os.environ.get("SHARY_TEST_GPU_SLURM")


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


class EmulatedCluster(Cluster):
    """The same view of the emulator, which can be broken on purpose."""

    def __init__(self, slurm):
        super().__init__(slurm.run)
        self.break_with, self.mend, self.changes = slurm.break_with, slurm.mend, slurm.changes


class TestOnTheEmulator(AdapterConformance):
    """Slurm 22.05 by its commands."""

    @pytest.fixture
    def slurm(self):
        with emulator(OLD) as running:
            yield running

    @pytest.fixture
    def target(self, slurm):
        return target_with(settings_of(slurm))

    @pytest.fixture
    def device(self, slurm):
        return EmulatedCluster(slurm)


class TestOverRestOnTheEmulator(TestOnTheEmulator):
    """Slurm 25.05 by slurmrestd."""

    @pytest.fixture
    def slurm(self):
        with emulator(NEW) as running:
            yield running

    @pytest.fixture
    def target(self, slurm):
        return target_with(rest_settings_of(slurm))


class TestOnRealDaemons(AdapterConformance):
    """Slurm as Debian has it, by its commands."""

    patience_s = 30.0

    @pytest.fixture
    def target(self, slurm_cluster):
        return target_with(settings_of(slurm_cluster))

    @pytest.fixture
    def device(self, slurm_cluster):
        return Cluster(slurm_cluster.run)


if REAL:

    class TestOnARealCluster(AdapterConformance):
        patience_s = 120.0

        @pytest.fixture
        def site(self):
            return json.loads(Path(REAL).read_text())

        @pytest.fixture
        def adapter(self, site):
            return GpuSlurm(secrets=SecretsInFolder(Path(site["secrets"])))

        @pytest.fixture
        def target(self, site):
            return target_with(site["settings"], "real-nodes")

        @pytest.fixture
        def holder(self, site):
            return Holder(username=site["holder"], project="testbed")

        @pytest.fixture
        def device(self, site):
            return Cluster(real_run, site["user"])


def real_run(command, *, user="root", timeout_s=60):
    """Run one of Slurm's commands on this machine as one of its users."""
    prefix = [] if user == "root" else ["setpriv", f"--reuid={user}", "--clear-groups"]
    return subprocess.run([*prefix, *command], capture_output=True, text=True, timeout=timeout_s, check=False)
