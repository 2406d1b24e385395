"""A machine without a machine: accounts, cards and logins in memory, and in a file over restarts."""

import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from adapters.emulators.lxd.nouns import HostCard
from adapters.gpu_ssh.host.system import Account, Card, System, Way

_IDLE_MIB = 4


@dataclass
class EmulatedAccount:
    """An account and what its holder left behind."""

    name: str
    uid: int
    comment: str
    keys: list[str] | None = None
    """None while it is locked."""
    until: str = ""
    has_home: bool = True


@dataclass
class _State:
    accounts: dict[str, EmulatedAccount] = field(default_factory=dict)
    users: dict[str, list[int]] = field(default_factory=dict)
    """Which user ids may use a card; a card that is missing here is open to everybody."""


class EmulatedSystem(System):
    """Does to its own memory what a Linux machine does to itself."""

    def __init__(
        self,
        *,
        cards: Iterable[HostCard],
        name: str,
        file: Path | None,
        logins: Callable[[str], int],
        cut: Callable[[str], None],
    ) -> None:
        self.host_cards = tuple(cards)
        self.name = name
        self.changes = 0
        self.files_left: dict[int, list[str]] = {}
        """What user ids own in folders that others share."""
        self.tool_words = ""
        """What the driver's tool complains of instead of answering."""
        self._file, self._logins, self._cut = file, logins, cut
        self._lock = threading.RLock()
        self._state = _load(file)

    # --- looks --------------------------------------------------------------------------------------

    def hostname(self) -> str:
        return self.name

    def now(self) -> datetime:
        return datetime.now(UTC)

    def account(self, name: str) -> Account | None:
        found = self._state.accounts.get(name)
        return Account(name=name, uid=found.uid, comment=found.comment) if found else None

    def is_used(self, uid: int) -> bool:
        return any(account.uid == uid for account in self._state.accounts.values())

    def way_in(self, name: str) -> Way | None:
        found = self._state.accounts.get(name)
        if found is None or found.keys is None:
            return None
        return Way(keys=tuple(found.keys), until=datetime.fromisoformat(found.until))

    def processes(self, uid: int) -> list[str]:
        names = [account.name for account in self._state.accounts.values() if account.uid == uid]
        return [f"sshd: {name}" for name in names for _ in range(self._logins(name))]

    def files(self, uid: int) -> list[str]:
        return list(self.files_left.get(uid, ()))

    def ipc(self, uid: int) -> list[str]:
        return []

    def schedules(self, name: str) -> list[str]:
        found = self._state.accounts.get(name)
        return [f"/home/shary/{name}"] if found and found.has_home else []

    def card_places(self) -> tuple[str, ...]:
        return tuple(card.pci for card in self.host_cards)

    def cards(self) -> tuple[Card, ...]:
        return tuple(
            Card(
                pci=card.pci,
                model=card.model,
                uuid=card.serial_uuid,
                memory_mib=card.memory_mib,
                measurements={
                    "memory_used_mib": float(_IDLE_MIB),
                    "memory_total_mib": float(card.memory_mib),
                    "utilisation_percent": 0.0,
                    "processes": 0.0,
                },
            )
            for card in self.host_cards
        )

    def obstacles(self) -> list[str]:
        return []

    def users_of(self, pci: str) -> frozenset[int] | None:
        found = self._state.users.get(pci)
        return None if found is None else frozenset(found)

    def can_open(self, pci: str, uid: int | None) -> bool:
        found = self._state.users.get(pci)
        return found is None or uid in found

    def probe(self, pci: str, card: Card | None) -> list[dict[str, object]]:
        return []

    def cards_of(self, name: str) -> list[HostCard]:
        """Return the cards that an account may use, for its shell."""
        account = self._state.accounts.get(name)
        if account is None:
            return []
        return [card for card in self.host_cards if self.can_open(card.pci, account.uid)]

    # --- deeds --------------------------------------------------------------------------------------

    def add_account(self, name: str, uid: int, comment: str) -> None:
        self._state.accounts[name] = EmulatedAccount(name=name, uid=uid, comment=comment)
        self._changed()

    def let_in(self, name: str, way: Way) -> None:
        account = self._state.accounts[name]
        account.keys, account.until = list(way.keys), way.until.isoformat()
        self._changed()

    def lock_out(self, name: str) -> None:
        self._state.accounts[name].keys = None
        self._changed()

    def end_processes(self, name: str, uid: int) -> None:
        if self._logins(name):
            self._cut(name)
            self._changed()

    def remove_traces(self, name: str, uid: int) -> None:
        account = self._state.accounts.get(name)
        if account:
            account.has_home = False
        self.files_left.pop(uid, None)
        self._changed()

    def remove_account(self, name: str) -> None:
        self._state.accounts.pop(name, None)
        self._changed()

    def give_card(self, pci: str, uids: frozenset[int]) -> None:
        self._state.users[pci] = sorted(uids)
        self._changed()

    # --- from outside -----------------------------------------------------------------------------------

    def reboot(self) -> None:
        """Forget what a restart forgets: device files are made anew, open to everybody."""
        self._state.users.clear()
        self._changed()

    def _changed(self) -> None:
        with self._lock:
            self.changes += 1
            if self._file is not None:
                draft = self._file.with_name(self._file.name + ".new")
                draft.write_text(json.dumps(asdict(self._state), indent=1))
                draft.replace(self._file)


def _load(file: Path | None) -> _State:
    if file is None or not file.exists():
        return _State()
    written = json.loads(file.read_text())
    return _State(
        accounts={name: EmulatedAccount(**entry) for name, entry in written["accounts"].items()},
        users=written["users"],
    )
