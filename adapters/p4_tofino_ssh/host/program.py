"""The command line of `shary-switch-host`."""

from __future__ import annotations

from pathlib import Path

from adapters.linux_host.host.program import Program, say

from . import NAME, PROTOCOL, VERSION
from .configuration import DEFAULT_FILE, read_configuration
from .linux import LinuxSystem
from .record import Ledger
from .requests import CHANGES, answer
from .verbs import Switch


def main() -> int:
    """Answer one request on standard input; or sweep, or check the set-up."""
    return Program(
        name=NAME,
        version=VERSION,
        protocol=PROTOCOL,
        description="Opens a switch's control processor to one tenant at a time.",
        configuration=DEFAULT_FILE,
        changes=CHANGES,
        answer=lambda request, config: answer(request, lambda: _switch(config)),
        sweep=lambda config: _switch(config).sweep(),
        check=_check,
    ).main()


def _switch(file: Path) -> Switch:
    configuration = read_configuration(file)
    return Switch(
        system=LinuxSystem(configuration), ledger=Ledger(Path(configuration.state)), configuration=configuration
    )


def _check(config: Path) -> list[str]:
    switch = _switch(config)
    problems = switch.system.obstacles()
    for name in sorted(switch.system.tenants()):
        say(f"{name}  {'denied' if switch.system.is_denied(name) else 'can enter'}")
    for look in switch.configuration.looks:
        found = switch.system.look(look).strip()
        say(f"{look.name}: {found}")
        if found != look.expect.strip():
            problems.append(f"{look.name} is not as expected: {look.expect}")
    return problems
