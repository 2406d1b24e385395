"""The command line of `shary-switch-host`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import syslog
from collections.abc import Callable
from pathlib import Path

from adapters.linux_host.host.problems import Problem

from . import NAME, PROTOCOL, VERSION
from .configuration import DEFAULT_FILE, read_configuration
from .linux import LinuxSystem
from .record import Ledger
from .requests import CHANGES, MAX_BYTES, answer, verb_of
from .verbs import Switch


def main() -> int:
    """Answer one request on standard input; or sweep, or check the set-up."""
    parser = argparse.ArgumentParser(
        prog=NAME,
        description="Opens a switch's control processor to one tenant at a time. "
        "Without a command it answers one request of the site's worker on standard input.",
    )
    parser.add_argument("command", nargs="?", choices=["sweep", "check", "version"])
    parser.add_argument("--config", type=Path, default=DEFAULT_FILE)
    wishes = parser.parse_args()
    os.umask(0o022)
    # Of no use to anybody before its work is done: a broken connection must not leave it half-way.
    for number in (signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    syslog.openlog(NAME)
    if wishes.command == "version":
        _say(f"{NAME} {VERSION}, protocol {PROTOCOL}")
        return 0
    if wishes.command == "sweep":
        return _complain(lambda: _switch(wishes.config).sweep())
    if wishes.command == "check":
        return _complain(lambda: _check(wishes.config))
    return _serve(wishes.config)


def _switch(file: Path) -> Switch:
    configuration = read_configuration(file)
    return Switch(
        system=LinuxSystem(configuration), ledger=Ledger(Path(configuration.state)), configuration=configuration
    )


def _serve(config: Path) -> int:
    request = sys.stdin.buffer.read(MAX_BYTES + 1).decode(errors="replace")
    written = answer(request, lambda: _switch(config))
    if verb_of(request) in CHANGES:
        syslog.syslog(f"{request.strip()[:300]} -> {written.strip()[:300]}")
    _say(written.rstrip("\n"))
    return 0


def _check(config: Path) -> list[str]:
    switch = _switch(config)
    problems = switch.system.obstacles()
    for name in sorted(switch.system.tenants()):
        _say(f"{name}  {'denied' if switch.system.is_denied(name) else 'can enter'}")
    for look in switch.configuration.looks:
        found = switch.system.look(look).strip()
        _say(f"{look.name}: {found}")
        if found != look.expect.strip():
            problems.append(f"{look.name} is not as expected: {look.expect}")
    return problems


def _complain(work: Callable[[], list[str]]) -> int:
    try:
        problems = work()
    except Problem as problem:
        problems = [str(problem)]
    for words in problems:
        sys.stderr.write(f"{words}\n")
        syslog.syslog(words)
    return 1 if problems else 0


def _say(text: str) -> None:
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except OSError:
        # Nobody listens any more. The work is done; the worker will come and look.
        os._exit(0)
