"""A machine with cards whose memory outlives the processes that use it."""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from adapters.emulators.cuda.build import STATE_VARIABLE, CannotBuild, FakeCudaCard, build, write_machine
from tests.lacking import give_up

PCI = "0000:65:00.0"
UUID = "GPU-11111111-2222-3333-4444-555555555555"
MARK = bytes.fromhex("5ecde7bac0ffee1157a9f00d8badcafe")


@pytest.fixture(scope="session")
def cuda_folder(tmp_path_factory):
    """The folder with the stand-in for libcuda.so.1."""
    try:
        return build(tmp_path_factory.mktemp("cuda")).parent
    except CannotBuild as problem:
        give_up(str(problem))


@dataclass
class Machine:
    """Cards and what tenants do on them."""

    folder: Path
    state: Path
    card: FakeCudaCard = field(init=False)

    def has(self, **settings) -> FakeCudaCard:
        """Say how the one card of the machine is; its memory stays."""
        self.card = FakeCudaCard(store=self.folder / "memory", pci=PCI, uuid=UUID, **settings)
        write_machine(self.state, [self.card])
        return self.card

    def tenant(self, verb: str, device: str = PCI, *, mark: bytes = MARK) -> tuple[int, int]:
        """Let a tenant run; return how many bytes it had, and how many marks it saw in them."""
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": device} if "-" in device else None
        done = subprocess.run(
            [sys.executable, "-m", "tests.gpu.tenant", verb, device, mark.hex()],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        had, found = done.stdout.split()
        return int(had), int(found)


@pytest.fixture
def cuda_machine(cuda_folder, tmp_path, monkeypatch) -> Machine:
    """A machine with one card of 64 MiB; processes that are started from here compute on it."""
    state = tmp_path / "cuda-machine"
    monkeypatch.setenv("LD_LIBRARY_PATH", str(cuda_folder))
    monkeypatch.setenv(STATE_VARIABLE, str(state))
    machine = Machine(folder=tmp_path, state=state)
    machine.has()
    return machine
