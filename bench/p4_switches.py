"""So many emulated switches in one process: prints their addresses, and serves until told to stop."""

import json
import signal
import sys
import threading
from contextlib import ExitStack

from adapters.emulators.p4runtime import P4RuntimeEmulator


def main() -> None:
    """Serve until SIGTERM."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with ExitStack() as stack:
        switches = [stack.enter_context(P4RuntimeEmulator()) for _ in range(int(sys.argv[1]))]
        print(json.dumps([switch.address for switch in switches]), flush=True)
        stop.wait()


if __name__ == "__main__":
    main()
