"""Runs an emulated network card with virtual functions until it is told to stop."""

import argparse
import signal
import threading
from pathlib import Path

from adapters.emulators.sriov.card import EmulatedCard
from adapters.emulators.sriov.emulator import SriovEmulator


def main() -> None:
    """Start, say so in one line, wait for SIGTERM or SIGINT."""
    options = argparse.ArgumentParser(prog="python -m adapters.emulators.sriov", description=__doc__)
    options.add_argument("--listen", default="127.0.0.1:0", metavar="HOST:PORT")
    options.add_argument("--state", type=Path, metavar="PATH", help="keep the card's state in this file")
    options.add_argument("--sysfs", type=Path, metavar="DIR", help="write the card's folders of sysfs here")
    options.add_argument("--name", default="ens1f0", help="the interface of the card")
    options.add_argument("--functions", type=int, default=4, help="how many virtual functions it has")
    options.add_argument("--namespace", action="append", default=[], help="a network namespace that exists")
    options.add_argument("--unreported", action="append", default=[], help="what its driver does not report")
    options.add_argument("--eswitch", choices=("legacy", "switchdev"), default="legacy")
    given = options.parse_args()
    host, _, port = given.listen.rpartition(":")
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    card = EmulatedCard(
        name=given.name,
        functions=given.functions,
        possible=max(8, given.functions),
        unreported=given.unreported,
        eswitch=given.eswitch,
        namespaces=given.namespace,
        state=given.state,
    )
    with SriovEmulator(host=host, port=int(port), card=card, sysfs=given.sysfs) as emulator:
        print(f"Network card {card.name} ready at {emulator.url}, sysfs in {emulator.sysfs}", flush=True)
        stopped.wait()


if __name__ == "__main__":
    main()
