"""The command line of `shary-gpu-host`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import syslog
from collections.abc import Callable
from pathlib import Path

from adapters.linux_host.host.problems import Problem

from . import PROTOCOL, VERSION
from .configuration import DEFAULT_FILE, read_configuration
from .ledger import Ledger
from .linux import LinuxSystem
from .requests import CHANGES, MAX_BYTES, answer, verb_of
from .verbs import Host


def main() -> int:
    """Answer one request on standard input; or sweep, or check the set-up."""
    parser = argparse.ArgumentParser(
        prog="shary-gpu-host",
        description="Lends graphics cards of this machine to accounts that come and go. "
        "Without a command it answers one request of the site's worker on standard input.",
    )
    parser.add_argument("command", nargs="?", choices=["sweep", "check", "version"])
    parser.add_argument("--config", type=Path, default=DEFAULT_FILE)
    wishes = parser.parse_args()
    os.umask(0o022)
    # Of no use to anybody before its work is done: a broken connection must not leave it half-way.
    for number in (signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    syslog.openlog("shary-gpu-host")
    if wishes.command == "version":
        _say(f"shary-gpu-host {VERSION}, protocol {PROTOCOL}")
        return 0
    if wishes.command == "sweep":
        return _complain(lambda: _host(wishes.config).sweep())
    if wishes.command == "check":
        return _complain(lambda: _check(wishes.config))
    return _serve(wishes.config)


def _host(file: Path) -> Host:
    configuration = read_configuration(file)
    return Host(
        system=LinuxSystem(configuration), ledger=Ledger(Path(configuration.state)), configuration=configuration
    )


def _serve(config: Path) -> int:
    request = sys.stdin.buffer.read(MAX_BYTES + 1).decode(errors="replace")
    written = answer(request, lambda: _host(config))
    if verb_of(request) in CHANGES:
        syslog.syslog(f"{request.strip()[:300]} -> {written.strip()[:300]}")
    _say(written.rstrip("\n"))
    return 0


def _check(config: Path) -> list[str]:
    host = _host(config)
    problems = host.system.obstacles()
    there = host.system.card_places()
    problems += [f"There is no card at {pci}." for pci in host.configuration.cards if pci not in there]
    seen = {card.pci: card for card in host.system.cards()}
    for pci in host.configuration.cards:
        if pci in seen:
            _say(f"{pci}  {seen[pci].model}")
        elif pci in there:
            problems.append(f"The driver does not see the card at {pci}.")
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
