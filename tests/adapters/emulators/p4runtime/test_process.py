"""The emulated switch as a process, with what it remembers and how it can fail."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import pytest

from adapters.emulators.p4runtime import P4RuntimeEmulator
from tests.adapters.emulators.p4runtime.controller import (
    INSERT,
    Controller,
    code_of,
    example_config,
    mac_entry,
)


@contextmanager
def process(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "adapters.emulators.p4runtime", "--listen", "127.0.0.1:0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        try:
            line = running.stdout.readline()
            yield running, re.search(r"127\.0\.0\.1:\d+", line)[0]
        finally:
            running.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_process_says_that_it_is_ready_and_stops_when_asked(number):
    with process("--device-id", "4") as (running, address):
        with Controller(address, device_id=4) as controller:
            assert controller.bid(1) == "OK"
        running.send_signal(number)

        assert running.wait(timeout=60) == 0


def test_a_taken_port_is_said_in_a_line(switch):
    command = [sys.executable, "-m", "adapters.emulators.p4runtime", "--listen", switch.address]

    done = subprocess.run(command, capture_output=True, text=True, timeout=30)

    assert done.returncode == 1
    assert switch.address in done.stderr
    assert "Traceback" not in done.stderr


def test_what_was_written_outlives_the_process_that_keeps_a_state(tmp_path):
    state = tmp_path / "switch.json"
    with P4RuntimeEmulator(state=state) as first, Controller(first.address) as controller:
        controller.bid(50)
        controller.push(example_config())
        controller.write((INSERT, mac_entry()))

    with P4RuntimeEmulator(state=state) as second, Controller(second.address) as controller:
        assert controller.pipeline().config == example_config()
        assert controller.read() == [mac_entry()]
        assert controller.bid(49) == "NOT_FOUND"


def test_without_a_state_a_new_process_knows_nothing(switch, connect, primary):
    with P4RuntimeEmulator() as other:
        assert not connect(other.address).pipeline().HasField("config")


def test_a_switch_that_lies_says_yes_and_does_nothing(switch, primary):
    switch.break_with("lie")

    primary.write((INSERT, mac_entry()))
    primary.push(example_config(cookie=8))

    assert primary.read() == []
    assert primary.pipeline().config.cookie.cookie == 7


def test_a_late_switch_does_it_and_does_not_answer(switch, connect, primary, monkeypatch):
    switch.break_with("late")
    monkeypatch.setattr("tests.adapters.emulators.p4runtime.controller.DEADLINE_S", 0.2)

    with pytest.raises(grpc.RpcError) as caught:
        primary.write((INSERT, mac_entry()))
    assert code_of(caught) == "DEADLINE_EXCEEDED"
    switch.mend()
    assert primary.read() == [mac_entry()]


def test_a_hanging_switch_does_not_make_up_for_it_later(switch, primary, monkeypatch):
    switch.break_with("hang")
    with monkeypatch.context() as patch:
        patch.setattr("tests.adapters.emulators.p4runtime.controller.DEADLINE_S", 0.2)
        with pytest.raises(grpc.RpcError) as caught:
            primary.write((INSERT, mac_entry()))
    assert code_of(caught) == "DEADLINE_EXCEEDED"
    switch.mend()

    assert primary.read() == []


def test_a_switch_that_dies_takes_everything_with_it(switch, connect, primary):
    switch.break_with("die")

    with pytest.raises(grpc.RpcError) as caught:
        primary.push(example_config(cookie=8))
    assert code_of(caught) == "UNAVAILABLE"
    switch.mend()
    assert not connect(switch.address).pipeline().HasField("config")


def test_an_unreachable_switch_comes_back_at_the_same_address(switch, connect, primary):
    address = switch.address
    switch.break_with("unreachable")
    with pytest.raises(grpc.RpcError) as caught:
        connect(address).pipeline()
    assert code_of(caught) == "UNAVAILABLE"

    switch.mend()

    assert switch.address == address
    assert connect(address).pipeline().config == example_config()
