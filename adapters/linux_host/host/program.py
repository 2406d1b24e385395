"""The command line of a program that the worker's key starts: one request, one answer."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import syslog
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from .problems import Problem
from .requests import MAX_BYTES, verb_of


@dataclass(frozen=True)
class Program:
    """What the programs of different hosts differ in."""

    name: str
    version: str
    protocol: int
    description: str
    configuration: Path
    """Where the configuration lies, unless the command line says otherwise."""
    changes: Collection[str]
    """The verbs that go into the system's log."""
    answer: Callable[[str, Path], str]
    """Takes a request and the place of the configuration."""
    sweep: Callable[[Path], list[str]]
    """Closes what is over; returns what is wrong, in words."""
    check: Callable[[Path], list[str]]
    """Looks whether the host is set up; returns what is wrong, in words."""

    def main(self) -> int:
        """Answer one request on standard input; or sweep, or check the set-up. Return the exit status."""
        parser = argparse.ArgumentParser(
            prog=self.name,
            description=f"{self.description} "
            "Without a command it answers one request of the site's worker on standard input.",
        )
        parser.add_argument("command", nargs="?", choices=["sweep", "check", "version"])
        parser.add_argument("--config", type=Path, default=self.configuration)
        wishes = parser.parse_args()
        os.umask(0o022)
        # Of no use to anybody before its work is done: a broken connection must not leave it half-way.
        for number in (signal.SIGHUP, signal.SIGPIPE):
            signal.signal(number, signal.SIG_IGN)
        syslog.openlog(self.name)
        if wishes.command == "version":
            say(f"{self.name} {self.version}, protocol {self.protocol}")
            return 0
        if wishes.command == "sweep":
            return _complain(lambda: self.sweep(wishes.config))
        if wishes.command == "check":
            return _complain(lambda: self.check(wishes.config))
        return self._serve(wishes.config)

    def _serve(self, config: Path) -> int:
        request = sys.stdin.buffer.read(MAX_BYTES + 1).decode(errors="replace")
        written = self.answer(request, config)
        if verb_of(request) in self.changes:
            syslog.syslog(f"{request.strip()[:300]} -> {written.strip()[:300]}")
        say(written.rstrip("\n"))
        return 0


def _complain(work: Callable[[], list[str]]) -> int:
    try:
        problems = work()
    except Problem as problem:
        problems = [str(problem)]
    for words in problems:
        sys.stderr.write(f"{words}\n")
        syslog.syslog(words)
    return 1 if problems else 0


def say(text: str) -> None:
    """Write a line for whoever called."""
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except OSError:
        # Nobody listens any more. The work is done; the worker will come and look.
        os._exit(0)
