"""What the verbs need of a machine: a real one (`linux`), or one that is emulated."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Account:
    """An account of the machine."""

    name: str
    uid: int
    comment: str


@dataclass(frozen=True)
class Way:
    """How somebody gets in: with one of these keys, until then."""

    keys: tuple[str, ...]
    until: datetime


@dataclass(frozen=True)
class Card:
    """A graphics card as its driver's tool sees it at this moment."""

    pci: str
    model: str
    uuid: str = ""
    serial: str = ""
    memory_mib: int = 0
    measurements: Mapping[str, float] = field(default_factory=dict)
    processes: tuple[int, ...] = ()
    unfit: str = ""


class System(ABC):
    """A machine with accounts, processes and cards. Looks change nothing; deeds are done or raise."""

    # --- looks --------------------------------------------------------------------------------------

    @abstractmethod
    def hostname(self) -> str:
        """Return the machine's name."""

    @abstractmethod
    def now(self) -> datetime:
        """Return the time, aware."""

    @abstractmethod
    def account(self, name: str) -> Account | None:
        """Return the account of this name."""

    @abstractmethod
    def is_used(self, uid: int) -> bool:
        """Say whether an account, a group or a process has this id."""

    @abstractmethod
    def way_in(self, name: str) -> Way | None:
        """Return how the account is entered; None when it is locked."""

    @abstractmethod
    def processes(self, uid: int) -> list[str]:
        """Return what runs under the user id, in words."""

    @abstractmethod
    def files(self, uid: int) -> list[str]:
        """Return what belongs to the user id in the folders that holders can write, up to a few."""

    @abstractmethod
    def ipc(self, uid: int) -> list[str]:
        """Return the System V objects of the user id."""

    @abstractmethod
    def schedules(self, name: str) -> list[str]:
        """Return what would start something for the account later on, its home and its mail."""

    @abstractmethod
    def card_places(self) -> tuple[str, ...]:
        """Return the PCI addresses of the cards that are there, without asking them anything."""

    @abstractmethod
    def cards(self) -> tuple[Card, ...]:
        """Return the cards as they are; raise `Unknown` when their driver does not say."""

    @abstractmethod
    def obstacles(self) -> list[str]:
        """Return why a card could not be kept to one account on this machine, each with the way out."""

    @abstractmethod
    def users_of(self, pci: str) -> frozenset[int] | None:
        """Return which user ids beside root may use the card; None when everybody may."""

    @abstractmethod
    def can_open(self, pci: str, uid: int | None) -> bool:
        """Try to open the card as this user id, or as nobody in particular, and say whether it opens."""

    @abstractmethod
    def probe(self, pci: str, card: Card | None) -> list[dict[str, object]]:
        """Return the checks of the operator's own probe on a card."""

    # --- deeds --------------------------------------------------------------------------------------

    @abstractmethod
    def add_account(self, name: str, uid: int, comment: str) -> None:
        """Make the account and its home, locked."""

    @abstractmethod
    def let_in(self, name: str, way: Way) -> None:
        """Open the account to these keys, and to no others."""

    @abstractmethod
    def lock_out(self, name: str) -> None:
        """Let nobody in any more."""

    @abstractmethod
    def end_processes(self, name: str, uid: int) -> None:
        """End all that runs under the user id, and what would start it again."""

    @abstractmethod
    def remove_traces(self, name: str, uid: int) -> None:
        """Remove the home and all that belongs to the user id elsewhere."""

    @abstractmethod
    def remove_account(self, name: str) -> None:
        """Remove the account and its group."""

    @abstractmethod
    def give_card(self, pci: str, uids: frozenset[int]) -> None:
        """Let these user ids use the card, and nobody else beside root."""
