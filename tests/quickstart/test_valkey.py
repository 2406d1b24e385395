import os
import signal
import stat

import pytest
import redis

from shary_portal.quickstart.valkey import EmbeddedValkey


@pytest.fixture
def server(tmp_path):
    server = EmbeddedValkey(tmp_path / "valkey")
    yield server
    server.stop()


def client_of(server):
    return redis.Redis.from_url(server.url())


def test_a_started_server_answers_under_its_address(server):
    server.start()
    with client_of(server) as client:
        assert client.set("word", "heard") is True
        assert client.get("word") == b"heard"


def test_nobody_gets_in_without_the_password(server):
    server.start()
    port = int(server.url().rpartition(":")[2].partition("/")[0])
    with redis.Redis(port=port) as client, pytest.raises(redis.AuthenticationError):
        client.ping()


def test_the_password_lies_where_only_we_can_read_it(server):
    server.start()
    for file in (server.folder / "server.json", server.folder / "valkey.conf"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_stopped_server_is_gone(server):
    server.start()
    pid = server.pid
    server.stop()
    assert server.pid is None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_running_server_is_taken_over(server):
    server.start()
    second = EmbeddedValkey(server.folder)
    second.start()
    assert second.pid == server.pid
    assert second.url() == server.url()


def test_after_a_hard_kill_it_starts_again_under_the_same_address(server):
    server.start()
    address = server.url()
    os.kill(server.pid, signal.SIGKILL)
    server._child.wait(10)
    again = EmbeddedValkey(server.folder)
    again.start()
    assert again.url() == address
    again.stop()
