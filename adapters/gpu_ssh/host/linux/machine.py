"""The parts of a real Linux machine, put together."""

from __future__ import annotations

import json
import socket
from datetime import datetime, timezone

from adapters.linux_host.host import files, processes
from adapters.linux_host.host.commands import run
from adapters.linux_host.host.problems import Unknown

from ..configuration import Configuration
from ..system import Account, Card, System, Way
from . import nvidia
from .accounts import Accounts
from .nodes import Nodes


class LinuxSystem(System):
    """This machine. Needs root."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._accounts = Accounts(configuration)
        self._nodes = Nodes(configuration)

    # --- looks --------------------------------------------------------------------------------------

    def hostname(self) -> str:
        return socket.gethostname()

    def now(self) -> datetime:
        return datetime.now(timezone.utc)

    def account(self, name: str) -> Account | None:
        return self._accounts.find(name)

    def is_used(self, uid: int) -> bool:
        return self._accounts.has(uid) or bool(processes.running(uid))

    def way_in(self, name: str) -> Way | None:
        return self._accounts.way_in(name)

    def processes(self, uid: int) -> list[str]:
        return processes.running(uid)

    def files(self, uid: int) -> list[str]:
        roots = (*self._configuration.wipe, *self._configuration.look, self._configuration.homes)
        try:
            return files.files_of(uid, roots, within_s=self._configuration.look_s)
        except Unknown as problem:
            return [str(problem)]

    def ipc(self, uid: int) -> list[str]:
        return [f"{kind} {number}" for kind, number in processes.shared_objects(uid)]

    def schedules(self, name: str) -> list[str]:
        return self._accounts.leftovers(name)

    def card_places(self) -> tuple[str, ...]:
        return tuple(sorted(self._nodes.minors()))

    def cards(self) -> tuple[Card, ...]:
        return nvidia.read_cards(self._configuration.nvidia_smi)

    def obstacles(self) -> list[str]:
        return self._nodes.obstacles()

    def users_of(self, pci: str) -> frozenset[int] | None:
        return self._nodes.users_of(pci)

    def can_open(self, pci: str, uid: int | None) -> bool:
        return self._nodes.can_open(pci, uid)

    def probe(self, pci: str, card: Card | None) -> list[dict[str, object]]:
        words = {"{pci}": pci, "{uuid}": card.uuid if card else ""}
        command = [words.get(word, word) for word in self._configuration.probe]
        answers = json.loads(run(command, timeout_s=self._configuration.probe_s, may_fail=True) or "null")
        if not isinstance(answers, list) or not all(isinstance(entry, dict) for entry in answers):
            raise ValueError("its answer is not a JSON list of checks")
        return answers

    # --- deeds --------------------------------------------------------------------------------------

    def add_account(self, name: str, uid: int, comment: str) -> None:
        self._accounts.add(name, uid, comment)

    def let_in(self, name: str, way: Way) -> None:
        self._accounts.let_in(name, way)

    def lock_out(self, name: str) -> None:
        self._accounts.lock_out(name)

    def end_processes(self, name: str, uid: int) -> None:
        self._accounts.remove_schedules(name)
        processes.end_all(name, uid)

    def remove_traces(self, name: str, uid: int) -> None:
        processes.end_services(uid)
        self._accounts.remove_home(name)
        files.remove_files(uid, self._configuration.wipe)
        processes.remove_shared_objects(uid)

    def remove_account(self, name: str) -> None:
        self._accounts.remove(name)

    def give_card(self, pci: str, uids: frozenset[int]) -> None:
        self._nodes.give(pci, uids)
