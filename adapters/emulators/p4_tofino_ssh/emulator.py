"""The emulated control processor in this process."""

from collections.abc import Iterable
from pathlib import Path
from typing import Self

from adapters.emulators.linux_host.emulator import LinuxHostEmulator
from adapters.emulators.lxd.shell import Shell
from adapters.emulators.p4_tofino_ssh.system import KNOWN_IMAGE, EmulatedSwitch
from adapters.p4_tofino_ssh.host.configuration import Configuration, Look
from adapters.p4_tofino_ssh.host.record import Ledger, Record
from adapters.p4_tofino_ssh.host.requests import CHANGES, answer
from adapters.p4_tofino_ssh.host.verbs import Switch


class TofinoEmulator(LinuxHostEmulator):
    """An emulated switch: `with TofinoEmulator(trust=[line], tenants=["tenant-a"]) as switch: switch.port`."""

    look = '{"protocol": 1, "verb": "observe"}'
    changing = CHANGES

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
        super().__init__(host=host, port=port, trust=trust, account=account, folder=folder, name=name)
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

    def __enter__(self) -> Self:
        self._switch.sweep()
        return super().__enter__()

    def lease(self) -> Record | None:
        """Return the last lease that the switch remembers."""
        return self._ledger.record()

    def perform(self, request: str) -> str:
        return answer(request, lambda: self._switch)

    def sweep(self) -> list[str]:
        return self._switch.sweep()

    def keys_of(self, username: str) -> list[str]:
        way = self.system.way_in(username)
        if way is None or self.system.is_denied(username) or self.system.now() >= way.until:
            return []
        return list(way.keys)

    def shell_for(self, username: str) -> Shell:
        return Shell(hostname=self.system.name, username=username, cards_of=tuple)
