"""A card's baseline: taken, compared, put back."""

import json

import pytest
from pydantic import TypeAdapter

from adapters.emulators.nvml.build import FakeCard, FakeSlice, a16
from adapters.gpu import CardBaseline
from adapters.nvml import NvmlUnavailable, idle_checks, restore_baseline, take_baseline

H100, A16 = "0000:65:00.0", "0000:b3:00.0"
PART = FakeSlice(uuid="MIG-1", model="NVIDIA H100 80GB HBM3 MIG 3g.40gb", used_mib=12)
NEIGHBOUR = FakeSlice(uuid="MIG-2", model="NVIDIA H100 80GB HBM3 MIG 1g.10gb")


@pytest.fixture
def accepted(machine, kernel):
    """A card whose operator took its baseline, and how to look at it afterwards."""
    machine(FakeCard(pci=H100, uuid="GPU-1"))
    kernel.add(H100)
    baseline = take_baseline(H100, sysfs=kernel.root)

    def failed() -> dict[str, str]:
        checks = idle_checks(H100, baseline=baseline, idle_memory_mib=100, sysfs=kernel.root)
        assert len(checks) >= 10
        assert len({check.name for check in checks}) == len(checks)
        return {check.name.split(" of ")[0]: check.found for check in checks if not check.passed}

    return baseline, failed


def test_a_baseline_says_all_that_a_lease_must_leave_behind(accepted):
    baseline, failed = accepted

    assert baseline.uuid == "GPU-1"
    assert (baseline.compute_mode, baseline.persistence, baseline.ecc_enabled) == ("default", True, True)
    assert (baseline.mig_enabled, baseline.geometry) == (False, ())
    assert (baseline.power_limit_w, baseline.vbios) == (700.0, "96.00.74.00.01")
    assert (baseline.application_graphics_mhz, baseline.application_memory_mhz) == (1980, 2619)
    assert baseline.driver_binding == "nvidia"
    assert baseline.errors.ecc_uncorrected_aggregate == 0
    assert failed() == {}


def test_a_baseline_survives_the_settings_form_and_a_misspelt_one_does_not(accepted):
    form = TypeAdapter(CardBaseline)
    baseline, _ = accepted

    assert form.validate_json(form.dump_json(baseline)) == baseline
    assert form.validate_python(json.loads(json.dumps(baseline.as_settings()))) == baseline
    assert None not in baseline.as_settings().values()
    with pytest.raises(ValueError, match="powerlimit"):
        form.validate_python({"powerlimit": 300})


def test_of_a_card_that_is_not_seen_no_baseline_is_taken(machine):
    with pytest.raises(NvmlUnavailable, match="does not see the card"):
        take_baseline(H100)


@pytest.mark.parametrize(
    ("change", "name", "found"),
    [
        ({"compute_mode": 2}, "compute mode", "prohibited"),
        ({"persistence": 0}, "persistence mode", "off"),
        ({"power_mw": 300_000}, "power limit", "300 W"),
        ({"app_graphics": 600}, "application clocks", "600 MHz, memory 2619 MHz"),
        ({"ecc_pending": 0}, "ECC mode after a reset", "off"),
        ({"mig_pending": 1}, "MIG mode after a reset", "on"),
        ({"vbios": "99.00.00.00.00"}, "VBIOS", "99.00.00.00.00"),
        ({"uuid": "GPU-2"}, "card", "GPU-2"),
        ({"used_mib": 101}, "memory in use", "101 MiB in use"),
        ({"ecc_aggregate": 1}, "errors", "New since the baseline: 1 × uncorrectable memory error."),
    ],
)
def test_each_difference_fails_its_own_check(accepted, machine, change, name, found):
    _, failed = accepted

    machine.now.change(0, **change)

    assert failed() == {name: found}


def test_who_still_uses_the_card_is_named(accepted, machine):
    _, failed = accepted

    machine.now.start_process(0, 4711, 512)

    assert failed() == {"processes": "pid 4711 with 512 MiB"}


def test_a_card_that_another_driver_took_fails(accepted, kernel):
    _, failed = accepted

    kernel.rebind(H100, "vfio-pci")
    assert failed() == {"driver": "vfio-pci"}

    kernel.unplug(H100)
    assert failed() == {"driver": "missing"}


def test_a_card_that_was_cut_and_left_so_fails(accepted, machine):
    _, failed = accepted

    machine(FakeCard(pci=H100, uuid="GPU-1", mig=True, slices=(PART,)))

    assert failed() == {"MIG mode": "on", "MIG mode after a reset": "on", "slices": "3g.40gb"}


