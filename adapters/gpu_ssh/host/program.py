"""The command line of `shary-gpu-host`."""

from __future__ import annotations

from pathlib import Path

from adapters.linux_host.host.program import Program, say

from . import NAME, PROTOCOL, VERSION
from .configuration import DEFAULT_FILE, read_configuration
from .ledger import Ledger
from .linux import LinuxSystem
from .requests import CHANGES, answer
from .verbs import Host


def main() -> int:
    """Answer one request on standard input; or sweep, or check the set-up."""
    return Program(
        name=NAME,
        version=VERSION,
        protocol=PROTOCOL,
        description="Lends graphics cards of this machine to accounts that come and go.",
        configuration=DEFAULT_FILE,
        changes=CHANGES,
        answer=lambda request, config: answer(request, lambda: _host(config)),
        sweep=lambda config: _host(config).sweep(),
        check=_check,
    ).main()


def _host(file: Path) -> Host:
    configuration = read_configuration(file)
    return Host(
        system=LinuxSystem(configuration), ledger=Ledger(Path(configuration.state)), configuration=configuration
    )


def _check(config: Path) -> list[str]:
    host = _host(config)
    problems = host.system.obstacles()
    there = host.system.card_places()
    problems += [f"There is no card at {pci}." for pci in host.configuration.cards if pci not in there]
    seen = {card.pci: card for card in host.system.cards()}
    for pci in host.configuration.cards:
        if pci in seen:
            say(f"{pci}  {seen[pci].model}")
        elif pci in there:
            problems.append(f"The driver does not see the card at {pci}.")
    return problems
