"""Keeps network cards from coming and going while a browser runs: it drops its connections when they do."""

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE_S = 60.0
"""Longer than any browser test; a change that cannot wait goes on without."""
_SETTLE_S = 0.3


@contextmanager
def quiet_network() -> Iterator[None]:
    """Hold off those who change network cards, in all test processes of this machine."""
    with _lock_file().open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield


@contextmanager
def changing_network() -> Iterator[None]:
    """Wait until no browser runs, and let none begin until browsers have heard of the change."""
    with _lock_file().open("w") as lock:
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.05)
            else:
                break
        yield
        time.sleep(_SETTLE_S)


def _lock_file() -> Path:
    return Path(tempfile.gettempdir()) / f"shary-tests-{os.getuid()}.network"
