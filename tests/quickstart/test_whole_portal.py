"""`make run` as somebody meets it: the real thing, on a folder of its own."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from shary_portal.quickstart.ports import free_port
from shary_portal.quickstart.postgres import EmbeddedPostgres
from shary_portal.quickstart.processes import left_over, sweep
from shary_portal.quickstart.state import StateFolder
from shary_portal.quickstart.valkey import EmbeddedValkey

ROOT = Path(__file__).resolve().parent.parent.parent

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]


class Portal:
    """A portal that runs beside the test."""

    def __init__(self, folder, environment, *, port):
        self.state = StateFolder(folder)
        self.lines = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "shary_portal.quickstart", "run", "--with-parent", "--port", str(port)],
            cwd=ROOT,
            env=environment | {"SHARY_STATE_DIR": str(folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line)

    @property
    def said(self):
        return "".join(self.lines)

    def address(self, *, within_s=120):
        deadline = time.monotonic() + within_s
        while not (found := re.search(r"SHARY is ready: (\S+)", self.said)):
            assert self.process.poll() is None, self.said
            assert time.monotonic() < deadline, self.said
            time.sleep(0.05)
        return found[1]

    def leave(self, number=signal.SIGINT):
        self.process.send_signal(number)
        status = self.process.wait(60)
        self._reader.join()
        self.process.stdout.close()
        return status


@pytest.fixture
def folder(tmp_path):
    yield tmp_path / "var"
    mark = str(tmp_path / "var")
    sweep(mark)
    EmbeddedValkey(tmp_path / "var" / "valkey").stop()
    EmbeddedPostgres(tmp_path / "var" / "postgres").stop()


@pytest.fixture
def start(folder, clean_environment):
    portals = []

    def start(*, port=None):
        portals.append(Portal(folder, clean_environment, port=port or free_port()))
        return portals[-1]

    yield start
    for portal in portals:
        if portal.process.poll() is None:
            portal.leave(signal.SIGKILL)


def nothing_is_left(folder):
    assert left_over(str(folder)) == []
    assert EmbeddedPostgres(folder / "postgres").pid is None
    assert EmbeddedValkey(folder / "valkey").pid is None
    assert [path for path in folder.rglob("*") if path.is_socket()] == []
    assert not StateFolder(folder).is_held


def test_it_comes_up_shows_its_page_and_goes_without_a_trace(start, folder):
    portal = start()
    address = portal.address()
    with urllib.request.urlopen(f"{address}accounts/login/") as page:
        assert page.status == 200
    assert "researcher@uni-a.example" in portal.said
    assert portal.state.keys()["SHARY_DEMONSTRATION_PASSWORD"] in portal.said
    children = psutil.Process(portal.process.pid).children(recursive=True)
    assert len(children) > 3
    started = time.monotonic()
    assert portal.leave() == 0
    assert time.monotonic() - started < 15  # six on a machine that has nothing else to do
    assert not [child for child in children if child.is_running()]
    nothing_is_left(folder)


def test_after_a_hard_kill_the_next_start_recovers_by_itself(start, folder, comes_true):
    first = start()
    first.address()
    first.leave(signal.SIGKILL)
    second = start()
    second.address()
    assert "Traceback" not in "".join(line for line in second.lines if " prepare " in line)
    assert second.leave(signal.SIGTERM) == 0
    nothing_is_left(folder)


def test_a_second_start_says_where_the_first_one_is(start, folder):
    first = start()
    address = first.address()
    second = start()
    assert second.process.wait(30) == 0
    second._reader.join()
    second.process.stdout.close()
    assert f"running already: {address}" in second.said
    first.leave()


def test_a_taken_port_is_named_and_another_taken(start, folder):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        portal = start(port=port)
        address = portal.address()
        assert f"Port {port} is taken by" in portal.said
        assert str(os.getpid()) in portal.said
        assert f":{port}/" not in address
        portal.leave()
