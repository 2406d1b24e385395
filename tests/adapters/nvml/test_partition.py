"""Cutting cards into slices, by the real pynvml against a stand-in that refuses as the driver does."""

import os
import subprocess
import sys

import pytest

from adapters.emulators.nvml.build import STATE_VARIABLE, FakeCard, FakeSlice, a16
from adapters.errors import DeviceBusy, DeviceRefused, DeviceUnreachable, OutcomeUnknown
from adapters.nvml import card_at, reshape

H100 = "0000:65:00.0"
MODEL = "NVIDIA H100 80GB HBM3"
HALF = FakeSlice(uuid="MIG-1", model=f"{MODEL} MIG 3g.40gb")


def geometry() -> tuple[str, ...]:
    return card_at(H100).geometry


def test_a_whole_card_is_cut_into_what_was_ordered(machine):
    machine(FakeCard(pci=H100))

    made = reshape("65:00.0", ["1g.10gb", "3g.40gb", "2g.20gb", "1g.10gb"])

    assert sorted(part.profile for part in made) == ["1g.10gb", "1g.10gb", "2g.20gb", "3g.40gb"]
    assert made == card_at(H100).slices
    assert len({part.uuid for part in made}) == 4
    taken = [place for part in made for place in range(part.start, part.start + part.size)]
    assert len(taken) == len(set(taken)) == 8
    assert {part.memory_mib for part in made if part.profile == "3g.40gb"} == {40448}


def test_slices_outlive_the_process_that_made_them(machine, nvml_library):
    machine(FakeCard(pci=H100))
    program = f"from adapters.nvml import reshape; reshape('{H100}', ['3g.40gb', '4g.40gb'])"

    subprocess.run(
        [sys.executable, "-c", program],
        env={
            "LD_LIBRARY_PATH": str(nvml_library.parent),
            STATE_VARIABLE: os.environ[STATE_VARIABLE],
            "PYTHONPATH": os.pathsep.join(sys.path),
        },
        check=True,
        timeout=30,
    )

    assert geometry() == ("4g.40gb", "3g.40gb")


def test_a_card_that_is_cut_like_that_already_is_left_as_it_is_even_while_in_use(machine):
    machine(FakeCard(pci=H100))
    before = reshape(H100, ["3g.40gb", "1g.10gb"])
    machine.now.start_process(0, 4711, 512, gpu_instance=before[0].gpu_instance)

    assert reshape(H100, ["1g.10gb", "3g.40gb"]) == before


def test_a_cut_card_is_cut_anew_and_made_whole(machine):
    machine(FakeCard(pci=H100, mig=True, slices=(HALF, FakeSlice(uuid="MIG-2", model=f"{MODEL} MIG 3g.40gb"))))

    reshape(H100, ["1g.10gb"] * 7)
    assert geometry() == ("1g.10gb",) * 7

    assert reshape(H100, []) == ()
    assert not card_at(H100).mig_enabled
    assert reshape(H100, []) == ()


def test_media_engines_are_had_once(machine):
    machine(FakeCard(pci=H100))

    made = reshape(H100, ["1g.10gb+me", "1g.10gb", "1g.20gb"])

    assert sorted(part.profile for part in made) == ["1g.10gb", "1g.10gb+me", "1g.20gb"]
    with pytest.raises(DeviceRefused, match=r"1g\.10gb\+me fits at most once"):
        reshape(H100, ["1g.10gb+me", "1g.10gb+me"])


def test_a_card_in_use_is_left_alone_and_its_users_are_named(machine):
    machine(FakeCard(pci=H100, processes=((4711, 512), (4712, 64))))

    with pytest.raises(DeviceBusy, match=r"pid 4711, pid 4712.*Nothing was changed"):
        reshape(H100, ["3g.40gb"])

    assert not card_at(H100).mig_enabled


