"""Runs the emulated Slurm cluster until it is told to stop."""

import argparse
import signal
import threading
from pathlib import Path

from adapters.emulators.slurm.emulator import SlurmEmulator
from adapters.emulators.slurm.nouns import EmulatedNode


def _node(text: str) -> EmulatedNode:
    name, _, rest = text.partition("=")
    gpu, _, count = rest.partition(":")
    if not name or (rest and not count.isdecimal()):
        raise argparse.ArgumentTypeError(f"“{text}” is not NAME=TYPE:COUNT.")
    return EmulatedNode(name, gpu=gpu, cards=int(count or 0))


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdecimal():
        raise argparse.ArgumentTypeError(f"“{text}” is not HOST:PORT.")
    return host.strip("[]") or "127.0.0.1", int(port)


def _count(text: str) -> tuple[str, int]:
    name, _, count = text.partition(":")
    if not count.isdecimal():
        raise argparse.ArgumentTypeError(f"“{text}” is not NAME:COUNT.")
    return name, int(count)


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m adapters.emulators.slurm", description=__doc__)
    parser.add_argument("--listen", type=_address, default=("127.0.0.1", 0), metavar="HOST:PORT")
    parser.add_argument("--rest-port", type=int, default=0, metavar="PORT", help="of slurmrestd")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="where slurm.conf and bin/ are written")
    parser.add_argument("--state", type=Path, metavar="PATH", help="keep reservations in this file")
    parser.add_argument("--node", type=_node, action="append", default=[], metavar="NAME=TYPE:COUNT")
    parser.add_argument("--user", action="append", default=[], metavar="NAME", help="a user of the cluster")
    parser.add_argument("--account", action="append", default=[], metavar="NAME")
    parser.add_argument("--licence", type=_count, action="append", default=[], metavar="NAME:COUNT")
    parser.add_argument(
        "--token", type=Path, metavar="PATH", help="a file with the token of root for slurmrestd"
    )
    parser.add_argument("--release", default="22.05.8", help="of Slurm: 22.05.8 or 25.05.3")
    wishes = parser.parse_args()

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    host, port = wishes.listen
    folder = wishes.folder or (wishes.state.parent if wishes.state else None)
    more = {"nodes": wishes.node} if wishes.node else {}
    with SlurmEmulator(
        host=host,
        port=port,
        rest_port=wishes.rest_port,
        users=wishes.user or ["researcher"],
        accounts=wishes.account,
        licences=dict(wishes.licence),
        tokens={wishes.token.read_text().strip(): "root"} if wishes.token else {},
        version=wishes.release,
        folder=folder,
        state=wishes.state,
        **more,
    ) as slurm:
        nodes = len(slurm.cluster.nodes)
        print(f"Slurm emulator ready at {host}:{slurm.port}, {slurm.rest_url}, {nodes} nodes", flush=True)
        stop.wait()


if __name__ == "__main__":
    main()
