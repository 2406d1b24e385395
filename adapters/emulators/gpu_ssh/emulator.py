"""The emulated machine with cards in this process."""

from collections.abc import Iterable
from pathlib import Path

from adapters.emulators.gpu_ssh.system import EmulatedSystem
from adapters.emulators.linux_host.emulator import LinuxHostEmulator
from adapters.emulators.lxd.nouns import HostCard
from adapters.emulators.lxd.shell import Shell
from adapters.gpu_ssh.host.configuration import Configuration
from adapters.gpu_ssh.host.ledger import Ledger
from adapters.gpu_ssh.host.requests import CHANGES, answer
from adapters.gpu_ssh.host.verbs import Host


class GpuHostEmulator(LinuxHostEmulator):
    """An emulated machine: `with GpuHostEmulator(trust=[line]) as machine: machine.port, machine.host_key`."""

    look = '{"protocol": 1, "verb": "observe", "with_cards": false}'
    changing = CHANGES

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
        super().__init__(host=host, port=port, trust=trust, account=account, folder=folder, name=name)
        cards = tuple(cards)
        self.system = EmulatedSystem(
            cards=cards, name=name, file=state, logins=self._server.logins, cut=self._server.cut
        )
        memory = state.with_name(state.name + ".leases") if state else self.folder / "leases"
        configuration = Configuration(cards=tuple(card.pci for card in cards))
        self._machine = Host(system=self.system, ledger=Ledger(memory), configuration=configuration)

    def perform(self, request: str) -> str:
        return answer(request, lambda: self._machine)

    def sweep(self) -> list[str]:
        return self._machine.sweep()

    def keys_of(self, username: str) -> list[str]:
        way = self.system.way_in(username)
        return list(way.keys) if way and self.system.now() < way.until else []

    def shell_for(self, username: str) -> Shell:
        return Shell(
            hostname=self.system.name, username=username, cards_of=lambda: self.system.cards_of(username)
        )
