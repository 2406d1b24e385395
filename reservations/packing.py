"""Columns of measurements as few bytes: about 50 KiB for a busy week of four columns at one a minute.

A value is a float rounded to eleven significant bits (an error of at most 0.05 %), which keeps its range:
memory of a card in MiB does not fit into a float of sixteen bits. The four bytes of all values are put
together by their place, so that those that hardly change stand side by side, and each column is
compressed for itself, to be read without the others. Nothing seen is NaN.
"""

import json
import math
import sys
import zlib
from array import array
from collections.abc import Collection, Mapping, Sequence

Column = Sequence[float | None]

_DROPPED_BITS = 13
_HALF = 1 << (_DROPPED_BITS - 1)
_MASK = 0xFFFFFFFF ^ ((1 << _DROPPED_BITS) - 1)
_EXPONENT = 0x7F800000
_LARGEST = 3e38


def pack(columns: Mapping[str, Column]) -> bytes:
    """Return the columns as bytes."""
    parts = {name: _pack(column) for name, column in sorted(columns.items())}
    head = json.dumps([[name, len(part)] for name, part in parts.items()], separators=(",", ":")).encode()
    return len(head).to_bytes(4, "little") + head + b"".join(parts.values())


def unpack(packed: bytes, *, only: Collection[str] | None = None) -> dict[str, list[float | None]]:
    """Return the columns in the bytes, or those with certain names."""
    if not packed:
        return {}
    place = 4 + int.from_bytes(packed[:4], "little")
    columns = {}
    for name, length in json.loads(packed[4:place]):
        if only is None or name in only:
            columns[name] = _unpack(packed[place : place + length])
        place += length
    return columns


def names_in(packed: bytes) -> list[str]:
    """Return the names of the columns, without reading them."""
    return (
        [name for name, _ in json.loads(packed[4 : 4 + int.from_bytes(packed[:4], "little")])] if packed else []
    )


def _pack(column: Column) -> bytes:
    floats = array(
        "f", [math.nan if value is None else min(max(value, -_LARGEST), _LARGEST) for value in column]
    )
    bits = array("I", floats.tobytes())
    rounded = array("I", [bit if bit & _EXPONENT == _EXPONENT else (bit + _HALF) & _MASK for bit in bits])
    if sys.byteorder == "big":
        rounded.byteswap()
    flat = rounded.tobytes()
    return zlib.compress(b"".join(flat[place::4] for place in range(4)), 6)


def _unpack(part: bytes) -> list[float | None]:
    shuffled = zlib.decompress(part)
    length = len(shuffled) // 4
    flat = bytearray(len(shuffled))
    for place in range(4):
        flat[place::4] = shuffled[place * length : (place + 1) * length]
    floats = array("f", bytes(flat))
    if sys.byteorder == "big":
        floats.byteswap()
    return [None if math.isnan(value) else value for value in floats]
