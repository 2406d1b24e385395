"""Interfaces of functions: found, moved between namespaces, and stripped of what was hung on them."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from adapters.smart_nic_sriov.client import Channel, Refusal, sorted_by_remedy
from adapters.smart_nic_sriov.messages import NESTED, attribute, attributes, first, number, text

_GETLINK, _SETLINK, _DELLINKPROP = 18, 19, 109
_BODY = struct.Struct("=BxHiII")
_ADDRESS, _NAME, _ALIAS, _NET_NS_FD, _XDP = 1, 3, 20, 28, 43
_PROPERTIES, _ALT_NAME, _PARENT = 52, 53, 56
_XDP_FD, _XDP_ATTACHED = 1, 2
_UP, _PROMISCUOUS, _ALL_MULTICAST = 0x1, 0x100, 0x200


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """A network interface."""

    index: int
    name: str
    mac: str
    pci: str
    flags: int
    alias: str
    other_names: tuple[str, ...]
    has_xdp: bool

    @property
    def leftovers(self) -> list[str]:
        """Return in words what a holder left on it."""
        # Other names and whether it is up are no evidence: udev and network managers see to both at once.
        found = ["described by somebody"] if self.alias else []
        if self.flags & (_PROMISCUOUS | _ALL_MULTICAST):
            found.append("promiscuous")
        if self.has_xdp:
            found.append("with an XDP program")
        return found


def all_of(channel: Channel) -> Iterator[Interface]:
    """Return the interfaces of the channel's namespace."""
    try:
        messages = channel.ask(_GETLINK, _BODY.pack(0, 0, 0, 0, 0), every=True)
    except Refusal as refusal:
        raise sorted_by_remedy(refusal, what="list its interfaces") from refusal
    for message in messages:
        _, _, index, flags, _ = _BODY.unpack_from(message.body)
        found = first(message.body[_BODY.size :])
        yield Interface(
            index=index,
            name=text(found.get(_NAME, b"")),
            mac=":".join(f"{octet:02x}" for octet in found.get(_ADDRESS, b"")),
            pci=text(found.get(_PARENT, b"")),
            flags=flags,
            alias=text(found.get(_ALIAS, b"")),
            other_names=tuple(
                text(value) for kind, value in attributes(found.get(_PROPERTIES, b"")) if kind == _ALT_NAME
            ),
            has_xdp=bool(number(first(found.get(_XDP, b"")).get(_XDP_ATTACHED, b""))),
        )


def take_address(channel: Channel, interface: Interface, mac: str) -> None:
    """Give the interface the address that its function has."""
    octets = bytes.fromhex(mac.replace(":", ""))
    _set(channel, interface, attribute(_ADDRESS, octets), what=f"give “{interface.name}” its address")


def rename(channel: Channel, interface: Interface, name: str) -> None:
    """Give the interface another name."""
    _set(channel, interface, attribute(_NAME, name), what=f"call “{interface.name}” “{name}”")


def move(channel: Channel, interface: Interface, namespace: int, *, name: str) -> None:
    """Move the interface into a namespace, under `name` if its own is taken there."""
    content = attribute(_NET_NS_FD, namespace) + attribute(_NAME, name)
    _set(channel, interface, content, what=f"move “{interface.name}”")


def strip(channel: Channel, interface: Interface) -> None:
    """Take the interface down, and off it what a holder may have hung on it."""
    # Other names come first: one that is taken at home would keep the interface from coming home.
    for other in interface.other_names:
        names = attribute(_PROPERTIES | NESTED, attribute(_ALT_NAME, other))
        _change(channel, _DELLINKPROP, interface, names, what=f"take the name “{other}” away")
    if interface.has_xdp:
        nothing = attribute(_XDP | NESTED, attribute(_XDP_FD, struct.pack("=i", -1)))
        _set(channel, interface, nothing, what=f"take the XDP program off “{interface.name}”")
    if interface.alias:
        _set(channel, interface, attribute(_ALIAS, b"\0"), what=f"take the alias of “{interface.name}” away")
    mask = _UP | _PROMISCUOUS | _ALL_MULTICAST
    if interface.flags & mask:
        what = f"take “{interface.name}” down"
        _change(channel, _SETLINK, interface, b"", what=what, mask=mask)


def _set(channel: Channel, interface: Interface, content: bytes, *, what: str) -> None:
    _change(channel, _SETLINK, interface, content, what=what)


def _change(
    channel: Channel, kind: int, interface: Interface, content: bytes, *, what: str, mask: int = 0
) -> None:
    try:
        channel.change(kind, _BODY.pack(0, 0, interface.index, 0, mask) + content)
    except Refusal as refusal:
        raise sorted_by_remedy(refusal, what=what) from refusal
