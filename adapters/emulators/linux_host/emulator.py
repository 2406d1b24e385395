"""An emulated host in this process, with a door that can be shut and faults that can be switched on."""

import tempfile
import threading
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Literal, Self

import asyncssh

from adapters.emulators.linux_host.server import Doors, SshServer
from adapters.emulators.lxd.shell import Shell
from adapters.linux_host.host.requests import verb_of

Fault = Literal["unreachable", "hang", "late", "lie", "reboot"]

_SWEEP_S = 5.0


class LinuxHostEmulator(ABC):
    """A host whose worker sends requests by ssh, and whose holders get a shell."""

    system: Any
    """The emulated machine: counts its `changes`, and can `reboot`."""
    look: ClassVar[str]
    """A request that changes nothing, which a host that lies answers instead of a change."""
    changing: ClassVar[Collection[str]]
    """The verbs that change something."""

    def __init__(
        self, *, host: str, port: int, trust: Iterable[str], account: str, folder: Path | None, name: str
    ) -> None:
        self._temporary = None if folder else tempfile.TemporaryDirectory(prefix=f"{name}-")
        self.folder = folder or Path(self._temporary.name if self._temporary else "")
        self.account = account
        key = _host_key(self.folder)
        self.host_key = key.export_public_key("openssh").decode().strip()
        """The host's public key, for clients to pin."""
        self._trust = list(trust)
        self._server = SshServer(
            host=host,
            port=port,
            host_key=key,
            doors=Doors(
                keys_of=lambda username: self._trust if username == account else self.keys_of(username),
                is_worker=lambda username: username == account,
                answer=self._answer,
                shell_for=self.shell_for,
            ),
        )
        self._late, self._lies = False, False
        self._mended, self._over = threading.Event(), threading.Event()

    # --- what hosts differ in ---------------------------------------------------------------------------

    @abstractmethod
    def perform(self, request: str) -> str:
        """Answer a request of the worker, as the host's program does."""

    @abstractmethod
    def sweep(self) -> list[str]:
        """Close what is over, as the host's timer does each minute."""

    @abstractmethod
    def keys_of(self, username: str) -> list[str]:
        """Return the keys that open an account at this moment."""

    @abstractmethod
    def shell_for(self, username: str) -> Shell:
        """Return what somebody gets who has logged in."""

    # --- life -------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._server.open()
        self._sweeper = threading.Thread(target=self._sweep, name="emulated timer", daemon=True)
        self._sweeper.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.mend()
        self._over.set()
        self._sweeper.join(timeout=5)
        self._server.close()
        if self._temporary is not None:
            self._temporary.cleanup()

    @property
    def host(self) -> str:
        """Return the address at which it listens."""
        return self._server.host

    @property
    def port(self) -> int:
        """Return the port at which it listens."""
        return self._server.port

    def changes(self) -> int:
        """Return how many changes the host has made since it was started."""
        return int(self.system.changes)

    # --- bad days ---------------------------------------------------------------------------------------

    def break_with(self, fault: Fault) -> None:
        """Break the whole host in one of five ways, until `mend`."""
        self._mended.clear()
        if fault == "unreachable":
            self._server.shut()
        elif fault == "hang":
            self._server.open_to_silence()
        elif fault == "reboot":
            self._server.cut()
            self.system.reboot()
        else:
            self._late, self._lies = fault == "late", fault == "lie"

    def mend(self) -> None:
        """End all faults; what took effect stays."""
        self._late = self._lies = False
        self._mended.set()
        self._server.open()

    # --- underneath -------------------------------------------------------------------------------------

    def _answer(self, request: str) -> str:
        changes = verb_of(request) in self.changing
        if changes and self._lies:
            return self.perform(self.look)
        written = self.perform(request)
        if changes and self._late:
            self._mended.wait(timeout=30)
        return written

    def _sweep(self) -> None:
        while not self._over.wait(_SWEEP_S):
            self.sweep()


def _host_key(folder: Path) -> asyncssh.SSHKey:
    file = folder / "ssh_host_key"
    if not file.exists():
        key = asyncssh.generate_private_key("ssh-ed25519", comment="shary")
        folder.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_bytes(key.export_private_key())
        file.with_name("ssh_host_key.pub").write_bytes(key.export_public_key())
    return asyncssh.read_private_key(file)
