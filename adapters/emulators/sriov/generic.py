"""The emulated kernel's generic netlink: where devlink is, the card's switch, its port functions."""

import errno
import struct
from collections.abc import Iterator

from adapters.emulators.sriov.card import EmulatedCard
from adapters.emulators.sriov.route import No

CONTROLLER, DEVLINK = 16, 22
PORT_SET = 6
_GET_FAMILY, _PORT_GET, _ESWITCH_GET = 3, 5, 29
_BUS, _DEVICE, _PORT, _MODE, _FUNCTION = 1, 2, 3, 25, 145


class Generic:
    """Answers generic netlink messages from the state of one card."""

    def __init__(self, card: EmulatedCard, *, has_devlink: bool) -> None:
        self.card, self.has_devlink = card, has_devlink

    def answer(self, kind: int, flags: int, sequence: int, raw: bytes, *, namespace: str) -> list[bytes]:
        """Return the messages that answer one, having made its change; raise `No` for a refusal."""
        command, given = raw[16], dict(_read(raw[20:]))
        if kind == CONTROLLER and command == _GET_FAMILY:
            if not self.has_devlink or given.get(2) != b"devlink\0":
                raise No(errno.ENOENT)
            return [_message(CONTROLLER, 1, sequence, _write(1, struct.pack("=H", DEVLINK)))]
        if kind != DEVLINK or not self.has_devlink:
            raise No(errno.ENOENT)
        if given.get(_BUS) != b"pci\0" or given.get(_DEVICE) != self.card.pci.encode() + b"\0":
            raise No(errno.ENODEV)
        if command == _ESWITCH_GET:
            mode = struct.pack("=H", ["legacy", "switchdev"].index(self.card.eswitch))
            return [_message(DEVLINK, _ESWITCH_GET, sequence, _write(_MODE, mode))]
        index = struct.unpack("=I", given.get(_PORT, b"\xff\xff\xff\xff"))[0]
        port = self.card.ports.get(index)
        if port is None:
            raise No(errno.ENODEV)
        if command == _PORT_GET:
            state = bytes([port.active])
            function = _write(1, bytes.fromhex(port.mac.replace(":", ""))) + _write(2, state) + _write(3, state)
            return [_message(DEVLINK, 7, sequence, _write(_PORT, given[_PORT]) + _write(_FUNCTION, function))]
        if command != PORT_SET:
            raise No(errno.EOPNOTSUPP)
        wanted = dict(_read(given.get(_FUNCTION, b"")))
        if 1 in wanted:
            if port.active:
                raise No(errno.EBUSY, "The function is active")
            if len(wanted[1]) != 6 or wanted[1][0] & 1:
                raise No(errno.EINVAL)
            port.mac = ":".join(f"{octet:02x}" for octet in wanted[1])
        if 2 in wanted:
            port.active = wanted[2] == b"\1"
        self.card.changed()
        return []


def _read(content: bytes) -> Iterator[tuple[int, bytes]]:
    while len(content) >= 4:
        length, kind = struct.unpack_from("=HH", content)
        if length < 4:
            raise No(errno.EINVAL)
        yield kind & 0x3FFF, content[4:length]
        content = content[length + 3 & ~3 :]


def _write(kind: int, content: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(content), kind) + content + bytes(-len(content) % 4)


def _message(kind: int, command: int, sequence: int, content: bytes) -> bytes:
    return struct.pack("=IHHIIBBH", 20 + len(content), kind, 0, sequence, 0, command, 1, 0) + content
