"""What a program on the node adds to the proof."""

import json
import sys

import pytest

from tests.adapters.gpu_slurm.conftest import OLD, emulator, settings_of, target_with

CLEAN = {
    "name": "processes of 0000:65:00.0",
    "expected": "none",
    "found": "none",
    "passed": True,
    "method": "NVML",
}


@pytest.fixture
def release_with(adapter, order_for, tmp_path):
    """Release a lease where the probe runs this piece of Python; return the proof and what is left."""

    def release(program, settle_s=1.0):
        script = tmp_path / "probe.py"
        script.write_text(program)
        with emulator(OLD) as slurm:
            probe = [sys.executable, "-I", str(script), "{node}"]
            order = order_for(target_with(settings_of(slurm, node_probe=probe, settle_s=settle_s)))
            adapter.provision(order)
            return adapter.release(order), len(slurm.cluster.reservations)

    return release


def saying(*checks):
    return f"import sys\nassert sys.argv[1] == 'gpu1'\nprint({json.dumps(json.dumps(list(checks)))})"


def test_the_checks_of_the_probe_are_part_of_the_proof(release_with):
    proof, left = release_with(saying(CLEAN))

    (check,) = [check for check in proof.checks if check.name.startswith("gpu1: ")]
    assert (check.name, check.found) == ("gpu1: processes of 0000:65:00.0", "none")
    assert check.method.startswith("NVML, by ")
    assert (proof.is_clean, left) == (True, 0)


def test_a_process_that_is_left_keeps_the_node_held(release_with):
    proof, left = release_with(saying(CLEAN, CLEAN | {"found": "4711", "passed": False}))

    assert (proof.is_clean, left) == (False, 1)


@pytest.mark.parametrize(
    "program",
    [
        "print('no JSON')",
        "print('[]')",
        "print('{}')",
        "print('[1]')",
        "print('[{\"passed\": true}]')",
        "import sys; sys.exit('no card')",
        "import time; time.sleep(60)",
    ],
)
def test_a_probe_that_does_not_answer_proves_nothing(release_with, program):
    proof, left = release_with(program, settle_s=0.4)

    assert [check.name for check in proof.checks if not check.passed] == ["probe of gpu1"]
    assert left == 1


def test_only_true_is_passed(release_with):
    proof, _ = release_with(saying(CLEAN | {"passed": "yes"}))

    assert not proof.is_clean
