"""The inventory, read through the real pynvml from a compiled stand-in for NVIDIA's library."""

import subprocess
import sys

import pytest

from adapters.emulators.nvml.build import STATE_VARIABLE, FakeCard, FakeSlice, write_machine
from adapters.nvml import NvmlProcess, NvmlSlice, NvmlUnavailable, card_at, read_cards

H100, A100 = "0000:65:00.0", "0000:b3:00.0"


def test_a_card_is_read_with_its_address_in_normal_form(machine):
    machine(FakeCard(pci=H100, model="NVIDIA H100 80GB HBM3", uuid="GPU-1", serial="165", used_mib=12))

    (card,) = read_cards()

    assert (card.pci, card.model, card.uuid, card.serial) == (H100, "NVIDIA H100 80GB HBM3", "GPU-1", "165")
    assert (card.memory_total_mib, card.memory_used_mib) == (81559, 12)
    assert (card.cuda_cores, card.driver_version) == (16896, "580.159.04")


def test_a_machine_without_cards_has_none(machine):
    assert read_cards() == ()


def test_a_machine_without_a_driver_says_so(machine, monkeypatch):
    monkeypatch.delenv(STATE_VARIABLE)

    with pytest.raises(NvmlUnavailable, match="NVML cannot be used"):
        read_cards()


def test_a_card_is_found_by_its_address_and_a_missing_one_is_none(machine):
    machine(FakeCard(pci=H100, uuid="GPU-1"), FakeCard(pci=A100, uuid="GPU-2"))

    assert card_at("b3:00.0").uuid == "GPU-2"
    assert card_at("0000:01:00.0") is None


def test_a_card_that_fell_off_the_bus_does_not_hide_the_others(machine):
    machine(FakeCard(pci=H100, uuid="GPU-1", lost=True), FakeCard(pci=A100, uuid="GPU-2"))

    assert [card.uuid for card in read_cards()] == ["GPU-2"]
    with pytest.raises(NvmlUnavailable, match="lost"):
        card_at(H100)


def test_processes_and_measurements_are_those_of_the_moment(machine):
    machine(FakeCard(pci=H100, processes=((4711, 1024), (4712, 2048)), utilisation_percent=93))
    busy = card_at(H100)
    machine(FakeCard(pci=H100))
    idle = card_at(H100)

    assert busy.processes == (
        NvmlProcess(pid=4711, memory_used_mib=1024),
        NvmlProcess(pid=4712, memory_used_mib=2048),
    )
    assert busy.measurements["utilisation_percent"] == 93
    assert busy.measurements["processes"] == 2
    assert idle.processes == ()


def test_slices_are_listed_only_where_mig_is_on(machine):
    part = FakeSlice(uuid="MIG-1", model="NVIDIA H100 80GB HBM3 MIG 1g.10gb", memory_mib=9856)
    machine(
        FakeCard(pci=H100, mig=True, slices=(part,)),
        FakeCard(pci=A100, uuid="GPU-2", slices=(part,)),
    )

    with_mig, without = read_cards()

    assert with_mig.mig_enabled
    assert with_mig.slices == (NvmlSlice(uuid="MIG-1", model=part.model, memory_mib=9856),)
    # As on real cards, a card that is cut into slices has no rate of its own.
    assert with_mig.utilisation_percent is None
    assert not without.mig_enabled
    assert without.slices == ()


def test_another_process_finds_the_library_by_its_usual_name(nvml_library, tmp_path):
    state = tmp_path / "machine"
    write_machine(state, [FakeCard(pci=H100)])
    program = "from adapters.nvml import read_cards; print(read_cards()[0].pci)"

    answer = subprocess.run(
        [sys.executable, "-c", program],
        env={"LD_LIBRARY_PATH": str(nvml_library.parent), STATE_VARIABLE: str(state)},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )

    assert answer.stdout.strip() == H100
