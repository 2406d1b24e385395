"""The promises of every adapter, kept by the one for a Tofino switch behind ssh.

Twice: on the emulated switch with all its faults, and on this machine's own sshd with real accounts.
"""

import itertools
import time
import uuid
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from adapters.contract import Holder, LeaseOrder
from tests.adapters.conformance import AdapterConformance
from tests.adapters.promises.description import DescriptionPromises
from tests.adapters.promises.faults import FaultPromises


class Seen:
    """What the suite sees of a switch from outside."""

    def __init__(self, ssh_holder):
        self.ssh_holder = ssh_holder

    def can_enter(self, access, order):
        return self.ssh_holder.can_enter(access)

    @contextmanager
    def hold_session(self, access, order):
        with self.ssh_holder.session(access) as session:
            yield session


class Emulated(Seen):
    def __init__(self, emulator, ssh_holder):
        super().__init__(ssh_holder)
        self.emulator = emulator
        self.break_with, self.mend, self.changes = emulator.break_with, emulator.mend, emulator.changes

    def residue(self, order):
        lease = self.emulator.lease()
        mine = lease is not None and lease.lease == order.lease_id and lease.holds
        return [f"lease {lease.phase}"] if mine else []


class Real(Seen):
    def __init__(self, real, ssh_holder):
        super().__init__(ssh_holder)
        self.real = real

    def residue(self, order):
        return self.real.residue(order.lease_id)


class ByTurns(AdapterConformance):
    """Each lease is another tenant's than the one before: an account stays, and may come back."""

    @pytest.fixture
    def holders(self, ssh_holder):
        keys = (ssh_holder.public_key,)
        return itertools.cycle(
            [
                Holder(username="researcher@uni-a.example", project="testbed", ssh_keys=keys),
                Holder(username="student@uni-b.example", project="quantum", ssh_keys=keys),
            ]
        )

    @pytest.fixture
    def make_order(self, target, holders):
        # Epochs never go back, also not on a switch that remembers the last run.
        epochs = itertools.count(time.time_ns() // 1_000_000)

        def order(*, lease_id=None, epoch=None, revision=1, ends_at=None):
            now = datetime.now(UTC).replace(microsecond=0)
            return LeaseOrder(
                lease_id=lease_id or str(uuid.uuid4()),
                epoch=next(epochs) if epoch is None else epoch,
                revision=revision,
                target=target,
                covers=(target.resource_id,),
                holder=next(holders),
                starts_at=now,
                ends_at=ends_at or now + timedelta(hours=1),
            )

        return order


class TestOnTheEmulator(ByTurns):
    @pytest.fixture
    def device(self, emulator, ssh_holder):
        return Emulated(emulator, ssh_holder)


class TestOnRealAccounts(ByTurns):
    """What is told on a switch; bad days are the emulator's."""

    locals().update(
        {name: None for part in (FaultPromises, DescriptionPromises) for name in vars(part) if "test_" in name}
    )

    @pytest.fixture
    def switch(self, real):
        return real

    @pytest.fixture
    def patience(self):
        return {"timeout_s": 10.0, "settle_s": 40.0}

    @pytest.fixture
    def device(self, real, ssh_holder):
        return Real(real, ssh_holder)
