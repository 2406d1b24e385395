"""Builds `shary-gpu-host`, the program for a machine with graphics cards, as one file.

python -m adapters.gpu_ssh.build [--output shary-gpu-host.pyz] [--python "/usr/bin/python3 -I"]
"""

import argparse
import tempfile
import zipapp
from compileall import compile_dir
from pathlib import Path
from py_compile import PycInvalidationMode
from shutil import copytree, ignore_patterns

SOURCE = Path(__file__).parent / "host"
# Isolated: neither the environment nor the folder of whoever calls can bring code of its own.
PYTHON = "/usr/bin/python3 -I"

_MAIN = """\
import sys

from shary_gpu_host.program import main

sys.exit(main())
"""


def build(output: Path, *, python: str = PYTHON) -> Path:
    """Write the program to a file that can be run; return the file."""
    with tempfile.TemporaryDirectory() as folder:
        copytree(SOURCE, Path(folder, "shary_gpu_host"), ignore=ignore_patterns("__pycache__"))
        Path(folder, "__main__.py").write_text(_MAIN)
        # Starts twice as fast where the host's Python is of the same version; others compile by themselves.
        compile_dir(folder, legacy=True, quiet=1, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
        Path(folder, "__main__.pyc").unlink()
        zipapp.create_archive(folder, output, interpreter=python, compressed=True)
    output.chmod(0o755)
    return output


def main() -> None:
    """Build it where the command line says."""
    parser = argparse.ArgumentParser(prog="python -m adapters.gpu_ssh.build", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("shary-gpu-host.pyz"))
    parser.add_argument("--python", default=PYTHON, help="what runs it on the host")
    wishes = parser.parse_args()
    print(build(wishes.output, python=wishes.python))  # noqa: T201 - the answer of a command


if __name__ == "__main__":
    main()
