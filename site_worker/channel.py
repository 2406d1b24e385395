"""Messages between the worker and its children: a length, then JSON."""

import json
import struct
from typing import Any

_HEAD = struct.Struct("!I")
CUE = struct.Struct("!qd")
"""The number of a brief, and the moment of the monotonic clock after which it must not begin.

Pipes of them are read by the piece, and pieces of this size are never cut in two.
"""


def pack(message: Any) -> bytes:
    """Return the bytes of one message."""
    body = json.dumps(message).encode()
    return _HEAD.pack(len(body)) + body


class Unpacker:
    """Puts messages together from the pieces that arrive."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, piece: bytes) -> list[Any]:
        """Take a piece, return the messages that are complete."""
        self._buffer += piece
        messages = []
        while len(self._buffer) >= _HEAD.size:
            (length,) = _HEAD.unpack_from(self._buffer)
            end = _HEAD.size + length
            if len(self._buffer) < end:
                break
            messages.append(json.loads(bytes(self._buffer[_HEAD.size : end])))
            del self._buffer[:end]
        return messages