@pytest.mark.parametrize(
    ("profiles", "words"),
    [
        (["3g.40gb", "3g.40gb", "1g.10gb"], "do not fit together"),
        (["4g.40gb", "4g.40gb"], "4g.40gb fits at most once"),
        (["5g.50gb"], "has no slice “5g.50gb”. It offers: 1g.10gb"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_changed(machine, profiles, words):
    machine(FakeCard(pci=H100, mig=True, slices=(HALF,)))

    with pytest.raises(DeviceRefused, match=words):
        reshape(H100, profiles)

    assert card_at(H100).slices[0].uuid == "MIG-1"


def test_a_model_that_is_not_known_here_is_asked_itself(machine):
    from adapters.emulators.nvml.profiles import A30

    machine(FakeCard(pci=H100, model="NVIDIA X900", profiles=A30))

    assert [part.profile for part in reshape(H100, ["1g.6gb", "2g.12gb"])]
    with pytest.raises(DeviceRefused, match=r"has no slice 3g\.12gb.*It offers: 1g\.6gb"):
        reshape(H100, ["3g.12gb"])
    with pytest.raises(DeviceRefused, match="do not fit together"):
        reshape(H100, ["2g.12gb", "2g.12gb", "1g.6gb"])
    assert len(geometry()) == 2


def test_a_card_without_mig_says_so(machine):
    machine(a16(H100), FakeCard(pci="0000:b3:00.0", model="NVIDIA X900", profiles=()))

    with pytest.raises(DeviceRefused, match="cannot be cut into slices"):
        reshape(H100, ["1g.5gb"])
    with pytest.raises(DeviceRefused, match="Lend it whole"):
        reshape("0000:b3:00.0", ["1g.5gb"])
    assert reshape(H100, []) == ()


def test_without_root_nothing_is_changed(machine):
    machine(FakeCard(pci=H100), root=False)

    with pytest.raises(DeviceRefused, match=r"needs root on its host.*Nothing was changed"):
        reshape(H100, ["3g.40gb"])

    assert not card_at(H100).mig_pending


def test_a_needed_reset_is_asked_for_and_then_it_works(machine):
    machine(FakeCard(pci=H100, uuid="GPU-1", mig_needs_reset=True))

    with pytest.raises(
        DeviceRefused, match=r"nvidia-smi --gpu-reset -i GPU-1.*MIG mode will be on after a reset"
    ):
        reshape(H100, ["3g.40gb"])
    machine.now.change(0, mig=1)  # what the reset does

    assert [part.profile for part in reshape(H100, ["3g.40gb"])] == ["3g.40gb"]


def test_a_monitor_that_keeps_the_card_open_is_told_and_the_wish_taken_back(machine):
    machine(FakeCard(pci=H100, held=True))

    with pytest.raises(DeviceBusy, match=r"something keeps it open.*Nothing was changed"):
        reshape(H100, ["3g.40gb"])

    assert not card_at(H100).mig_pending


def test_a_failure_half_way_says_how_the_card_is_left(machine):
    machine(FakeCard(pci=H100, mig=True, slices=(HALF,), creates_left=1))

    with pytest.raises(DeviceRefused) as refusal:
        reshape(H100, ["2g.20gb", "1g.10gb", "1g.10gb"])

    assert "Insufficient Resources" in str(refusal.value)
    assert "So far: a slice 3g.40gb is gone; a slice 1g.10gb is made at 3." in str(refusal.value)
    machine.now.change(0, creates_left=None)
    assert len(reshape(H100, ["2g.20gb", "1g.10gb", "1g.10gb"])) == 3


def test_a_slice_that_was_left_half_made_is_no_slice(machine):
    machine(FakeCard(pci=H100, mig=True, slices=(HALF,)))
    # Of the second only the GPU instance was made.
    machine.now.add("gi", gpu=0, id=2, profile=9, start=4)
    assert geometry() == ("3g.40gb",)

    made = reshape(H100, ["3g.40gb"])

    assert len(made) == 1
    assert len(machine.now.things("gi")) == 1


def test_a_card_that_is_not_there_or_lost_is_unreachable(machine):
    machine(FakeCard(pci=H100))

    with pytest.raises(DeviceUnreachable, match="does not see the card"):
        reshape("0000:01:00.0", ["3g.40gb"])
    machine.now.change(0, lost=True)
    with pytest.raises(DeviceUnreachable, match="fallen off the bus"):
        reshape(H100, ["3g.40gb"])


def test_a_card_that_is_lost_half_way_leaves_the_outcome_unknown(machine, monkeypatch):
    import adapters.nvml.mig as steps

    machine(FakeCard(pci=H100, mig=True, slices=(HALF,)))
    real = steps.fill

    def then_lost(instance, offer):
        real(instance, offer)
        machine.now.change(0, lost=True)

    monkeypatch.setattr(steps, "fill", then_lost)

    with pytest.raises(OutcomeUnknown, match=r"a slice 3g\.40gb is gone; a slice [12]g\.[12]0gb is made at"):
        reshape(H100, ["2g.20gb", "1g.10gb"])
