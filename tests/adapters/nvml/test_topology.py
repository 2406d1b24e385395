"""How the cards of a machine are joined."""

import pynvml
import pytest

from adapters.emulators.nvml.build import FakeCard, FakeLink
from adapters.nvml import topology

A, B, C = "0000:65:00.0", "0000:66:00.0", "0000:b3:00.0"


def test_pairs_say_what_is_above_both_and_how_many_links_join_them(machine):
    machine(
        FakeCard(
            pci=A, uuid="GPU-1", links=(FakeLink(peer=B), FakeLink(peer=B), FakeLink(peer=C, active=False))
        ),
        FakeCard(pci=B, uuid="GPU-2", links=(FakeLink(peer=A), FakeLink(peer=A))),
        FakeCard(pci=C, uuid="GPU-3", cpus=0xF0),
        ancestors={(0, 1): pynvml.NVML_TOPOLOGY_SINGLE, (1, 2): pynvml.NVML_TOPOLOGY_NODE},
    )

    found = topology()

    assert [(p.first, p.second, p.common, p.nvlinks) for p in found.pairs] == [
        (A, B, "switch", 2),
        (A, C, "system", 0),
        (B, C, "NUMA node", 0),
    ]
    assert [(place.pci, place.nvlinks, place.nvswitch_links) for place in found.places] == [
        (A, 2, 0),
        (B, 2, 0),
        (C, 0, 0),
    ]
    assert found.places[2].cpus == (4, 5, 6, 7)
    assert found.pair("66:00.0", A).nvlinks == 2


def test_the_kernel_says_which_node_is_near(machine, kernel):
    machine(FakeCard(pci=A), FakeCard(pci=B), FakeCard(pci=C))
    kernel.add(A, numa_node=1)
    kernel.add(B, numa_node=-1)

    assert [place.numa_node for place in topology(kernel.root).places] == [1, None, None]


def test_links_to_a_switch_are_told_apart(machine):
    switch = FakeLink(peer="0000:05:00.0", is_switch=True)
    machine(FakeCard(pci=A, links=(switch,) * 18))

    (place,) = topology().places

    assert (place.nvlinks, place.nvswitch_links) == (18, 18)


@pytest.mark.parametrize("trouble", ["lost", "broken"])
def test_a_card_that_does_not_answer_is_left_out(machine, trouble):
    machine(FakeCard(pci=A, **{trouble: True}), FakeCard(pci=B), FakeCard(pci=C))

    assert [pair.first for pair in topology().pairs] == [B]
