"""What the pretended cards can be cut into, in the shape of `nvidia-smi mig -lgip` and `-lgipp`.

The rows of the H100 80GB follow a listing of such a card; those of the A30 and the A100 follow NVIDIA's
user guide, and have not been held against a card.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeProfile:
    """A kind of slice that a pretended card offers."""

    index: int
    """Its constant in nvml.h: NVML_GPU_INSTANCE_PROFILE_1_SLICE is 0."""
    id: int
    """Its number on this model."""
    name: str
    slices: int
    most: int
    memory_mib: int
    sms: int
    size: int
    """In memory slices."""
    starts: tuple[int, ...]


_Row = tuple[int, int, str, int, int, float, int, int, tuple[int, ...]]


def _table(*rows: _Row) -> tuple[FakeProfile, ...]:
    return tuple(
        FakeProfile(
            index=index,
            id=number,
            name=f"MIG {name}",
            slices=slices,
            most=most,
            memory_mib=round(gib * 1024),
            sms=sms,
            size=size,
            starts=starts,
        )
        for index, number, name, slices, most, gib, sms, size, starts in rows
    )


_EVERY, _EVEN, _PAIRS, _HALVES, _FIRST = tuple(range(7)), (0, 2, 4, 6), (0, 2, 4), (0, 4), (0,)

# index, id, name, slices, instances, GiB, SMs, size, starts
A30 = _table(
    (0, 14, "1g.6gb", 1, 4, 5.81, 14, 1, (0, 1, 2, 3)),
    (7, 21, "1g.6gb+me", 1, 1, 5.81, 14, 1, (0, 1, 2, 3)),
    (1, 5, "2g.12gb", 2, 2, 11.69, 28, 2, (0, 2)),
    (8, 6, "2g.12gb+me", 2, 1, 11.69, 28, 2, (0, 2)),
    (3, 0, "4g.24gb", 4, 1, 23.44, 56, 4, _FIRST),
)
A100_40 = _table(
    (0, 19, "1g.5gb", 1, 7, 4.75, 14, 1, _EVERY),
    (7, 20, "1g.5gb+me", 1, 1, 4.75, 14, 1, _EVERY),
    (9, 15, "1g.10gb", 1, 4, 9.75, 14, 2, _EVEN),
    (1, 14, "2g.10gb", 2, 3, 9.75, 28, 2, _PAIRS),
    (2, 9, "3g.20gb", 3, 2, 19.62, 42, 4, _HALVES),
    (3, 5, "4g.20gb", 4, 1, 19.62, 56, 4, _FIRST),
    (4, 0, "7g.40gb", 7, 1, 39.50, 98, 8, _FIRST),
)
A100_80 = _table(
    (0, 19, "1g.10gb", 1, 7, 9.50, 14, 1, _EVERY),
    (7, 20, "1g.10gb+me", 1, 1, 9.50, 14, 1, _EVERY),
    (9, 15, "1g.20gb", 1, 4, 19.50, 14, 2, _EVEN),
    (1, 14, "2g.20gb", 2, 3, 19.50, 28, 2, _PAIRS),
    (2, 9, "3g.40gb", 3, 2, 39.25, 42, 4, _HALVES),
    (3, 5, "4g.40gb", 4, 1, 39.25, 56, 4, _FIRST),
    (4, 0, "7g.80gb", 7, 1, 78.75, 98, 8, _FIRST),
)
H100_80 = _table(
    (0, 19, "1g.10gb", 1, 7, 9.75, 16, 1, _EVERY),
    (7, 20, "1g.10gb+me", 1, 1, 9.75, 16, 1, _EVERY),
    (9, 15, "1g.20gb", 1, 4, 19.62, 26, 2, _EVEN),
    (1, 14, "2g.20gb", 2, 3, 19.62, 32, 2, _PAIRS),
    (2, 9, "3g.40gb", 3, 2, 39.50, 60, 4, _HALVES),
    (3, 5, "4g.40gb", 4, 1, 39.50, 64, 4, _FIRST),
    (4, 0, "7g.80gb", 7, 1, 79.25, 132, 8, _FIRST),
)

_BY_MODEL = (
    (r"\bA30\b", A30),
    (r"\bA100\b.*40GB", A100_40),
    (r"\bA100\b.*80GB", A100_80),
    (r"\bH100\b", H100_80),
)


def profiles_for(model: str) -> tuple[FakeProfile, ...]:
    """Return what a card of the model offers; empty for one that cannot be cut."""
    return next((profiles for pattern, profiles in _BY_MODEL if re.search(pattern, model)), ())
