"""The probe as one file, on a host that has Python and nothing else."""

import json
import subprocess
import sys

import pytest

from adapters.gpu_probe.build import build
from tests.adapters.gpu_memory.emulated import PCI, UUID


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return build(tmp_path_factory.mktemp("probe") / "shary-gpu-probe.pyz")


def run(file, *words, bare=True):
    """Run it without any installed package, or with them."""
    options = ["-I", "-S"] if bare else ["-I"]
    done = subprocess.run(
        [sys.executable, *options, str(file), *words], capture_output=True, text=True, timeout=60, cwd="/"
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_it_needs_no_installed_package(file, host):
    assert run(file, "measure")[1][PCI]["memory_total_mib"] == 64
    assert run(file, "health")[1][PCI]["fit"] is True
    code, baselines = run(file, "baseline")
    assert (code, baselines[PCI]["uuid"]) == (0, UUID)
    code, checks = run(file, "prove", "--baseline", json.dumps(baselines))
    assert code == 0
    assert all(check["passed"] for check in checks)
    assert run(file, "inventory")[0] == 0


def test_it_says_what_a_wipe_lacks(file, host):
    code, (check,) = run(file, "wipe", "--pci", PCI)

    assert code == 1
    assert "The package cuda-bindings is not installed" in check["found"]


def test_it_wipes_where_the_bindings_are_installed(file, host):
    host.cuda.tenant("paint")

    code, checks = run(file, "prove", "--wipe", "--leave-mib", "2", bare=False)

    assert code == 0
    assert any("a kernel on the card" in check["method"] for check in checks)
    assert host.cuda.tenant("look")[1] == 0


def test_it_runs_by_itself(file):
    first_line = file.read_bytes().split(b"\n")[0]

    assert first_line == b"#!/usr/bin/python3 -I"
    assert file.stat().st_mode & 0o111
