"""Tests on real NVIDIA cards: skipped, with the reason, where there are none."""

import os
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest

from adapters.emulators.nvml.machine import STATE_VARIABLE
from adapters.nvml import NvmlCard, NvmlUnavailable, read_cards


@pytest.fixture(scope="session")
def cards() -> tuple[NvmlCard, ...]:
    """The cards of this machine, at least one."""
    if STATE_VARIABLE in os.environ:
        pytest.skip(f"{STATE_VARIABLE} is set: that is for pretended cards.")
    try:
        found = read_cards()
    except NvmlUnavailable as reason:
        pytest.skip(f"No real NVIDIA card can be looked at here. {reason}")
    if not found:
        pytest.skip("This machine has the NVIDIA driver and no card.")
    return found


@pytest.fixture(scope="session")
def smi(cards) -> ElementTree.Element:
    """What nvidia-smi says of the same cards."""
    program = shutil.which("nvidia-smi")
    if program is None:
        pytest.skip("nvidia-smi is not here to compare with.")
    answer = subprocess.run([program, "-q", "-x"], capture_output=True, check=True, timeout=120)
    return ElementTree.fromstring(answer.stdout)
