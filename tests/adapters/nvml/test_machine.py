"""What the kernel shows of the machine, enriched by NVML."""

from adapters.emulators.nvml.build import STATE_VARIABLE, FakeCard
from adapters.nvml import Presence, driver_of, read_machine

H100, A100, L40S = "0000:65:00.0", "0000:b3:00.0", "0000:ca:00.0"


def test_a_card_that_a_virtual_machine_has_is_there_although_nvml_does_not_see_it(machine, kernel):
    machine(FakeCard(pci=H100, uuid="GPU-1"))
    kernel.add(H100, numa_node=1)
    kernel.add(A100, driver="vfio-pci", numa_node=-1)

    seen, passed = read_machine(kernel.root)

    assert (seen.pci, seen.presence, seen.nvml.uuid) == (H100, Presence.SEEN, "GPU-1")
    assert (seen.numa_node, seen.cpus, seen.driver) == (1, "0-15", "nvidia")
    assert seen.bus_path == ("pci0000:60", "0000:60:01.0", H100)
    assert (passed.pci, passed.presence, passed.driver) == (A100, Presence.PASSED_THROUGH, "vfio-pci")
    assert (passed.nvml, passed.numa_node) == (None, None)


def test_only_display_devices_of_nvidia_count(machine, kernel):
    kernel.add(H100, driver="")
    kernel.add("0000:65:00.1", kind="0x040300", driver="snd_hda_intel")
    kernel.add("0000:02:00.0", vendor="0x1a03", kind="0x030000", driver="ast")

    assert [(card.pci, card.presence) for card in read_machine(kernel.root)] == [(H100, Presence.UNBOUND)]


def test_a_lost_card_gets_its_address_from_the_kernel(machine, kernel):
    machine(FakeCard(pci=H100, uuid="GPU-1", lost=True), FakeCard(pci=A100, uuid="GPU-2"))
    kernel.add(H100)
    kernel.add(A100)
    kernel.add(L40S, driver="vfio-pci")

    lost, seen, passed = read_machine(kernel.root)

    assert (lost.pci, lost.presence, lost.nvml.pci) == (H100, Presence.LOST, H100)
    assert (seen.presence, passed.presence) == (Presence.SEEN, Presence.PASSED_THROUGH)


def test_which_of_several_hidden_cards_is_lost_is_not_guessed(machine, kernel):
    machine(FakeCard(pci=H100, lost=True))
    kernel.add(H100)
    kernel.add(A100)

    found = read_machine(kernel.root)

    assert [(card.pci, card.presence) for card in found] == [
        ("", Presence.OFF_THE_BUS),
        (H100, Presence.HIDDEN),
        (A100, Presence.HIDDEN),
    ]


def test_a_card_that_the_kernel_has_no_more_is_still_listed(machine, kernel):
    machine(FakeCard(pci=H100, lost=True))

    (gone,) = read_machine(kernel.root)

    assert (gone.presence, gone.nvml.lost) == (Presence.OFF_THE_BUS, True)


def test_without_nvml_the_kernel_is_enough(machine, kernel, monkeypatch):
    monkeypatch.delenv(STATE_VARIABLE)
    kernel.add(H100)

    (card,) = read_machine(kernel.root)

    assert (card.pci, card.presence, card.nvml) == (H100, Presence.HIDDEN, None)


def test_a_machine_without_a_bus_has_no_cards(machine, tmp_path):
    assert read_machine(tmp_path / "none") == ()


def test_the_driver_of_a_device_is_its_link(kernel):
    kernel.add(H100)
    kernel.add(A100, driver="")

    assert driver_of("65:00.0", kernel.root) == "nvidia"
    assert driver_of(A100, kernel.root) == ""
    assert driver_of(L40S, kernel.root) is None
