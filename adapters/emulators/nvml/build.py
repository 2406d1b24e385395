"""Compiles the stand-in for libnvidia-ml.so.1.

    python -m adapters.emulators.nvml.build FOLDER

puts `libnvidia-ml.so.1` into the folder. A process that is started with `LD_LIBRARY_PATH=FOLDER`
and `SHARY_FAKE_NVML=FILE` then sees the cards that FILE lists (`adapters.emulators.nvml.machine`).
"""

import ctypes
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

from adapters.emulators.nvml.machine import (
    STATE_VARIABLE,
    FakeCard,
    FakeHost,
    FakeLink,
    FakeSlice,
    MachineFile,
    a16,
    write_machine,
)

__all__ = [
    "STATE_VARIABLE",
    "CannotBuild",
    "FakeCard",
    "FakeHost",
    "FakeLink",
    "FakeSlice",
    "MachineFile",
    "a16",
    "build",
    "header_folder",
    "preload",
    "write_machine",
]

SOURCES = Path(__file__).with_name("library")
# glibc takes the library for the real one by its SONAME.
_OPTIONS = ["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Wno-deprecated-declarations"]
_NAMES = ["-fvisibility=hidden", "-Wl,-soname,libnvidia-ml.so.1"]


class CannotBuild(Exception):
    """A tool for the build is missing on this machine."""


def build(folder: Path) -> Path:
    """Compile the library into the folder and return its path; raise `CannotBuild` where it cannot be."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise CannotBuild("There is no C compiler here: install gcc.")
    library = folder / "libnvidia-ml.so.1"
    sources = [str(file) for file in sorted(SOURCES.glob("*.c"))]
    subprocess.run(
        [compiler, *_OPTIONS, *_NAMES, f"-I{header_folder()}", "-o", str(library), *sources],
        check=True,
        timeout=60,
    )
    return library


def header_folder() -> Path:
    """Return where the real nvml.h lies; raise `CannotBuild` when its package is not installed."""
    package = importlib.util.find_spec("nvidia")
    for place in (package.submodule_search_locations or ()) if package else ():
        for header in Path(place).glob("*/include/nvml.h"):
            return header.parent
    raise CannotBuild("The header nvml.h is not here: install the package nvidia-nvml-dev.")


def preload(library: Path) -> None:
    """Load the library into this process, so that pynvml finds it under its usual name."""
    ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)


if __name__ == "__main__":
    destination = Path(sys.argv[1])
    destination.mkdir(parents=True, exist_ok=True)
    print(build(destination))
