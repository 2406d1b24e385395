import os
from dataclasses import dataclass

import pytest

from adapters.emulators.nvml.build import build as build_nvml
from adapters.emulators.nvml.machine import STATE_VARIABLE, FakeCard, write_machine
from tests.adapters.gpu_memory.emulated import PCI, UUID, Machine, cuda_folder, cuda_machine

__all__ = ["cuda_folder", "cuda_machine"]


@pytest.fixture(scope="session")
def nvml_folder(tmp_path_factory, cuda_folder):
    """The folder with the stand-in for libnvidia-ml.so.1; not loaded here, but by what is started."""
    return build_nvml(tmp_path_factory.mktemp("nvml-of-host")).parent


@dataclass
class Host:
    """A machine whose card both of NVIDIA's libraries show."""

    file: object
    cuda: Machine

    def has(self, *, cuda=None, **settings) -> None:
        """Say how the card is for NVML, and for CUDA."""
        write_machine(self.file, [FakeCard(pci=PCI, uuid=UUID, serial="165", memory_mib=64, **settings)])
        self.cuda.has(**(cuda or {}))


@pytest.fixture
def host(cuda_machine, nvml_folder, tmp_path, monkeypatch) -> Host:
    """A host with one idle card of 64 MiB."""
    monkeypatch.setenv("LD_LIBRARY_PATH", f"{nvml_folder}{os.pathsep}{os.environ['LD_LIBRARY_PATH']}")
    monkeypatch.setenv(STATE_VARIABLE, str(tmp_path / "nvml-machine"))
    host = Host(file=tmp_path / "nvml-machine", cuda=cuda_machine)
    host.has()
    return host
