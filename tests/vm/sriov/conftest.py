"""The virtual machine with virtual functions, made once and kept in a cache."""

import os
from pathlib import Path

import pytest

from tests.vm.sriov.machine import Machine, MissingPiece, make_machine

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def machine() -> Machine:
    folder = os.environ.get("SHARY_SRIOV_VM")
    if folder is None:
        pytest.skip("takes minutes and packages of the kernel: `make test-sriov-vm`")
    try:
        return make_machine(ROOT / folder)
    except MissingPiece as reason:
        pytest.skip(f"No virtual machine with SR-IOV can be made here: {reason}")
