"""The command line of an emulated host."""

import argparse
import signal
import threading
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from adapters.emulators.linux_host.emulator import LinuxHostEmulator


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdecimal():
        raise argparse.ArgumentTypeError(f"“{text}” is not HOST:PORT.")
    return host.strip("[]") or "127.0.0.1", int(port)


def parser_for(module: str, *, name: str, description: str | None) -> argparse.ArgumentParser:
    """Return a parser that knows what all emulated hosts are told."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    parser.add_argument("--listen", type=_address, default=("127.0.0.1", 0), metavar="HOST:PORT")
    parser.add_argument("--trust", type=Path, action="append", default=[], metavar="WORKER.pub")
    parser.add_argument("--certificate", type=Path, metavar="DIR", help="where ssh_host_key and its .pub lie")
    parser.add_argument("--name", default=name, help="the host's name")
    parser.add_argument("--account", default="shary", help="the account of the site's worker")
    parser.add_argument("--state", type=Path, metavar="PATH", help="keep what it is in this file")
    return parser


def common(wishes: argparse.Namespace) -> dict[str, Any]:
    """Return what all emulated hosts take, from what was told."""
    host, port = wishes.listen
    return {
        "host": host,
        "port": port,
        "trust": [path.read_text() for path in wishes.trust],
        "name": wishes.name,
        "account": wishes.account,
        "folder": wishes.certificate,
        "state": wishes.state,
    }


def serve(emulator: AbstractContextManager[LinuxHostEmulator], *, title: str, has: str) -> None:
    """Serve until SIGTERM or SIGINT."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with emulator as machine:
        print(f"{title} ready at {machine.host}:{machine.port}, {has}", flush=True)
        stop.wait()
