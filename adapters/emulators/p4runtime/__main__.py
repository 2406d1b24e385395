"""Runs an emulated switch: python -m adapters.emulators.p4runtime --listen 127.0.0.1:9559."""

import argparse
import signal
import sys
import threading
from pathlib import Path

from adapters.emulators.p4runtime.emulator import P4RuntimeEmulator


def main() -> int:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="p4runtime-emulator", description=__doc__)
    parser.add_argument("--listen", default="127.0.0.1:9559", metavar="HOST:PORT")
    parser.add_argument("--device-id", type=int, action="append", metavar="N", help="may be repeated")
    parser.add_argument("--personality", choices=["spec", "bmv2", "stratum"], default="spec")
    parser.add_argument("--state", type=Path, metavar="FILE", help="go on from this file, and keep it")
    options = parser.parse_args()
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    try:
        with P4RuntimeEmulator(
            listen=options.listen,
            device_ids=tuple(options.device_id or [1]),
            personality=options.personality,
            state=options.state,
        ) as switch:
            devices = ", ".join(map(str, switch.devices))
            print(f"P4Runtime emulator ready at {switch.address}, device {devices}", flush=True)
            stopped.wait()
    except OSError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
