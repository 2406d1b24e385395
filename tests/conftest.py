"""What every test may ask for."""

import os

import pytest
import redis


@pytest.fixture(scope="session")
def broker_address(worker_id: str) -> str:
    """The broker, with a database in it for each of the parallel test processes."""
    number = int(worker_id.removeprefix("gw")) + 1 if worker_id.startswith("gw") else 0
    return f"{os.environ['CELERY_BROKER_URL'].rpartition('/')[0]}/{number}"


@pytest.fixture
def broker_url(broker_address: str) -> str:
    """An empty broker, real, for this test alone."""
    with redis.Redis.from_url(broker_address) as client:
        client.flushdb()
    return broker_address
