"""The kernels as NVIDIA's compiler sees them; it needs no card."""

import pytest

from adapters.gpu_memory.pattern import BLOCK_BYTES, ZEROS, passes
from adapters.gpu_memory.readers import KernelUnavailable, compile_kernels

ELF_FOR_CARDS = 190


@pytest.mark.parametrize("capability", [(7, 5), (8, 0), (8, 9), (9, 0), (10, 0), (12, 0)])
def test_the_kernels_compile_for_each_generation_of_cards(capability):
    image = compile_kernels(capability)

    assert image[:4] == b"\x7fELF"
    assert int.from_bytes(image[18:20], "little") == ELF_FOR_CARDS
    assert b".text.count_differing\0" in image
    assert b".text.count_marks\0" in image


def test_a_card_that_the_compiler_does_not_know_is_said():
    with pytest.raises(KernelUnavailable, match="sm_30"):
        compile_kernels((3, 0))


def test_each_block_has_a_value_of_its_own_and_each_bit_is_once_0_and_once_1():
    first, complement, last = passes(salt=0x1234ABCD)

    blocks = range(200 * 2**30 // BLOCK_BYTES)
    assert len({first.word(block) for block in blocks}) == len(blocks)
    assert all(first.word(block) ^ complement.word(block) == 0xFFFFFFFF for block in blocks[:1000])
    assert last is ZEROS
    assert ZEROS.word(77) == 0
