"""The servers that the tests run on: one PostgreSQL and one Valkey for each run.

Loaded by `-p tests.services` (pyproject.toml), because the settings, which pytest-django reads
before any conftest, want the addresses. What a run has made stays in `.cache/` for the next one, stopped.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from shary_portal.quickstart.postgres import FOR_TESTS, EmbeddedPostgres
from shary_portal.quickstart.valkey import EmbeddedValkey

FOLDER = Path(__file__).resolve().parent.parent / ".cache" / "test-services"

_running = ExitStack()


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests() -> Iterator[None]:
    if "PYTEST_XDIST_WORKER" not in os.environ:
        start_services()
    yield


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    _running.close()


def start_services() -> None:
    """Start what the environment does not name, and name it there."""
    wanted = {"DATABASE_URL", "CELERY_BROKER_URL"} - os.environ.keys()
    if not wanted:
        return
    folder = take_folder()
    postgres = EmbeddedPostgres(folder / "postgres", settings=FOR_TESTS)
    valkey = EmbeddedValkey(folder / "valkey")
    if "DATABASE_URL" in wanted:
        _running.callback(postgres.stop)
        postgres.begin()
    if "CELERY_BROKER_URL" in wanted:
        _running.callback(valkey.stop)
        valkey.start()
        os.environ["CELERY_BROKER_URL"] = valkey.url()
    if "DATABASE_URL" in wanted:
        postgres.wait()
        os.environ["DATABASE_URL"] = postgres.url()


def take_folder() -> Path:
    """Return a folder that no other run of the tests is using, and hold it until the end."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for number in range(1, 100):
        folder = FOLDER / str(number)
        folder.mkdir(exist_ok=True)
        lock = _running.enter_context((folder / "lock").open("w"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        return folder
    raise RuntimeError(f"a hundred runs of the tests at once? See {FOLDER}.")
