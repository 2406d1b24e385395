"""The promises of every adapter, kept by the one for a machine behind ssh.

Twice: on the emulated machine with all its faults, and on this machine's own sshd with real accounts.
With SHARY_TEST_GPU_SSH=<file> also on a machine with cards: the file is JSON with `settings` (as the
inventory has them) and `secrets` (a folder with the files that they name).
"""

import json
import os
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapters.contract import Holder, Target
from adapters.gpu_ssh.adapter import GpuSsh
from adapters.gpu_ssh.host.lease import account_for
from tests.adapters.conformance import AdapterConformance
from tests.adapters.conftest import SecretsInFolder
from tests.adapters.promises.description import DescriptionPromises
from tests.adapters.promises.faults import FaultPromises

REAL = os.environ.get("SHARY_TEST_GPU_SSH")


class Seen:
    """What the suite sees of a machine from outside."""

    def __init__(self, ssh_holder):
        self.ssh_holder = ssh_holder

    def can_enter(self, access, order):
        return self.ssh_holder.can_enter(access)

    @contextmanager
    def hold_session(self, access, order):
        with self.ssh_holder.session(access) as session:
            yield session


class EmulatedMachine(Seen):
    def __init__(self, emulator, ssh_holder):
        super().__init__(ssh_holder)
        self.emulator = emulator
        self.break_with, self.mend, self.changes = emulator.break_with, emulator.mend, emulator.changes

    def residue(self, order):
        found = self.emulator.system.account(account_for(order.lease_id))
        return [f"account {found.name}"] if found else []


class RealAccounts(Seen):
    def __init__(self, real, ssh_holder):
        super().__init__(ssh_holder)
        self.real = real

    def residue(self, order):
        return self.real.residue(account_for(order.lease_id))


class WithAKey(AdapterConformance):
    @pytest.fixture
    def holder(self, ssh_holder):
        return Holder(username="researcher@uni-a.example", project="testbed", ssh_keys=(ssh_holder.public_key,))


class TestOnTheEmulator(WithAKey):
    @pytest.fixture
    def device(self, emulator, ssh_holder):
        return EmulatedMachine(emulator, ssh_holder)


class TestOnRealAccounts(WithAKey):
    """What is told on a machine; bad days of a real one are in `test_bad_days.py`."""

    locals().update(
        {name: None for part in (FaultPromises, DescriptionPromises) for name in vars(part) if "test_" in name}
    )

    @pytest.fixture
    def machine(self, real):
        return real

    @pytest.fixture
    def patience(self):
        return {"timeout_s": 10.0, "settle_s": 30.0}

    @pytest.fixture
    def device(self, real, ssh_holder):
        return RealAccounts(real, ssh_holder)


if REAL:

    class MachineWithCards(Seen):
        """A machine elsewhere: all that can be seen of it is whether a holder gets in."""

        def __init__(self, adapter, target, ssh_holder):
            super().__init__(ssh_holder)
            self.adapter, self.target = adapter, target

        def residue(self, order):
            found = self.adapter.observe(self.target)
            return [found.detail] if found.carries == order.lease_id else []

    class TestOnAMachineWithCards(WithAKey):
        patience_s = 60.0

        @pytest.fixture
        def site(self):
            return json.loads(Path(REAL).read_text())

        @pytest.fixture
        def adapter(self, site):
            return GpuSsh(secrets=SecretsInFolder(Path(site["secrets"])))

        @pytest.fixture
        def target(self, site):
            return Target(
                resource_id=f"card-under-test-{time.time_ns()}",
                name="card under test",
                kind="gpu",
                adapter="gpu_ssh",
                settings=site["settings"],
                attributes={"model": "card under test"},
            )

        @pytest.fixture
        def device(self, adapter, target, ssh_holder):
            return MachineWithCards(adapter, target, ssh_holder)
