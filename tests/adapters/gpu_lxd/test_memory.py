"""What a lease leaves in a card's memory, and what the proof says of it."""

import pytest

from adapters.emulators.cuda.build import FakeCudaCard, write_machine
from adapters.emulators.nvml.machine import FakeCard
from adapters.gpu_memory import search
from tests.adapters.gpu_lxd.conftest import H100
from tests.adapters.gpu_memory.emulated import MARK, cuda_folder, cuda_machine

__all__ = ["cuda_folder", "cuda_machine"]


@pytest.fixture
def card(cuda_machine, machine):
    """A card of 64 MiB at the address that the server lends, for NVML and for CUDA."""

    def has(**settings):
        machine(FakeCard(pci=H100, serial="165", memory_mib=64))
        pretended = FakeCudaCard(store=cuda_machine.folder / "memory", pci=H100, **settings)
        write_machine(cuda_machine.state, [pretended])

    has()
    return has


def of_memory(proof):
    return {
        check.name: check for check in proof.checks if check.name.startswith(("memory reached", "memory of"))
    }


def test_the_next_lease_finds_nothing_in_the_memory_of_the_one_before(
    adapter, card, cuda_machine, target_for, order_for
):
    order = order_for(target_for(pci=H100, nvml_is_local=True))
    adapter.provision(order)
    cuda_machine.tenant("paint", H100)

    proof = adapter.release(order)

    assert proof.is_clean
    assert "a kernel on the card" in of_memory(proof)[f"memory reached of {H100}"].method
    assert search(H100, MARK).marks == 0


def test_memory_that_does_not_hold_what_is_written_is_not_proven_clean(adapter, card, target_for, order_for):
    order = order_for(target_for(pci=H100, nvml_is_local=True))
    adapter.provision(order)
    card(stuck_at=1 << 20, stuck_mask=1)

    proof = adapter.release(order)

    assert [check.name for check in proof.checks if not check.passed] == [f"memory of {H100}"]
    card()
    assert adapter.release(order).is_clean


@pytest.mark.parametrize(
    ("choices", "reason"),
    [
        ({"nvml_is_local": True, "wipe_memory": False}, "the site has switched it off"),
        ({}, "the site worker does not run on this host"),
    ],
)
def test_memory_that_was_left_as_it_was_is_said_in_the_proof(
    adapter, card, cuda_machine, target_for, order_for, choices, reason
):
    order = order_for(target_for(pci=H100, **choices))
    adapter.provision(order)
    cuda_machine.tenant("paint", H100)

    proof = adapter.release(order)

    assert proof.is_clean
    (said,) = [check for check in proof.checks if check.expected == "overwritten, where the site can and wants"]
    assert said.found == f"not overwritten: {reason}"
    assert search(H100, MARK).marks > 0
