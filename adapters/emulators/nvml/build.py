"""Compiles the stand-in for libnvidia-ml.so.1 and describes machines to it.

    python -m adapters.emulators.nvml.build FOLDER

puts `libnvidia-ml.so.1` into the folder. A process that is started with `LD_LIBRARY_PATH=FOLDER`
and `SHARY_FAKE_NVML=FILE` then sees the cards that FILE lists (the format stands in fake_nvml.c).
"""

import ctypes
import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_name("fake_nvml.c")
# glibc takes the library for the real one by its SONAME.
_OPTIONS = ["-shared", "-fPIC", "-O1", "-Wall", "-Wno-deprecated-declarations", "-fvisibility=hidden"]
_SONAME = "-Wl,-soname,libnvidia-ml.so.1"
STATE_VARIABLE = "SHARY_FAKE_NVML"


class CannotBuild(Exception):
    """A tool for the build is missing on this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeSlice:
    """A MIG slice of a pretended card."""

    uuid: str
    model: str
    memory_mib: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeCard:
    """A card that the machine pretends to have."""

    pci: str
    model: str = "NVIDIA H100 80GB HBM3"
    uuid: str = "GPU-11111111-2222-3333-4444-555555555555"
    serial: str = ""
    memory_mib: int = 81559
    used_mib: int = 4
    utilisation_percent: int = 0
    temperature_celsius: int = 31
    cuda_cores: int = 16896
    mig: bool = False
    lost: bool = False
    slices: tuple[FakeSlice, ...] = ()
    processes: tuple[tuple[int, int], ...] = ()
    """Pairs of process id and MiB used."""


def build(folder: Path) -> Path:
    """Compile the library into the folder and return its path; raise `CannotBuild` where it cannot be."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise CannotBuild("There is no C compiler here: install gcc.")
    library = folder / "libnvidia-ml.so.1"
    subprocess.run(
        [compiler, *_OPTIONS, _SONAME, f"-I{header_folder()}", "-o", str(library), str(SOURCE)],
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


def write_machine(file: Path, cards: Iterable[FakeCard], *, driver: str = "580.159.04") -> None:
    """Describe the machine to the library, all at once: a reader never sees half a file."""
    lines = [f"driver {driver}"]
    for index, card in enumerate(cards):
        lines.append(
            f"gpu pci={card.pci} uuid={card.uuid} serial={card.serial} memory_mib={card.memory_mib} "
            f"used_mib={card.used_mib} util={card.utilisation_percent} temp={card.temperature_celsius} "
            f"cores={card.cuda_cores} mig={int(card.mig)} lost={int(card.lost)} name={card.model}"
        )
        lines += [
            f"mig gpu={index} uuid={part.uuid} memory_mib={part.memory_mib} name={part.model}"
            for part in card.slices
        ]
        lines += [f"process gpu={index} pid={pid} used_mib={used}" for pid, used in card.processes]
    draft = file.with_name(file.name + ".new")
    draft.write_text("\n".join(lines) + "\n")
    draft.replace(file)


if __name__ == "__main__":
    destination = Path(sys.argv[1])
    destination.mkdir(parents=True, exist_ok=True)
    print(build(destination))
