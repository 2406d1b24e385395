"""What the tests of the quickstart share."""

import time
from collections.abc import Callable

import pytest

from tests.running_portal import clean_environment as environment_without_ours

WITHIN_S = 15


def poll(condition: Callable[[], bool], *, within_s: float = WITHIN_S) -> bool:
    """Wait until something is so; tell whether it came about in time."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture
def comes_true():
    return poll


@pytest.fixture
def clean_environment() -> dict[str, str]:
    """The environment of somebody who has set nothing for SHARY, Django or the servers."""
    return environment_without_ours()
