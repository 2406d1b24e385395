"""Builds `shary-gpu-host`, the program for a machine with graphics cards, as one file.

python -m adapters.gpu_ssh.build [--output shary-gpu-host.pyz] [--python "/usr/bin/python3 -I"]
"""

import argparse
from pathlib import Path

from adapters.linux_host.build import PYTHON, build


def main() -> None:
    """Build it where the command line says."""
    parser = argparse.ArgumentParser(prog="python -m adapters.gpu_ssh.build", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("shary-gpu-host.pyz"))
    parser.add_argument("--python", default=PYTHON, help="what runs it on the host")
    wishes = parser.parse_args()
    print(build("gpu_ssh", wishes.output, python=wishes.python))  # noqa: T201 - the answer of a command


if __name__ == "__main__":
    main()
