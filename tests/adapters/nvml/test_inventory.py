"""The inventory, read through the real pynvml from a compiled stand-in for NVIDIA's library."""

import subprocess
import sys

import pytest

from adapters.emulators.nvml.build import STATE_VARIABLE, FakeCard, FakeSlice, a16, write_machine
from adapters.nvml import CardLost, NvmlProcess, NvmlSlice, NvmlUnavailable, card_at, read_cards
from adapters.nvml.inventory import PowerLimit

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


def test_a_card_that_fell_off_the_bus_is_listed_as_lost_and_does_not_hide_the_others(machine):
    machine(FakeCard(pci=H100, uuid="GPU-1", lost=True), FakeCard(pci=A100, uuid="GPU-2"))

    lost, alive = read_cards()

    assert (lost.lost, lost.uuid, lost.measurements) == (True, "", {})
    assert (alive.lost, alive.uuid) == (False, "GPU-2")
    with pytest.raises(CardLost, match="fallen off the bus"):
        card_at(H100)
    assert issubclass(CardLost, NvmlUnavailable)


def test_a_card_that_wants_a_reset_is_listed_with_its_address_and_does_not_hide_the_others(machine):
    machine(FakeCard(pci=H100, uuid="GPU-1", broken=True), FakeCard(pci=A100, uuid="GPU-2"))

    broken, alive = read_cards()

    assert (broken.pci, broken.lost, broken.trouble) == (H100, True, "GPU requires restart")
    assert (alive.uuid, alive.trouble) == ("GPU-2", "")
    with pytest.raises(CardLost, match="GPU requires restart"):
        card_at(H100)


def test_settings_are_read_with_their_units(machine):
    machine(FakeCard(pci=H100, compute_mode="exclusive_process", persistence=False, power_limit_w=350))

    card = card_at(H100)

    assert (card.vbios, card.cuda_version) == ("96.00.74.00.01", "13.0")
    assert (card.compute_mode, card.persistence, card.ecc_enabled) == ("exclusive_process", False, True)
    assert card.power == PowerLimit(current_w=350, default_w=700, lowest_w=200, highest_w=700)
    assert (card.clocks.application_graphics_mhz, card.clocks.application_memory_mhz) == (1980, 2619)
    assert (card.clocks.highest_graphics_mhz, card.clocks.highest_memory_mhz) == (1980, 2619)


def test_what_a_model_does_not_know_is_none(machine):
    machine(a16(H100, power_limit_w=None, ecc=None, vbios=""))

    card = card_at(H100)

    assert (card.mig_capable, card.mig_enabled, card.slices) == (False, False, ())
    assert (card.power.current_w, card.ecc_enabled, card.vbios) == (None, None, "")
    assert card.clocks.application_graphics_mhz is None
    assert card.clocks.highest_graphics_mhz == 1755


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


def test_slices_are_listed_with_profile_and_place_only_where_mig_is_on(machine):
    parts = (
        FakeSlice(uuid="MIG-1", model="NVIDIA H100 80GB HBM3 MIG 3g.40gb"),
        FakeSlice(uuid="MIG-2", model="NVIDIA H100 80GB HBM3 MIG 1g.10gb"),
    )
    machine(
        FakeCard(pci=H100, mig=True, slices=parts),
        FakeCard(pci=A100, uuid="GPU-2", slices=parts),
    )

    with_mig, without = read_cards()

    assert with_mig.mig_enabled
    assert with_mig.geometry == ("3g.40gb", "1g.10gb")
    assert with_mig.slices[1] == NvmlSlice(
        uuid="MIG-2",
        model="NVIDIA H100 80GB HBM3 MIG 1g.10gb",
        memory_mib=9984,
        profile="1g.10gb",
        gpu_instance=2,
        compute_instance=0,
        start=4,
        size=1,
    )
    # As on real cards, a card that is cut into slices has no rate of its own.
    assert with_mig.utilisation_percent is None
    assert (without.mig_capable, without.mig_enabled, without.slices) == (True, False, ())


def test_who_is_not_root_sees_slices_without_their_places_and_not_who_uses_the_card(machine):
    part = FakeSlice(uuid="MIG-1", model="NVIDIA H100 80GB HBM3 MIG 3g.40gb")
    machine(FakeCard(pci=H100, mig=True, slices=(part,), processes=((4711, 100, 1),)), root=False)

    card = card_at(H100)

    assert (card.slices[0].uuid, card.slices[0].start) == ("MIG-1", None)
    assert (card.processes, card.processes_known) == ((), False)
    assert "processes" not in card.measurements


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


def test_what_a_card_draws_is_measured_where_it_tells(machine):
    machine(FakeCard(pci=H100, power_w=312.25), FakeCard(pci="0000:c1:00.0", uuid="GPU-2", power_w=None))
    told, silent = read_cards()
    assert told.measurements["power_w"] == 312.25
    assert "power_w" not in silent.measurements
