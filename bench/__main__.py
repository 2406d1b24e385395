"""Runs the measurements, one after the other: `python -m bench [--quick] [name …]`."""

import argparse
import subprocess
import sys
from pathlib import Path

NAMES = (
    "booking",
    "calendar",
    "free_search",
    "hot_slot",
    "lease_start",
    "lxd_start",
    "nvml_inventory",
    "p4_gateway",
    "p4_start",
    "planner",
    "quickstart",
    "replay",
    "site_memory",
)


def main() -> int:
    """Run each measurement in a process of its own; say which missed a goal."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"which of {', '.join(NAMES)}; all of them")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that they still run")
    parser.add_argument("--json", metavar="FOLDER", help="write <name>.json there")
    chosen = parser.parse_args()
    for name in chosen.names:
        if name not in NAMES:
            parser.error(f"“{name}” is no measurement; there are {', '.join(NAMES)}")
    missed = []
    for name in chosen.names or NAMES:
        command = [sys.executable, "-m", f"bench.{name}"]
        if chosen.quick:
            command.append("--quick")
        if chosen.json:
            folder = Path(chosen.json)
            folder.mkdir(parents=True, exist_ok=True)
            command += ["--json", str(folder / f"{name}.json")]
        if subprocess.run(command, check=False).returncode:
            missed.append(name)
    if missed:
        print(f"\nNot as wanted: {', '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