@pytest.mark.parametrize("trouble", [{"lost": True}, {"pci": "0000:01:00.0"}])
def test_a_card_that_cannot_be_looked_at_is_not_proven_clean(accepted, machine, kernel, trouble):
    baseline, _ = accepted
    machine.now.change(0, **trouble)

    (check,) = idle_checks(H100, baseline=baseline, idle_memory_mib=100, sysfs=kernel.root)

    assert not check.passed


def test_without_a_baseline_use_and_state_are_looked_at(machine):
    machine(FakeCard(pci=H100, remap_pending=True))

    checks = idle_checks(H100, baseline=None, idle_memory_mib=100)

    assert [check.name.split(" of ")[0] for check in checks] == ["processes", "memory in use", "errors"]
    assert [check.passed for check in checks] == [True, True, False]


def test_of_a_slice_only_its_own_use_counts(machine):
    machine(FakeCard(pci=H100, mig=True, slices=(PART, NEIGHBOUR), processes=((4711, 900, 2),), used_mib=900))
    baseline = take_baseline(H100)

    def passed(uuid: str) -> list[bool]:
        checks = idle_checks(H100, baseline=baseline, idle_memory_mib=100, mig_uuid=uuid)
        return [check.passed for check in checks if "MIG-" in check.name]

    assert passed("MIG-1") == [True, True, True]
    assert passed("MIG-2") == [True, False, True]


def test_a_slice_that_is_gone_is_not_clean(machine):
    machine(FakeCard(pci=H100, mig=True, slices=(NEIGHBOUR,)))

    checks = idle_checks(H100, baseline=None, idle_memory_mib=100, mig_uuid="MIG-1")

    assert (checks[0].found, checks[0].passed) == ("missing", False)


def test_who_may_not_see_the_users_of_a_cut_card_has_not_proven_that_there_are_none(machine):
    machine(FakeCard(pci=H100, mig=True, slices=(PART,)), root=False)

    checks = idle_checks(H100, baseline=None, idle_memory_mib=100)

    assert [check.name for check in checks if not check.passed] == [f"processes of {H100}"]


def test_what_a_lease_changed_is_put_back(accepted, machine):
    baseline, failed = accepted
    machine.now.change(
        0,
        compute_mode=3,
        persistence=0,
        power_mw=250_000,
        app_graphics=900,
        ecc_pending=0,
        lock_graphics_min=300,
        lock_graphics_max=300,
    )
    assert len(failed()) == 5

    restored = restore_baseline(H100, baseline)

    assert restored.left == ()
    assert set(restored.done) >= {"compute mode", "persistence", "power limit", "application clocks"}
    assert failed() == {}
    # NVML cannot read locked clocks; the file of the stand-in can.
    assert machine.now.things("gpu")[0]["lock_graphics_min"] == "-"


def test_the_clocks_that_the_operator_locked_are_locked_again(accepted, machine):
    restore_baseline(H100, CardBaseline(locked_graphics_mhz=(1200, 1500)))

    card = machine.now.things("gpu")[0]
    assert (card["lock_graphics_min"], card["lock_graphics_max"]) == ("1200", "1500")


def test_without_root_it_says_what_is_left(accepted, machine):
    baseline, failed = accepted
    machine.now.change(0, compute_mode=3)
    machine.now.change_host(root=False)

    restored = restore_baseline(H100, baseline)

    assert restored.done == ()
    assert "compute mode: this needs root on the card's host." in restored.left
    assert failed() == {"compute mode": "exclusive_process"}


def test_ecc_that_was_switched_needs_a_reset_to_come_back(accepted, machine):
    baseline, _ = accepted
    machine.now.change(0, ecc=0, ecc_pending=0)

    restored = restore_baseline(H100, baseline)

    assert "ECC after the next reset" in restored.done
    assert restored.left == ("ECC: a reset is needed: nvidia-smi --gpu-reset -i GPU-1.",)


def test_a_limit_that_the_card_refuses_is_told(accepted, machine):
    restored = restore_baseline(H100, CardBaseline(power_limit_w=5000))

    assert restored.left == ("power limit: NVML refused (Invalid Argument).",)


def test_a_model_that_knows_little_is_compared_in_what_it_knows(machine, kernel):
    machine(a16(A16, power_limit_w=None))
    kernel.add(A16)
    baseline = take_baseline(A16, sysfs=kernel.root)

    checks = idle_checks(A16, baseline=baseline, idle_memory_mib=100, sysfs=kernel.root)

    assert (baseline.mig_enabled, baseline.power_limit_w, baseline.application_graphics_mhz) == (None,) * 3
    assert all(check.passed for check in checks)
    assert not any("MIG" in check.name or "power" in check.name for check in checks)
    assert restore_baseline(A16, baseline).left == ()
