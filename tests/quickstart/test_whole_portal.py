"""`make run` as somebody meets it: the real thing, on a folder of its own."""

import os
import signal
import socket
import time
import urllib.request

import psutil
import pytest

from shary_portal.quickstart.ports import free_port
from shary_portal.quickstart.postgres import EmbeddedPostgres
from shary_portal.quickstart.processes import left_over
from shary_portal.quickstart.state import StateFolder
from shary_portal.quickstart.valkey import EmbeddedValkey
from tests.running_portal import RunningPortal, remove_traces

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]


@pytest.fixture
def folder(tmp_path):
    yield tmp_path / "var"
    remove_traces(tmp_path / "var")


@pytest.fixture
def start(folder, clean_environment):
    portals = []

    def start(*, port=None):
        portals.append(RunningPortal(folder, clean_environment, port=port or free_port()))
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
    assert psutil.wait_procs(children, timeout=30)[1] == []
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
