"""Builds `shary-switch-host`, the program for a switch's control processor, as one file.

python -m adapters.p4_tofino_ssh.build [--output shary-switch-host.pyz] [--python "/usr/bin/python3 -I"]
"""

import argparse
from pathlib import Path

from adapters.linux_host.build import PYTHON, build


def main() -> None:
    """Build it where the command line says."""
    parser = argparse.ArgumentParser(prog="python -m adapters.p4_tofino_ssh.build", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("shary-switch-host.pyz"))
    parser.add_argument("--python", default=PYTHON, help="what runs it on the switch")
    wishes = parser.parse_args()
    print(build("p4_tofino_ssh", wishes.output, python=wishes.python))  # noqa: T201 - the answer of a command


if __name__ == "__main__":
    main()
