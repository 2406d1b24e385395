"""The form of netlink messages: a header, a body, attributes one after the other (netlink(7))."""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

HEADER = struct.Struct("=IHHII")
ATTRIBUTE = struct.Struct("=HH")
NESTED = 0x8000
_KIND = 0x3FFF

ERROR, DONE = 2, 3
REQUEST, MULTI, ACK, ROOT_AND_MATCH = 0x001, 0x002, 0x004, 0x300
_CAPPED, _ACK_TLVS, _ACK_TEXT = 0x100, 0x200, 1


@dataclass(frozen=True, slots=True)
class Message:
    """One netlink message."""

    kind: int
    flags: int
    sequence: int
    body: bytes

    @property
    def error(self) -> tuple[int, str]:
        """Return the number and the kernel's own words of an ERROR or DONE; 0 says that all went well."""
        number: int = -struct.unpack_from("=i", self.body)[0]
        if not self.flags & _ACK_TLVS or self.kind != ERROR:
            return number, ""
        start = 4 + HEADER.size
        if number and not self.flags & _CAPPED:
            start = 4 + _aligned(HEADER.unpack_from(self.body, 4)[0])
        text = first(self.body[start:]).get(_ACK_TEXT, b"")
        return number, text.rstrip(b"\0").decode(errors="replace")


def pack(kind: int, flags: int, sequence: int, body: bytes) -> bytes:
    """Return the bytes of a message."""
    return HEADER.pack(HEADER.size + len(body), kind, flags, sequence, 0) + body


def unpack(received: bytes) -> Iterator[Message]:
    """Return the messages in what was received; raise ValueError for bytes that are none."""
    at = 0
    while at + HEADER.size <= len(received):
        length, kind, flags, sequence, _ = HEADER.unpack_from(received, at)
        if length < HEADER.size or at + length > len(received):
            raise ValueError("The kernel's answer was cut off.")
        yield Message(kind, flags, sequence, received[at + HEADER.size : at + length])
        at += _aligned(length)


def attribute(kind: int, content: bytes | int | str) -> bytes:
    """Return the bytes of an attribute: a number as 32 bits, a text with the zero that ends it."""
    if isinstance(content, int):
        content = struct.pack("=I", content)
    elif isinstance(content, str):
        content = content.encode() + b"\0"
    padding = bytes(_aligned(len(content)) - len(content))
    return ATTRIBUTE.pack(ATTRIBUTE.size + len(content), kind) + content + padding


def attributes(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Return kind and content of each attribute, in order."""
    at = 0
    while at + ATTRIBUTE.size <= len(content):
        length, kind = ATTRIBUTE.unpack_from(content, at)
        if length < ATTRIBUTE.size or at + length > len(content):
            raise ValueError("An attribute in the kernel's answer was cut off.")
        yield kind & _KIND, content[at + ATTRIBUTE.size : at + length]
        at += _aligned(length)


def first(content: bytes) -> Mapping[int, bytes]:
    """Return the attributes by kind; of several of one kind, the first."""
    found: dict[int, bytes] = {}
    for kind, value in attributes(content):
        found.setdefault(kind, value)
    return found


def text(content: bytes) -> str:
    """Return the text of an attribute."""
    return content.rstrip(b"\0").decode(errors="replace")


def number(content: bytes) -> int:
    """Return the number in an attribute of 1, 2, 4 or 8 bytes."""
    return int.from_bytes(content, "little" if _LITTLE else "big")


_LITTLE = struct.pack("=H", 1) == b"\1\0"


def _aligned(length: int) -> int:
    return (length + 3) & ~3
