"""What the tests on real accounts share: import these three, and the machine is this one."""

import pytest

from adapters.gpu_ssh.host.lease import account_for
from tests.adapters.promises.device import comes_true

__all__ = ["comes_true", "failed", "machine", "patience", "uid_of"]


@pytest.fixture
def machine(real):
    return real


@pytest.fixture
def patience():
    return {"timeout_s": 10.0, "settle_s": 30.0}


def uid_of(machine, order):
    return next(entry.pw_uid for entry in machine.accounts() if entry.pw_name == account_for(order.lease_id))


def failed(proof):
    return {check.name: check.found for check in proof.checks if not check.passed}
