"""The portal as `make run` starts it, beside a test, on a state folder of its own."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from shary_portal.quickstart.ports import free_port
from shary_portal.quickstart.postgres import EmbeddedPostgres
from shary_portal.quickstart.processes import sweep
from shary_portal.quickstart.state import StateFolder
from shary_portal.quickstart.valkey import EmbeddedValkey

ROOT = Path(__file__).resolve().parent.parent
OURS = ("SHARY_", "DATABASE_URL", "CELERY_", "DJANGO_", "PYTEST_", "PG", "COV_")


def clean_environment() -> dict[str, str]:
    """Return the environment of somebody who has set nothing for SHARY, Django or the servers."""
    return {name: value for name, value in os.environ.items() if not name.startswith(OURS)}


class RunningPortal:
    """One supervisor process and what it says."""

    def __init__(self, folder: Path, environment: Mapping[str, str], *, port: int) -> None:
        self.state = StateFolder(folder)
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "shary_portal.quickstart", "run", "--port", str(port)],
            cwd=ROOT,
            env={**environment, "SHARY_STATE_DIR": str(folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(iter(self.process.stdout.readline, ""))

    @property
    def said(self) -> str:
        """Everything it has printed."""
        return "".join(self.lines)

    @property
    def password(self) -> str:
        """The password of the demonstration accounts."""
        return str(self.state.keys()["SHARY_DEMONSTRATION_PASSWORD"])

    def address(self, *, within_s: float = 120) -> str:
        """Return where it answers, once it does."""
        deadline = time.monotonic() + within_s
        while not (found := re.search(r"SHARY is ready: (\S+)", self.said)):
            assert self.process.poll() is None, self.said
            assert time.monotonic() < deadline, self.said
            time.sleep(0.05)
        return found[1]

    def leave(self, number: int = signal.SIGINT) -> int:
        """End it by a signal; return its status."""
        self.process.send_signal(number)
        status = self.process.wait(60)
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status


def remove_traces(folder: Path) -> None:
    """End whatever a portal on this folder left running."""
    sweep(str(folder))
    EmbeddedValkey(folder / "valkey").stop()
    EmbeddedPostgres(folder / "postgres").stop()


@contextmanager
def running_portal(folder: Path) -> Iterator[RunningPortal]:
    """Run a portal on a folder for as long as the block lasts."""
    portal = RunningPortal(folder, clean_environment(), port=free_port())
    try:
        yield portal
    finally:
        if portal.process.poll() is None:
            portal.leave()
        remove_traces(folder)
