"""The emulated machine in this process, with a door that can be shut and faults that can be switched on."""

import tempfile
import threading
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Literal

import asyncssh

from adapters.emulators.gpu_ssh.server import Doors, SshServer
from adapters.emulators.gpu_ssh.system import EmulatedSystem
from adapters.emulators.lxd.nouns import HostCard
from adapters.emulators.lxd.shell import Shell
from adapters.gpu_ssh.host.configuration import Configuration
from adapters.gpu_ssh.host.ledger import Ledger
from adapters.gpu_ssh.host.requests import CHANGES, answer, verb_of
from adapters.gpu_ssh.host.verbs import Host

Fault = Literal["unreachable", "hang", "late", "lie", "reboot"]

_SWEEP_S = 5.0


class GpuHostEmulator:
    """An emulated machine: `with GpuHostEmulator(trust=[line]) as machine: machine.port, machine.host_key`."""

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        trust: Iterable[str] = (),
        cards: Iterable[HostCard] = (),
        name: str = "gpu-emulator",
        account: str = "shary",
        folder: Path | None = None,
        state: Path | None = None,
    ) -> None:
        self._temporary = None if folder else tempfile.TemporaryDirectory(prefix="gpu-emulator-")
        self.folder = folder or Path(self._temporary.name if self._temporary else "")
        self.account = account
        key = _host_key(self.folder)
        self.host_key = key.export_public_key("openssh").decode().strip()
        """The machine's public key, for clients to pin."""
        self._trust = list(trust)
        self._server = SshServer(
            host=host,
            port=port,
            host_key=key,
            doors=Doors(
                keys_of=self._keys_of,
                is_worker=lambda username: username == account,
                answer=self._answer,
                shell_for=self._shell_for,
            ),
        )
        cards = tuple(cards)
        self.system = EmulatedSystem(
            cards=cards, name=name, file=state, logins=self._server.logins, cut=self._server.cut
        )
        memory = state.with_name(state.name + ".leases") if state else self.folder / "leases"
        configuration = Configuration(cards=tuple(card.pci for card in cards))
        self._machine = Host(system=self.system, ledger=Ledger(memory), configuration=configuration)
        self._late, self._lies = False, False
        self._mended, self._over = threading.Event(), threading.Event()

    # --- life -------------------------------------------------------------------------------------

    def __enter__(self) -> "GpuHostEmulator":
        self._server.open()
        # As the timer on a real machine does it.
        self._sweeper = threading.Thread(target=self._sweep, name="gpu sweep", daemon=True)
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

    def sweep(self) -> list[str]:
        """Close what is over, as the machine's timer does each minute."""
        return self._machine.sweep()

    # --- bad days -----------------------------------------------------------------------------------

    def break_with(self, fault: Fault) -> None:
        """Break the whole machine in one of five ways, until `mend`."""
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

    def changes(self) -> int:
        """Return how many changes the machine has made since it was started."""
        return self.system.changes

    # --- underneath -----------------------------------------------------------------------------------

    def _answer(self, request: str) -> str:
        changes = verb_of(request) in CHANGES
        if changes and self._lies:
            return answer('{"protocol": 1, "verb": "observe", "with_cards": false}', lambda: self._machine)
        written = answer(request, lambda: self._machine)
        if changes and self._late:
            self._mended.wait(timeout=30)
        return written

    def _keys_of(self, username: str) -> list[str]:
        if username == self.account:
            return self._trust
        way = self.system.way_in(username)
        return list(way.keys) if way and self.system.now() < way.until else []

    def _shell_for(self, username: str) -> Shell:
        return Shell(
            hostname=self.system.name, username=username, cards_of=lambda: self.system.cards_of(username)
        )

    def _sweep(self) -> None:
        while not self._over.wait(_SWEEP_S):
            self._machine.sweep()


def _host_key(folder: Path) -> asyncssh.SSHKey:
    file = folder / "ssh_host_key"
    if not file.exists():
        key = asyncssh.generate_private_key("ssh-ed25519", comment="shary")
        folder.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_bytes(key.export_private_key())
        file.with_name("ssh_host_key.pub").write_bytes(key.export_public_key())
    return asyncssh.read_private_key(file)
