"""Runs the emulated control processor until it is told to stop."""

import argparse
import signal
import threading
from pathlib import Path

from adapters.emulators.p4_tofino_ssh.emulator import TofinoEmulator


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdecimal():
        raise argparse.ArgumentTypeError(f"“{text}” is not HOST:PORT.")
    return host.strip("[]") or "127.0.0.1", int(port)


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m adapters.emulators.p4_tofino_ssh", description=__doc__)
    parser.add_argument("--listen", type=_address, default=("127.0.0.1", 0), metavar="HOST:PORT")
    parser.add_argument("--trust", type=Path, action="append", default=[], metavar="WORKER.pub")
    parser.add_argument("--certificate", type=Path, metavar="DIR", help="where ssh_host_key and its .pub lie")
    parser.add_argument("--tenant", action="append", default=[], metavar="ACCOUNT")
    parser.add_argument("--name", default="tofino-emulator", help="the switch's name")
    parser.add_argument("--account", default="shary", help="the account of the site's worker")
    parser.add_argument("--state", type=Path, metavar="PATH", help="keep accounts and image in this file")
    wishes = parser.parse_args()

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    host, port = wishes.listen
    with TofinoEmulator(
        host=host,
        port=port,
        trust=[path.read_text() for path in wishes.trust],
        tenants=wishes.tenant,
        name=wishes.name,
        account=wishes.account,
        folder=wishes.certificate,
        state=wishes.state,
    ) as switch:
        print(f"Tofino emulator ready at {host}:{switch.port}, {len(wishes.tenant)} tenants", flush=True)
        stop.wait()


if __name__ == "__main__":
    main()
