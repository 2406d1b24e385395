"""Who has a real card open, found in the files of all processes. Changes nothing."""

import os
import re
from pathlib import Path

import pytest

from adapters.gpu_lxd.open_cards import Host

pytestmark = pytest.mark.gpu


def test_a_process_that_opens_a_card_is_found_until_it_closes_it(cards):
    pci = cards[0].pci
    about = Path("/proc/driver/nvidia/gpus") / pci / "information"
    if os.geteuid() != 0 or not about.exists():
        pytest.skip("this needs root on the host of the cards")
    minor = re.search(r"Device Minor:\s*(\d+)", about.read_text())[1]
    if Host().users_of([pci]) is None:
        pytest.skip("this process may not look into the files of others")
    node = os.open(f"/dev/nvidia{minor}", os.O_RDWR)
    try:
        assert os.getpid() in Host().users_of([pci])
    finally:
        os.close(node)
    assert os.getpid() not in Host().users_of([pci])
