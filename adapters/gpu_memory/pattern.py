"""What the memory is filled with, so that a word in the wrong place is as visible as a wrong word."""

from dataclasses import dataclass

BLOCK_BYTES = 2 << 20
"""Each block of memory has a value of its own; kernels.cu knows the size, too."""
WORD_BYTES = 4
_ALL_ONES = 0xFFFFFFFF
# Odd, so that no two of the first 2**32 blocks share a value; its bits are well mixed.
_MULTIPLIER = 0x9E3779B1


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """The value of each block: its number times the multiplier, with the bits of the salt turned over."""

    name: str
    multiplier: int
    salt: int

    def word(self, block: int) -> int:
        """Return the 32-bit value that fills the block."""
        return ((block * self.multiplier) & _ALL_ONES) ^ self.salt

    @property
    def is_uniform(self) -> bool:
        """Whether all blocks have the same value."""
        return self.multiplier == 0


ZEROS = Pattern(name="zeros", multiplier=0, salt=0)


def passes(salt: int) -> tuple[Pattern, ...]:
    """Return what a wipe fills the memory with, in order; each bit is 0 once and 1 once, and zeros stay."""
    salt &= _ALL_ONES
    return (
        Pattern(name="a pattern", multiplier=_MULTIPLIER, salt=salt),
        Pattern(name="its complement", multiplier=_MULTIPLIER, salt=salt ^ _ALL_ONES),
        ZEROS,
    )
