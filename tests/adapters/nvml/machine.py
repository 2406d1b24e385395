"""A machine with pretended cards, in NVML and in the kernel's view of it."""

from pathlib import Path

import pytest

from adapters.emulators.nvml.build import (
    STATE_VARIABLE,
    CannotBuild,
    FakeCard,
    FakeHost,
    MachineFile,
    build,
    preload,
    write_machine,
)
from tests.lacking import give_up


@pytest.fixture(scope="session")
def nvml_library(tmp_path_factory):
    """The stand-in for libnvidia-ml.so.1, loaded into this process under its usual name."""
    try:
        library = build(tmp_path_factory.mktemp("nvml"))
    except CannotBuild as problem:
        give_up(str(problem))
    preload(library)
    return library


class Machine:
    """Say which cards the machine has, by calling it; may be said again at any time."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.now = MachineFile(file)
        """For changes while programs look."""

    def __call__(self, *cards: FakeCard, **host: object) -> None:
        write_machine(self.file, cards, host=FakeHost(**host))


@pytest.fixture
def machine(nvml_library, tmp_path, monkeypatch) -> Machine:
    """A machine without cards, until it is called with some."""
    monkeypatch.setenv(STATE_VARIABLE, str(tmp_path / "machine"))
    machine = Machine(tmp_path / "machine")
    machine()
    return machine


class Kernel:
    """A tree like /sys, in which devices lie below their bridges."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "bus/pci/devices").mkdir(parents=True)

    def add(
        self,
        pci: str,
        *,
        driver: str = "nvidia",
        vendor: str = "0x10de",
        kind: str = "0x030200",
        numa_node: int = 0,
        bridge: str = "0000:60:01.0",
    ) -> Path:
        """Plug a device in."""
        folder = self.root / "devices/pci0000:60" / bridge / pci
        folder.mkdir(parents=True)
        files = {
            "vendor": vendor,
            "class": kind,
            "device": "0x2330",
            "numa_node": numa_node,
            "local_cpulist": "0-15",
        }
        for name, value in files.items():
            (folder / name).write_text(f"{value}\n")
        if driver:
            self._bind(folder, driver)
        (self.root / "bus/pci/devices" / pci).symlink_to(folder)
        return folder

    def rebind(self, pci: str, driver: str) -> None:
        """Give the device to another driver; to none with “”."""
        folder = (self.root / "bus/pci/devices" / pci).resolve()
        (folder / "driver").unlink()
        if driver:
            self._bind(folder, driver)

    def unplug(self, pci: str) -> None:
        """Take the device off the bus."""
        (self.root / "bus/pci/devices" / pci).unlink()

    def _bind(self, folder: Path, driver: str) -> None:
        target = self.root / "bus/pci/drivers" / driver
        target.mkdir(parents=True, exist_ok=True)
        (folder / "driver").symlink_to(target)


@pytest.fixture
def kernel(tmp_path) -> Kernel:
    """The kernel's view of a machine without devices."""
    return Kernel(tmp_path / "sys")
