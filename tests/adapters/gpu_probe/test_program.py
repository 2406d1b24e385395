"""The program as operators and site workers call it: words in, JSON and an exit code out."""

import json
import subprocess
import sys
import time

import pytest

from adapters.contract import Check
from adapters.emulators.cuda.build import FakeCudaSlice
from adapters.emulators.nvml.machine import FakeSlice
from tests.adapters.gpu_memory.emulated import PCI, UUID

SLICE = "MIG-aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
NEIGHBOUR = "MIG-aaaaaaaa-bbbb-cccc-dddd-ffffffffffff"
MODEL = "NVIDIA H100 80GB HBM3 MIG 1g.10gb"


def probe(*words):
    """Return the exit code and the answer."""
    done = subprocess.run(
        [sys.executable, "-m", "adapters.gpu_probe", *words], capture_output=True, text=True, timeout=60
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def failed(checks):
    return [check["name"] for check in checks if not check["passed"]]


def test_the_inventory_lists_the_cards(host, monkeypatch):
    code, answer = probe("measure")

    assert code == 0
    assert answer[PCI]["memory_total_mib"] == 64
    code, answer = probe("inventory")
    assert (code, set(answer)) == (0, {"host", "cards"})


def test_an_idle_card_is_proven_clean_in_the_form_of_every_proof(host):
    code, checks = probe("prove", "--pci", "65:00.0")

    assert code == 0
    assert len(checks) >= 3
    assert all(Check(**check).passed for check in checks)


def test_a_card_in_use_is_not_proven_clean(host):
    host.has(processes=((4711, 10),))

    code, checks = probe("prove", "--wipe")

    assert code == 1
    # Nor is the memory taken away from who computes there.
    assert failed(checks) == [f"memory wipe of {PCI}", f"processes of {PCI}"]
    assert "pid 4711" in checks[0]["found"]


def test_a_proof_with_a_wipe_leaves_nothing_of_the_tenant_before(host):
    host.cuda.tenant("paint")

    code, checks = probe("prove", "--pci", PCI, "--wipe", "--leave-mib", "2")

    assert (code, failed(checks)) == (0, [])
    assert f"memory reached of {PCI}" in {check["name"] for check in checks}
    assert host.cuda.tenant("look")[1] == 0


def test_a_wipe_that_does_not_reach_enough_is_no_proof(host):
    host.has(cuda={"oom_mib": 32})

    code, checks = probe("wipe", "--pci", PCI, "--leave-mib", "8")

    assert (code, failed(checks)) == (1, [f"memory reached of {PCI}"])


def test_a_card_that_is_cut_is_wiped_slice_by_slice(host):
    parts = ((SLICE, 0), (NEIGHBOUR, 32))
    host.has(
        mig=True,
        slices=tuple(FakeSlice(uuid=uuid, model=MODEL) for uuid, _ in parts),
        cuda={
            "mig": True,
            "slices": tuple(FakeCudaSlice(uuid=uuid, start_mib=start, memory_mib=16) for uuid, start in parts),
        },
    )
    for uuid, _ in parts:
        host.cuda.tenant("paint", uuid)

    code, checks = probe("wipe", "--pci", PCI, "--leave-mib", "2")

    assert (code, failed(checks)) == (0, [])
    assert {check["name"] for check in checks} == {
        f"{what} of {uuid}" for what in ("memory", "memory reached") for uuid, _ in parts
    }
    assert all(host.cuda.tenant("look", uuid)[1] == 0 for uuid, _ in parts)


def test_one_slice_is_wiped_alone(host):
    host.has(
        mig=True,
        slices=(FakeSlice(uuid=SLICE, model=MODEL),),
        cuda={"mig": True, "slices": (FakeCudaSlice(uuid=SLICE, start_mib=0, memory_mib=16),)},
    )

    code, checks = probe("wipe", "--pci", PCI, "--mig", SLICE, "--leave-mib", "2")

    assert (code, failed(checks), len(checks)) == (0, [], 2)


def test_what_changed_since_the_baseline_is_seen(host, tmp_path):
    code, baselines = probe("baseline")
    assert (code, baselines[PCI]["uuid"]) == (0, UUID)
    kept = tmp_path / "baseline.json"
    kept.write_text(json.dumps(baselines))
    assert probe("prove", "--baseline", str(kept))[0] == 0

    host.has(power_limit_w=300, ecc_aggregate=2)

    code, checks = probe("prove", "--baseline", str(kept))
    assert (code, failed(checks)) == (1, [f"power limit of {PCI}", f"errors of {PCI}"])
    code, health = probe("health", "--baseline", json.dumps(baselines[PCI]))
    assert (code, health[PCI]["fit"]) == (1, False)
    assert "uncorrectable memory error" in health[PCI]["unfit"]


def test_a_driver_that_hangs_gets_no_more_time_than_said(host):
    host.has(cuda={"hang": "cuMemAlloc_v2"})
    began = time.monotonic()

    code, checks = probe("wipe", "--pci", PCI, "--deadline-s", "3")

    assert time.monotonic() - began < 20
    assert (code, failed(checks)) == (4, ["cards"])
    assert "the driver hangs" in checks[0]["found"]
    # And nothing of it goes on: the card can be had again.
    host.has()
    assert probe("wipe", "--pci", PCI)[0] == 0


def test_a_host_without_cards_proves_nothing(host):
    host.file.write_text("")

    code, checks = probe("prove")

    assert code in {1, 3}
    assert failed(checks) == ["cards"]


@pytest.mark.parametrize(
    "words",
    [
        ["polish"],
        ["prove", "--pci", "here"],
        ["prove", "--baseline", "{}x"],
        ["health", "--baseline", "/nowhere"],
    ],
)
def test_a_wrong_command_is_said_with_its_own_code(words):
    done = subprocess.run(
        [sys.executable, "-m", "adapters.gpu_probe", *words], capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 2
    assert "usage: shary-gpu-probe" in done.stderr
