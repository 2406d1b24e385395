"""Runs an emulated BlueField BMC until it is told to stop."""

import argparse
import os
import signal
import threading
from pathlib import Path

from adapters.emulators.redfish.server import RedfishEmulator


def main() -> None:
    """Start, say so in one line, wait for SIGTERM or SIGINT."""
    options = argparse.ArgumentParser(prog="python -m adapters.emulators.redfish", description=__doc__)
    options.add_argument("--listen", default="127.0.0.1:0", metavar="HOST:PORT")
    options.add_argument("--generation", type=int, choices=(2, 3), default=3)
    options.add_argument("--firmware", help="the BMC firmware it claims, such as BF-24.10-17")
    options.add_argument("--certificate", type=Path, metavar="DIR", help="keep bmc.pem and its key here")
    options.add_argument("--state", type=Path, metavar="PATH", help="keep the card's state in this file")
    options.add_argument(
        "--delay",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="restarts, switching and images take a random time up to this",
    )
    given = options.parse_args()
    host, _, port = given.listen.rpartition(":")
    # The environment, not the command line: other users of the machine see command lines.
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    with RedfishEmulator(
        host=host,
        port=int(port),
        generation=given.generation,
        firmware=given.firmware,
        certificate_folder=given.certificate,
        state=given.state,
        delay_s=given.delay,
        username=os.environ.get("BMC_USERNAME", "root"),
        password=os.environ.get("BMC_PASSWORD", "HelloNvidia3D!"),
    ) as bmc:
        print(f"BlueField-{given.generation} BMC ready at {bmc.url}", flush=True)
        stopped.wait()


if __name__ == "__main__":
    main()
