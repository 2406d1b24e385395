"""A control processor without a machine: tenants, logins and an image in memory, and in a file over restarts."""

import json
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from adapters.linux_host.host.keys import Way
from adapters.p4_tofino_ssh.host.configuration import Look
from adapters.p4_tofino_ssh.host.system import RunningProgram, System

KNOWN_IMAGE = "sha256:known"
_FIRST_UID = 2001


@dataclass
class _State:
    denied: list[str] = field(default_factory=list)
    keys: dict[str, list[str]] = field(default_factory=dict)
    until: dict[str, str] = field(default_factory=dict)
    image: str = KNOWN_IMAGE


class EmulatedSwitch(System):
    """Does to its own memory what a control processor does to itself."""

    def __init__(
        self,
        *,
        tenants: Iterable[str],
        name: str,
        file: Path | None,
        logins: Callable[[str], int],
        cut: Callable[[str], None],
    ) -> None:
        self.name = name
        self.names = {tenant: _FIRST_UID + number for number, tenant in enumerate(tenants)}
        self.changes = 0
        self.running: list[RunningProgram] = []
        self.files_left: dict[int, list[str]] = {}
        self.obstacle = ""
        """What is wrong with the machine's set-up."""
        self._file, self._logins, self._cut = file, logins, cut
        self._lock = threading.RLock()
        self._state = _load(file)

    # --- looks --------------------------------------------------------------------------------------

    def hostname(self) -> str:
        return self.name

    def now(self) -> datetime:
        return datetime.now(UTC)

    def obstacles(self) -> list[str]:
        return [self.obstacle] if self.obstacle else []

    def tenants(self) -> Mapping[str, int]:
        return dict(self.names)

    def is_denied(self, name: str) -> bool:
        return name in self._state.denied

    def is_denied_seen_otherwise(self, name: str) -> bool:
        return self.is_denied(name)

    def way_in(self, name: str) -> Way | None:
        if name not in self._state.keys:
            return None
        return Way(keys=tuple(self._state.keys[name]), until=datetime.fromisoformat(self._state.until[name]))

    def processes(self, uids: Collection[int]) -> Mapping[int, list[str]]:
        return {
            uid: [f"sshd: {name}" for _ in range(self._logins(name))]
            for name, uid in self.names.items()
            if uid in uids
        }

    def sessions(self, name: str, uid: int) -> list[str]:
        return [f"{name} pts/{number}" for number in range(self._logins(name))]

    def programs(self) -> list[RunningProgram]:
        return list(self.running)

    def files(self, uid: int) -> list[str]:
        return list(self.files_left.get(uid, ()))

    def ipc(self, uid: int) -> list[str]:
        return []

    def schedules(self, name: str) -> list[str]:
        return []

    def look(self, look: Look) -> str:
        return self._state.image

    # --- deeds --------------------------------------------------------------------------------------

    def deny(self, name: str) -> None:
        if name not in self._state.denied:
            self._state.denied.append(name)
        self._state.keys.pop(name, None)
        self._changed()

    def let_in(self, name: str, way: Way) -> None:
        self._state.keys[name], self._state.until[name] = list(way.keys), way.until.isoformat()
        if name in self._state.denied:
            self._state.denied.remove(name)
        # From now on it may carry anything.
        self._state.image = f"the program of {name}"
        self._changed()

    def end_processes(self, name: str, uid: int) -> None:
        if self._logins(name):
            self._cut(name)
            self._changed()

    def end_programs(self) -> None:
        if self.running:
            self.running.clear()
            self._changed()

    def remove_traces(self, name: str, uid: int) -> None:
        self.files_left.pop(uid, None)

    def restore(self) -> None:
        self._state.image = KNOWN_IMAGE
        self._changed()

    # --- from outside -----------------------------------------------------------------------------------

    @property
    def image(self) -> str:
        """Return what the switch forwards with."""
        return self._state.image

    def reboot(self) -> None:
        """Forget what a restart forgets: what runs. Groups, keys and the image stay."""
        self.running.clear()

    def _changed(self) -> None:
        with self._lock:
            self.changes += 1
            if self._file is not None:
                draft = self._file.with_name(self._file.name + ".new")
                draft.write_text(json.dumps(asdict(self._state), indent=1))
                draft.replace(self._file)


def _load(file: Path | None) -> _State:
    return _State(**json.loads(file.read_text())) if file is not None and file.exists() else _State()
