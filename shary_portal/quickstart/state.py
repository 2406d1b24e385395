"""The one folder in which `make run` keeps everything, and who holds it."""

import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet

from adapters.contract.wire import new_key


class AlreadyRunning(Exception):
    """Another `make run` holds the folder."""


class StateFolder:
    """Paths and keys of one running portal."""

    # What `reset` removes: never more than we made, whatever folder was named.
    OURS = ("postgres", "valkey", "sites", "devices", "logs", "portal.env", "keys.json", "running.json", "mail")

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.postgres = self.path / "postgres"
        self.valkey = self.path / "valkey"
        self.sites = self.path / "sites"
        self.devices = self.path / "devices"
        self.logs = self.path / "logs"
        self.environment = self.path / "portal.env"
        self._keys = self.path / "keys.json"
        self._running = self.path / "running.json"
        self._lock = self.path / "lock"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder; the system lets go of it however we end."""
        self.path.mkdir(parents=True, exist_ok=True)
        with self._lock.open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AlreadyRunning from None
            try:
                yield
            finally:
                self._running.unlink(missing_ok=True)
                self._lock.unlink(missing_ok=True)

    @property
    def is_held(self) -> bool:
        """Tell whether a portal runs on this folder."""
        if not self._lock.exists():
            return False
        with self._lock.open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    @property
    def running(self) -> dict[str, Any]:
        """What the running portal said about itself: its process and its address."""
        return _read_json(self._running)

    def say_running(self, *, address: str) -> None:
        """Leave word for a second start, for `stop` and for `status`."""
        write_private(self._running, json.dumps({"pid": os.getpid(), "address": address}))

    def keys(self) -> dict[str, str]:
        """Return the portal's keys, made at the first call."""
        keys: dict[str, str] = _read_json(self._keys)
        made: dict[str, Callable[[], str]] = {
            "SHARY_SECRET_KEY": lambda: secrets.token_urlsafe(50),
            "SHARY_HUB_KEY": new_key,
            "SHARY_FIELD_KEYS": lambda: Fernet.generate_key().decode(),
            # A new one for each folder: a portal that others can reach must not have a known one.
            "SHARY_DEMONSTRATION_PASSWORD": lambda: f"share-{secrets.token_hex(2)}-{secrets.token_hex(2)}",
        }
        missing = {name: make() for name, make in made.items() if name not in keys}
        if missing:
            keys = {**keys, **missing}
            write_private(self._keys, json.dumps(keys, indent=2))
        return keys

    def note_environment(self, values: Mapping[str, str]) -> None:
        """Write down what `manage.py` needs in order to find this portal."""
        lines = [f'{name}="{value}"\n' for name, value in sorted(values.items())]
        write_private(self.environment, "# Made by `make run`.\n" + "".join(lines))

    def empty(self) -> None:
        """Remove everything that a portal keeps here, and the folder if nothing else is in it."""
        for name in self.OURS:
            path = self.path / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def write_private(path: Path, text: str) -> None:
    """Write a file that only we can read, whole or not at all."""
    part = path.with_name(f"{path.name}.part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    part.replace(path)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return content
