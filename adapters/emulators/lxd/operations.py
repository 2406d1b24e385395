"""Background operations: begun at once, finished later, forgotten when the daemon starts again."""

import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from adapters.emulators.lxd.refusal import Refusal

_RUNNING, _SUCCESS, _FAILURE = 103, 200, 400
_WORDS = {_RUNNING: "Running", _SUCCESS: "Success", _FAILURE: "Failure"}


@dataclass
class Operation:
    """One background operation."""

    description: str
    resources: dict[str, list[str]]
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status_code: int = _RUNNING
    err: str = ""
    created_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat())
    updated_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat())
    finished: threading.Event = field(default_factory=threading.Event)

    def answer(self) -> dict[str, Any]:
        """Return the operation as the API shows it."""
        return {
            "id": self.id,
            "class": "task",
            "description": self.description,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "status": _WORDS[self.status_code],
            "status_code": self.status_code,
            "resources": self.resources,
            "metadata": None,
            "may_cancel": False,
            "err": self.err,
            "location": "none",
        }

    def finish(self, refusal: Refusal | None) -> None:
        """Write down how it ended."""
        self.status_code = _SUCCESS if refusal is None else _FAILURE
        self.err = refusal.words if refusal else ""
        self.updated_at = datetime.now(UTC).isoformat()
        self.finished.set()


class Operations:
    """All operations that the daemon remembers."""

    def __init__(self) -> None:
        self._known: dict[str, Operation] = {}
        self._threads: set[threading.Thread] = set()

    def begin(self, description: str, instance: str, work: Callable[[], None], *, after_s: float) -> Operation:
        """Start the work in the background, a moment from now."""
        operation = Operation(description, {"instances": [f"/1.0/instances/{instance}"]})
        self._known[operation.id] = operation

        def run() -> None:
            time.sleep(after_s)
            try:
                work()
            except Refusal as refusal:
                operation.finish(refusal)
            else:
                operation.finish(None)
            self._threads.discard(threading.current_thread())

        thread = threading.Thread(target=run, name=f"lxd {description}", daemon=True)
        self._threads.add(thread)
        thread.start()
        return operation

    def pretend(self, description: str) -> Operation:
        """Return an operation that ended well and did nothing."""
        operation = Operation(description, {})
        operation.finish(None)
        self._known[operation.id] = operation
        return operation

    def get(self, identifier: str) -> Operation:
        """Return an operation by its id."""
        if identifier not in self._known:
            raise Refusal(404, "Operation not found")
        return self._known[identifier]

    def all(self) -> list[Operation]:
        """Return all operations that are remembered."""
        return list(self._known.values())

    def forget(self) -> None:
        """Lose all of them, as a daemon does that starts again. What runs goes on."""
        self._known.clear()

    def join(self) -> None:
        """Wait until nothing runs any more."""
        for thread in list(self._threads):
            thread.join(timeout=5)
