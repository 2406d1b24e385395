"""The emulated control processor in this process, with a door that can be shut and faults to switch on."""

import tempfile
import threading
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Literal

import asyncssh

from adapters.emulators.gpu_ssh.server import Doors, SshServer
from adapters.emulators.lxd.shell import Shell
from adapters.emulators.p4_tofino_ssh.system import KNOWN_IMAGE, EmulatedSwitch
from adapters.p4_tofino_ssh.host.configuration import Configuration, Look
from adapters.p4_tofino_ssh.host.record import Ledger, Record
from adapters.p4_tofino_ssh.host.requests import CHANGES, answer, verb_of
from adapters.p4_tofino_ssh.host.verbs import Switch

Fault = Literal["unreachable", "hang", "late", "lie", "reboot"]

_SWEEP_S = 5.0


class TofinoEmulator:
    """An emulated switch: `with TofinoEmulator(trust=[line], tenants=["tenant-a"]) as switch: switch.port`."""

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        trust: Iterable[str] = (),
        tenants: Iterable[str] = (),
        name: str = "tofino-emulator",
        account: str = "shary",
        folder: Path | None = None,
        state: Path | None = None,
    ) -> None:
        self._temporary = None if folder else tempfile.TemporaryDirectory(prefix="tofino-emulator-")
        self.folder = folder or Path(self._temporary.name if self._temporary else "")
        self.account = account
        key = _host_key(self.folder)
        self.host_key = key.export_public_key("openssh").decode().strip()
        """The switch's public key, for clients to pin."""
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
        self.system = EmulatedSwitch(
            tenants=tenants, name=name, file=state, logins=self._server.logins, cut=self._server.cut
        )
        memory = state.with_name(state.name + ".lease") if state else self.folder / "lease"
        configuration = Configuration(
            tenants="tenants",
            restore=("true",),
            looks=(Look(name="known image", command=("emulated",), expect=KNOWN_IMAGE),),
        )
        self._ledger = Ledger(memory)
        self._switch = Switch(system=self.system, ledger=self._ledger, configuration=configuration)
        self._late, self._lies = False, False
        self._mended, self._over = threading.Event(), threading.Event()

    # --- life -------------------------------------------------------------------------------------

    def __enter__(self) -> "TofinoEmulator":
        self._switch.sweep()
        self._server.open()
        # As the timer on a real switch does it.
        self._sweeper = threading.Thread(target=self._sweep, name="switch sweep", daemon=True)
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

    def lease(self) -> Record | None:
        """Return the last lease that the switch remembers."""
        return self._ledger.record()

    def sweep(self) -> list[str]:
        """Close what is over, as the switch's timer does each minute."""
        return self._switch.sweep()

    # --- bad days -----------------------------------------------------------------------------------

    def break_with(self, fault: Fault) -> None:
        """Break the whole switch in one of five ways, until `mend`."""
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
        """Return how many changes the switch has made since it was started."""
        return self.system.changes

    # --- underneath -----------------------------------------------------------------------------------

    def _answer(self, request: str) -> str:
        changes = verb_of(request) in CHANGES
        if changes and self._lies:
            return answer('{"protocol": 1, "verb": "observe"}', lambda: self._switch)
        written = answer(request, lambda: self._switch)
        if changes and self._late:
            self._mended.wait(timeout=30)
        return written

    def _keys_of(self, username: str) -> list[str]:
        if username == self.account:
            return self._trust
        way = self.system.way_in(username)
        if way is None or self.system.is_denied(username) or self.system.now() >= way.until:
            return []
        return list(way.keys)

    def _shell_for(self, username: str) -> Shell:
        return Shell(hostname=self.system.name, username=username, cards_of=tuple)

    def _sweep(self) -> None:
        while not self._over.wait(_SWEEP_S):
            self._switch.sweep()


def _host_key(folder: Path) -> asyncssh.SSHKey:
    file = folder / "ssh_host_key"
    if not file.exists():
        key = asyncssh.generate_private_key("ssh-ed25519", comment="shary")
        folder.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_bytes(key.export_private_key())
        file.with_name("ssh_host_key.pub").write_bytes(key.export_public_key())
    return asyncssh.read_private_key(file)
