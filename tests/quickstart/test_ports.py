import os
import socket

import pytest

from shary_portal.quickstart.ports import free_port, is_free, next_free_port, who_listens


@pytest.fixture
def taken():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_port_with_a_listener_is_taken(taken):
    assert not is_free(taken)


def test_the_next_port_that_is_offered_is_free(taken):
    offered = next_free_port(taken)
    assert offered > taken
    assert is_free(offered)


def test_who_has_the_port_is_named(taken):
    assert str(os.getpid()) in who_listens(taken)


def test_a_free_port_can_be_listened_on():
    port = free_port()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", port))
        assert not is_free(port)
