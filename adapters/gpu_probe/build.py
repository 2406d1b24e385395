"""Builds `shary-gpu-probe.pyz`: the probe as one file, for hosts that have nothing but Python.

    python -m adapters.gpu_probe.build [--output shary-gpu-probe.pyz] [--python "/usr/bin/python3 -I"]

pynvml is inside, and small stand-ins for what has compiled code. Wiping memory needs NVIDIA's cuda-bindings on the
host as well (requirements-gpu-site.txt).
"""

import argparse
import tempfile
import zipapp
from pathlib import Path
from shutil import copy, copytree, ignore_patterns

import pynvml

import adapters

PACKAGES = ("gpu", "gpu_memory", "gpu_probe", "nvml")
FILES = ("__init__.py", "pci.py", "errors.py", "contract/values.py")
# Isolated: neither the environment nor the folder of whoever calls can bring code of its own.
PYTHON = "/usr/bin/python3 -I"
_SOURCE = Path(adapters.__file__ or "").parent
_STANDINS = Path(__file__).parent / "standins"
_MAIN = "import sys\n\nfrom adapters.gpu_probe.program import main\n\nsys.exit(main(sys.argv[1:]))\n"


def build(output: Path, *, python: str = PYTHON) -> Path:
    """Write the program to a file that can be run; return the file."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for package in PACKAGES:
            unwanted = ignore_patterns("__pycache__", "standins", "build.py")
            copytree(_SOURCE / package, root / "adapters" / package, ignore=unwanted)
        for file in FILES:
            (root / "adapters" / file).parent.mkdir(exist_ok=True)
            copy(_SOURCE / file, root / "adapters" / file)
        copy(_STANDINS / "contract.py", root / "adapters" / "contract" / "__init__.py")
        copytree(_STANDINS / "pydantic", root / "pydantic", ignore=ignore_patterns("__pycache__"))
        copy(Path(pynvml.__file__), root / "pynvml.py")
        (root / "__main__.py").write_text(_MAIN)
        zipapp.create_archive(root, output, interpreter=python, compressed=True)
    output.chmod(0o755)
    return output


def main() -> None:
    """Build it where the command line says."""
    parser = argparse.ArgumentParser(prog="python -m adapters.gpu_probe.build")
    parser.add_argument("--output", type=Path, default=Path("shary-gpu-probe.pyz"))
    parser.add_argument("--python", default=PYTHON, help="what runs it on the host")
    wishes = parser.parse_args()
    print(build(wishes.output, python=wishes.python))  # noqa: T201 - the answer of a command


if __name__ == "__main__":
    main()
