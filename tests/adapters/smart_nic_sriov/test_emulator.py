"""The emulated card refuses what a kernel refuses, keeps what a card keeps, and runs by itself."""

import errno
import signal
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.emulators.sriov import EmulatedCard, SriovEmulator
from adapters.smart_nic_sriov.client import Refusal, open_channel
from adapters.smart_nic_sriov.links import read_card
from adapters.smart_nic_sriov.messages import attribute
from adapters.smart_nic_sriov.settings import DESCRIPTION
from tests.adapters.smart_nic_sriov.conftest import target_for
from tests.adapters.smart_nic_sriov.orders import order_for

ROOT = Path(__file__).parents[3]
MAC, VLAN, LINK, RATE, GUID = 1, 2, 5, 6, 10


@pytest.fixture
def channel(emulator):
    with open_channel(emulator.url, "route", timeout_s=5) as channel:
        yield channel


def set_function(channel, index: int, kind: int, content: bytes) -> None:
    info = attribute(1, attribute(kind, content))
    channel.change(19, struct.pack("=BxHiII", 0, 0, index, 0, 0) + attribute(22, info))


@pytest.mark.parametrize(
    ("kind", "content", "number"),
    [
        (MAC, struct.pack("=I32s", 4, bytes.fromhex("02005e100001")), errno.EINVAL),
        (MAC, struct.pack("=I32s", 0, bytes.fromhex("01005e100001")), errno.EINVAL),
        (VLAN, struct.pack("=III", 0, 4095, 0), errno.EINVAL),
        (VLAN, struct.pack("=III", 0, 7, 8), errno.EINVAL),
        (RATE, struct.pack("=III", 0, 200, 100), errno.EINVAL),
        (RATE, struct.pack("=III", 0, 0, 200_000), errno.EINVAL),
        (LINK, struct.pack("=II", 0, 3), errno.EINVAL),
        (GUID, struct.pack("=I32s", 0, b""), errno.EOPNOTSUPP),
    ],
)
def test_what_a_kernel_refuses_is_refused(channel, emulator, kind, content, number):
    before = emulator.card.changes

    with pytest.raises(Refusal) as caught:
        set_function(channel, emulator.card.index, kind, content)
    assert caught.value.number == number
    assert emulator.card.changes == before


def test_the_words_of_the_kernel_come_through(channel, emulator):
    with pytest.raises(Refusal, match="Invalid VF"):
        set_function(channel, emulator.card.index, LINK, struct.pack("=II", 9, 2))


def test_an_interface_that_is_not_there_is_not_there(channel):
    with pytest.raises(Refusal) as caught:
        set_function(channel, 99, LINK, struct.pack("=II", 0, 2))
    assert caught.value.number == errno.ENODEV


def test_a_started_machine_has_new_functions_and_no_marks(adapter, target, emulator, channel):
    adapter.provision(order_for(target, vlans=[2100]))

    emulator.break_with("reboot")

    with open_channel(emulator.url, "route", timeout_s=5) as again:
        card = read_card(again, "ens1f0")
    assert card.marks == ()
    assert card.functions[1].vlan == 0
    assert card.functions[1].link == "auto"


def test_the_card_is_found_again_as_it_was_left(adapter, tmp_path):
    state = tmp_path / "card.json"
    with SriovEmulator(card=EmulatedCard(state=state)) as emulator:
        adapter.provision(order_for(target_for(emulator), vlans=[2100]))
        left = (emulator.card.functions, emulator.card.other_names)

    with SriovEmulator(card=EmulatedCard(state=state)) as emulator:
        assert (emulator.card.functions, emulator.card.other_names) == left
        assert adapter.observe(target_for(emulator)).carries == "lease-1"


def test_it_runs_by_itself_and_says_where(adapter, tmp_path):
    command = [sys.executable, "-m", "adapters.emulators.sriov", "--functions", "2", "--sysfs", tmp_path]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        words = process.stdout.readline().split()
        try:
            url = words[5].rstrip(",")
            assert words[:4] == ["Network", "card", "ens1f0", "ready"]
            with SriovEmulator() as other:
                target = target_for(other, kernel=url, sysfs=str(tmp_path), timeout_s=5.0)
            assert DESCRIPTION.check_settings(target.settings) == ()
            (card,) = adapter.discover(target)
        finally:
            process.send_signal(signal.SIGTERM)
    assert process.returncode == 0
    assert [part.name for part in card.parts] == ["ens1f0 VF 0", "ens1f0 VF 1"]
