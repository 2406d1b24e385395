"""Runs the emulated machine until it is told to stop."""

import argparse
import signal
import threading
from pathlib import Path

from adapters.emulators.gpu_ssh.emulator import GpuHostEmulator
from adapters.emulators.lxd.nouns import HostCard
from adapters.pci import normal_form


def _card(text: str) -> HostCard:
    address, _, model = text.partition("=")
    try:
        pci = normal_form(address)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return HostCard(pci=pci, model=model) if model else HostCard(pci=pci)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdecimal():
        raise argparse.ArgumentTypeError(f"“{text}” is not HOST:PORT.")
    return host.strip("[]") or "127.0.0.1", int(port)


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m adapters.emulators.gpu_ssh", description=__doc__)
    parser.add_argument("--listen", type=_address, default=("127.0.0.1", 0), metavar="HOST:PORT")
    parser.add_argument("--trust", type=Path, action="append", default=[], metavar="WORKER.pub")
    parser.add_argument("--certificate", type=Path, metavar="DIR", help="where ssh_host_key and its .pub lie")
    parser.add_argument("--gpu", type=_card, action="append", default=[], metavar="PCI=MODEL")
    parser.add_argument("--name", default="gpu-emulator", help="the machine's name")
    parser.add_argument("--account", default="shary", help="the account of the site's worker")
    parser.add_argument("--state", type=Path, metavar="PATH", help="keep accounts in this file")
    wishes = parser.parse_args()

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    host, port = wishes.listen
    with GpuHostEmulator(
        host=host,
        port=port,
        trust=[path.read_text() for path in wishes.trust],
        cards=wishes.gpu,
        name=wishes.name,
        account=wishes.account,
        folder=wishes.certificate,
        state=wishes.state,
    ) as machine:
        print(f"GPU host emulator ready at {host}:{machine.port}, {len(wishes.gpu)} cards", flush=True)
        stop.wait()


if __name__ == "__main__":
    main()
