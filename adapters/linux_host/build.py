"""Builds a program for a Linux host as one file: its own package, what such programs share, and no more."""

import tempfile
import zipapp
from compileall import compile_dir
from pathlib import Path
from py_compile import PycInvalidationMode
from shutil import copytree, ignore_patterns

_ADAPTERS = Path(__file__).parent.parent
# Isolated: neither the environment nor the folder of whoever calls can bring code of its own.
PYTHON = "/usr/bin/python3 -I"

_MAIN = """\
import sys

from adapters.{package}.host.program import main

sys.exit(main())
"""


def build(package: str, output: Path, *, python: str = PYTHON) -> Path:
    """Write the program of `adapters.<package>.host` to a file that can be run; return the file."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "adapters")
        for part in (package, "linux_host"):
            copytree(_ADAPTERS / part / "host", root / part / "host", ignore=ignore_patterns("__pycache__"))
            (root / part / "__init__.py").touch()
        (root / "__init__.py").touch()
        Path(folder, "__main__.py").write_text(_MAIN.format(package=package))
        # Starts twice as fast where the host's Python is of the same version; others compile by themselves.
        compile_dir(folder, legacy=True, quiet=1, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
        Path(folder, "__main__.pyc").unlink()
        zipapp.create_archive(folder, output, interpreter=python, compressed=True)
    output.chmod(0o755)
    return output
