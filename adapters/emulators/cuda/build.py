"""Compiles the stand-in for libcuda.so.1 and describes machines to it.

    python -m adapters.emulators.cuda.build FOLDER

puts `libcuda.so.1` into the folder. A process that is started with `LD_LIBRARY_PATH=FOLDER` and
`SHARY_FAKE_CUDA=FILE` then computes on the cards that FILE lists (the format stands in fake_cuda.c).
"""

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_name("fake_cuda.c")
# The emulated cards run the kernels that real ones run, compiled for this machine.
KERNELS = SOURCE.parents[2] / "gpu_memory"
_OPTIONS = ["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-fvisibility=hidden", "-Wl,-soname,libcuda.so.1"]
STATE_VARIABLE = "SHARY_FAKE_CUDA"


class CannotBuild(Exception):
    """A tool for the build is missing on this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeCudaSlice:
    """A MIG slice of a pretended card."""

    uuid: str
    start_mib: int
    memory_mib: int
    model: str = "NVIDIA H100 80GB HBM3 MIG 1g.10gb"


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeCudaCard:
    """A card with memory in a file, and what is wrong with it."""

    store: Path
    pci: str = "0000:65:00.0"
    uuid: str = "GPU-11111111-2222-3333-4444-555555555555"
    model: str = "NVIDIA H100 80GB HBM3"
    memory_mib: int = 64
    reserve_mib: int = 2
    """What the driver keeps for each process that computes on the card."""
    code_kib: int = 0
    """What each kernel, and the driver's own, takes of the memory when it is first used."""
    mig: bool = False
    slices: tuple[FakeCudaSlice, ...] = ()
    stuck_at: int = 0
    """The byte whose `stuck_mask` bits are always 1."""
    stuck_mask: int = 0
    alias_mib: int = 0
    """Memory above is the memory below once more; 0: the address lines are whole."""
    oom_mib: int = 0
    """No more than this can be had, though it is free; 0: all can."""
    ecc_at: int = 0
    """Which wait for the card reports an uncorrectable memory error; 0: none."""
    hang: str = ""
    """A function of the driver that never returns."""
    hang_after: int = 0
    """How often that function returns before."""
    exclusive: bool = False
    """Another process has the card for itself."""
    no_cubin: bool = False
    """The driver takes no compiled kernel."""


def build(folder: Path) -> Path:
    """Compile the library into the folder and return its path; raise `CannotBuild` where it cannot be."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise CannotBuild("There is no C compiler here: install gcc.")
    library = folder / "libcuda.so.1"
    subprocess.run(
        [compiler, *_OPTIONS, f"-I{header_folder()}", f"-I{KERNELS}", "-o", str(library), str(SOURCE)],
        check=True,
        timeout=60,
    )
    return library


def header_folder() -> Path:
    """Return where the real cuda.h lies; raise `CannotBuild` when its package is not installed."""
    package = importlib.util.find_spec("nvidia")
    for place in (package.submodule_search_locations or ()) if package else ():
        for header in Path(place).glob("*/include/cuda.h"):
            return header.parent
    raise CannotBuild("The header cuda.h is not here: install the package nvidia-cuda-runtime.")


def write_machine(file: Path, cards: Iterable[FakeCudaCard], *, driver: int = 13000) -> None:
    """Describe the machine to the library, all at once; a process reads it when it starts to compute."""
    lines = [f"driver {driver}"]
    for index, card in enumerate(cards):
        lines.append(
            f"gpu pci={card.pci} uuid={card.uuid} store={card.store} memory_mib={card.memory_mib} "
            f"reserve_mib={card.reserve_mib} code_kib={card.code_kib} mig={int(card.mig)} stuck_at={card.stuck_at} "
            f"stuck_mask={card.stuck_mask} alias_mib={card.alias_mib} oom_mib={card.oom_mib} "
            f"ecc_at={card.ecc_at} hang={card.hang} hang_after={card.hang_after} exclusive={int(card.exclusive)} "
            f"no_cubin={int(card.no_cubin)} name={card.model}"
        )
        lines += [
            f"mig gpu={index} uuid={part.uuid} start_mib={part.start_mib} memory_mib={part.memory_mib} "
            f"name={part.model}"
            for part in card.slices
        ]
    draft = file.with_name(file.name + ".new")
    draft.write_text("\n".join(lines) + "\n")
    draft.replace(file)


if __name__ == "__main__":
    destination = Path(sys.argv[1])
    destination.mkdir(parents=True, exist_ok=True)
    print(build(destination))
