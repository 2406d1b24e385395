"""Cards, drivers and hosts on which a wipe cannot prove anything, or not all."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from adapters.gpu_memory import search, service, wipe, wipe_report
from tests.adapters.gpu_memory.emulated import MARK, PCI, UUID


def only(checks):
    (check,) = checks
    assert not check.passed
    return check


@pytest.mark.parametrize("no_cubin", [False, True])
def test_a_bit_that_is_stuck_is_found_where_it_is(cuda_machine, no_cubin):
    cuda_machine.has(stuck_at=(32 << 20) + 6, stuck_mask=0x08, no_cubin=no_cubin)

    reached, held = wipe(PCI, leave_mib=2)

    assert reached.passed
    assert not held.passed
    assert "1 words differ from zeros, the first at MiB 30.0" in held.found


def test_memory_that_answers_for_other_memory_is_found(cuda_machine):
    cuda_machine.has(alias_mib=32)

    _, held = wipe(PCI, leave_mib=2)

    assert not held.passed
    # Zeros alone would hardly have shown it: nearly all of them are as they should be.
    differing = {
        words: int(number) for number, words in re.findall(r"(\d+) words differ from ([a-z ]+),", held.found)
    }
    assert differing["a pattern"] > (28 << 20) // 4
    assert differing.get("zeros", 0) < 10


def test_memory_that_cannot_be_had_is_not_claimed(cuda_machine):
    cuda_machine.tenant("paint")
    cuda_machine.has(oom_mib=40)

    reached, held = wipe(PCI, leave_mib=4)

    assert not reached.passed
    assert reached.found.startswith("38 of 64 MiB (59.3 %)")
    assert held.passed
    cuda_machine.has()
    assert search(PCI, MARK).marks > 0


@pytest.mark.parametrize("no_cubin", [False, True])
def test_code_that_the_card_loads_when_it_is_first_used_finds_room(cuda_machine, no_cubin):
    cuda_machine.has(code_kib=256, no_cubin=no_cubin)

    report = wipe_report(PCI)

    assert report.trouble == ""
    # Its room is not claimed: the driver's own code, and both kernels.
    assert report.proven_bytes == (62 << 20) - (256 << 10) * (1 if no_cubin else 3)


def test_memory_that_another_process_has_is_not_claimed(cuda_machine):
    holds = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from tests.gpu.tenant import *\n"
            "call('cuInit', 0); call('cuCtxSetCurrent', call('cuDevicePrimaryCtxRetain', call('cuDeviceGet', 0)))\n"
            "call('cuMemAlloc', 20 << 20); print('has it', flush=True); sys.stdin.read()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holds:
        assert holds.stdout.readline() == "has it\n"
        reached, _ = wipe(PCI, leave_mib=4)
        holds.stdin.close()

    assert not reached.passed
    assert reached.found.startswith("40 of 64 MiB")
    assert wipe(PCI, leave_mib=4)[0].passed


def test_a_memory_error_says_that_the_card_must_not_be_lent(cuda_machine):
    cuda_machine.has(ecc_at=6)

    report = wipe_report(PCI)
    check = only(wipe(PCI))

    assert report.unfit
    assert check.name == f"memory errors of {PCI}"
    assert "uncorrectable memory error" in check.found


def test_a_driver_that_hangs_is_killed_and_what_was_reached_is_said(cuda_machine, monkeypatch):
    # The kernels are tried before anything is filled.
    cuda_machine.has(hang="cuLaunchKernel", hang_after=2)
    monkeypatch.setattr(service, "GRACE_S", 0.5)
    began = time.monotonic()

    check = only(wipe(PCI, budget_s=4))

    assert time.monotonic() - began < 15
    assert "The driver hung: no end within 4.5 s" in check.found
    assert "60 MiB filled with a pattern of 64 MiB" in check.found
    # The killed process has let go of the card.
    cuda_machine.has()
    assert all(check.passed for check in wipe(PCI))


def test_time_that_is_up_is_said_and_nothing_is_claimed(cuda_machine):
    reached, held = wipe(PCI, budget_s=0)

    assert not reached.passed
    assert "the time for it, 0 s, was up" in reached.found
    assert not held.passed


def test_a_card_that_another_process_has_for_itself_is_not_wiped(cuda_machine):
    cuda_machine.has(exclusive=True)

    assert "another process has it" in only(wipe(PCI)).found


@pytest.mark.parametrize("device", ["0000:66:00.0", "GPU-99999999-2222-3333-4444-555555555555"])
def test_a_card_that_cuda_does_not_see_is_not_wiped(cuda_machine, device):
    check = only(wipe(device))

    assert "CUDA sees no" in check.found
    assert check.name == f"memory wipe of {device}"


def test_without_the_driver_the_words_say_what_is_missing(monkeypatch):
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    if Path("/dev/nvidiactl").exists():
        pytest.skip("this machine has the driver")

    assert "NVIDIA’s driver is not installed" in only(wipe(PCI)).found


def test_without_the_bindings_the_words_say_what_to_install(cuda_machine, tmp_path, monkeypatch):
    package = tmp_path / "site" / "cuda" / "bindings"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))

    check = only(wipe(UUID))

    assert "The package cuda-bindings is not installed here: install requirements-gpu-site.txt" in check.found
