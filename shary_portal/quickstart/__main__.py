"""`python -m shary_portal.quickstart`: run, stop, status, reset."""

import argparse
import os
import signal
import sys
import time
from pathlib import Path

from shary_portal.quickstart.children import child_setup
from shary_portal.quickstart.postgres import EmbeddedPostgres
from shary_portal.quickstart.processes import sweep
from shary_portal.quickstart.run import ROOT, Portal
from shary_portal.quickstart.state import AlreadyRunning, StateFolder
from shary_portal.quickstart.valkey import EmbeddedValkey


def main() -> int:
    """Do what the command line asks; return the exit status."""
    options = argparse.ArgumentParser(prog="python -m shary_portal.quickstart", description=__doc__)
    options.add_argument("verb", nargs="?", default="run", choices=("run", "stop", "status", "reset"))
    options.add_argument("--port", type=int, default=int(os.environ.get("SHARY_PORT") or 8000))
    options.add_argument("--with-parent", action="store_true", help="stop when the parent process is gone")
    given = options.parse_args()
    state = StateFolder(Path(os.environ.get("SHARY_STATE_DIR") or ROOT / "var"))
    if given.with_parent:
        child_setup(ends_with_us=signal.SIGTERM, parent=os.getppid())()
    match given.verb:
        case "run":
            return run(state, port=given.port)
        case "stop":
            return stop(state)
        case "reset":
            return reset(state)
        case _:
            return status(state)


def run(state: StateFolder, *, port: int) -> int:
    """Run the portal unless one runs already."""
    try:
        with state.held():
            killed = sweep(str(state.path))
            if killed:
                print(f"The last run ended hard; {killed} of its processes were cleared away.")
            return Portal(state, port=port).run()
    except AlreadyRunning:
        address = state.running.get("address")
        print(f"SHARY is running already: {address}" if address else "SHARY is starting already.")
        print("Stop it with Ctrl-C where it runs, or with `make stop`.")
        return 0


def stop(state: StateFolder) -> int:
    """Stop the portal that runs on the folder, or clear away what a killed one left."""
    deadline = time.monotonic() + 20
    while state.is_held:
        pid = state.running.get("pid")
        if pid:
            os.kill(pid, signal.SIGTERM)
        if time.monotonic() > deadline:
            print(f"SHARY does not stop (process {pid}).")
            return 1
        time.sleep(0.2)
    clear_away(state)
    print("SHARY is stopped.")
    return 0


def status(state: StateFolder) -> int:
    """Say whether the portal runs, and where."""
    if not state.is_held:
        print("SHARY is not running.")
        return 1
    running = state.running
    where = running.get("address") or "not answering yet"
    print(f"SHARY is running: {where} (process {running.get('pid', 'unknown')})")
    return 0


def reset(state: StateFolder) -> int:
    """Forget everything."""
    if state.is_held:
        print("SHARY is running; stop it first, with Ctrl-C where it runs or with `make stop`.")
        return 1
    clear_away(state)
    state.empty()
    print(f"Emptied {state.path}; the next start begins anew.")
    return 0


def clear_away(state: StateFolder) -> None:
    """End what a portal that was killed left running."""
    sweep(str(state.path))
    EmbeddedValkey(state.valkey).stop()
    EmbeddedPostgres(state.postgres).stop()


if __name__ == "__main__":
    sys.exit(main())
