"""What the verbs need of a switch's control processor: a real one (`linux`), or one that is emulated."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from adapters.linux_host.host.keys import Way

from .configuration import Look


@dataclass(frozen=True)
class RunningProgram:
    """A control program that runs now."""

    words: str
    tenant: int | None
    """The user id of the tenant who runs it or has it run as somebody else; None for the site itself."""


class System(ABC):
    """A machine with tenants' accounts and a switch. Looks change nothing; deeds are done or raise."""

    # --- looks --------------------------------------------------------------------------------------

    @abstractmethod
    def hostname(self) -> str:
        """Return the machine's name."""

    @abstractmethod
    def now(self) -> datetime:
        """Return the time, aware."""

    @abstractmethod
    def obstacles(self) -> list[str]:
        """Return why accounts could not be kept out of this machine, each with the way out."""

    @abstractmethod
    def tenants(self) -> Mapping[str, int]:
        """Return the accounts that the switch is lent to, with their user ids."""

    @abstractmethod
    def is_denied(self, name: str) -> bool:
        """Say whether the account is in the group that sshd refuses."""

    @abstractmethod
    def is_denied_seen_otherwise(self, name: str) -> bool:
        """Say the same, asked of another tool."""

    @abstractmethod
    def way_in(self, name: str) -> Way | None:
        """Return the keys that we wrote for the account; None when there is no file."""

    @abstractmethod
    def processes(self, uids: Collection[int]) -> Mapping[int, list[str]]:
        """Return what runs under these user ids, or was started by their logins as somebody else."""

    @abstractmethod
    def sessions(self, name: str, uid: int) -> list[str]:
        """Return the account's logins, as the machine's books have them."""

    @abstractmethod
    def programs(self) -> list[RunningProgram]:
        """Return the control programs that run."""

    @abstractmethod
    def files(self, uid: int) -> list[str]:
        """Return what belongs to the user id in the folders that are emptied, up to a few."""

    @abstractmethod
    def ipc(self, uid: int) -> list[str]:
        """Return the System V objects of the user id."""

    @abstractmethod
    def schedules(self, name: str) -> list[str]:
        """Return what would start something for the account later on."""

    @abstractmethod
    def look(self, look: Look) -> str:
        """Return what a command of the operator's prints."""

    # --- deeds --------------------------------------------------------------------------------------

    @abstractmethod
    def deny(self, name: str) -> None:
        """Have sshd refuse the account, and take away its keys."""

    @abstractmethod
    def let_in(self, name: str, way: Way) -> None:
        """Open the account to these keys."""

    @abstractmethod
    def end_processes(self, name: str, uid: int) -> None:
        """End all that runs for the account, and what would start it again."""

    @abstractmethod
    def end_programs(self) -> None:
        """End the control programs, whoever runs them."""

    @abstractmethod
    def remove_traces(self, name: str, uid: int) -> None:
        """Remove what the account left outside its home."""

    @abstractmethod
    def restore(self) -> None:
        """Load the known image again."""
