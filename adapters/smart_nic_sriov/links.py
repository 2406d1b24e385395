"""A card as rtnetlink shows and changes it: virtual functions and alternative names (if_link.h)."""

import errno
import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from adapters.errors import InvalidSettings
from adapters.smart_nic_sriov.client import Channel, Refusal, sorted_by_remedy
from adapters.smart_nic_sriov.mark import Mark, read_mark
from adapters.smart_nic_sriov.messages import NESTED, attribute, attributes, first, number, text

NEWLINK, GETLINK, SETLINK, NEWLINKPROP, DELLINKPROP = 16, 18, 19, 108, 109
CREATE, EXCL = 0x400, 0x200
_BODY = struct.Struct("=BxHiII")
_ADDRESS, _NAME, _NUM_VF, _VFS, _EXT_MASK = 1, 3, 21, 22, 29
_PROPERTIES, _ALT_NAME, _PARENT, _BUS = 52, 53, 56, 57
_WITH_VFS = 1
_VF_INFO = 1
_MAC, _VLAN, _SPOOF_CHECK, _LINK, _RATE, _QUERY_RSS, _STATS, _TRUST = 1, 2, 4, 5, 6, 7, 8, 9
_STAT_RX_BYTES, _STAT_TX_BYTES = 2, 3
_UP, _LOWER_UP = 0x1, 0x10000
_NOT_REPORTED = 0xFFFFFFFF
TOPICS = ("link", "mac", "vlan", "rate", "spoof_check", "query_rss", "trust")
"""What can be set of a function, each by a request of its own."""
_LINKS = {0: "auto", 1: "enable", 2: "disable"}
_LINK_NUMBERS = {word: value for value, word in _LINKS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """How a virtual function is set up; None is what the driver does not report."""

    mac: str
    vlan: int
    priority: int
    min_rate_mbps: int
    max_rate_mbps: int
    spoof_check: bool | None
    trust: bool | None
    query_rss: bool | None
    link: str
    received_bytes: int = field(default=0, compare=False)
    sent_bytes: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A look at a physical function."""

    name: str
    index: int
    address: str
    bus: str
    """`pci`, or what else the card sits on; with `pci` it is the card's handle in devlink."""
    pci: str
    has_link: bool
    vf_count: int | None
    """None for an interface that knows no virtual functions."""
    functions: dict[int, Function]
    marks: tuple[Mark, ...]

    def marks_on(self, unit: str) -> list[Mark]:
        """Return the marks of one function, the latest hand-over first."""
        return sorted((m for m in self.marks if m.unit == unit), key=lambda m: m.epoch, reverse=True)


def read_card(channel: Channel, name: str) -> Card:
    """Look at the card; raise `InvalidSettings` when the machine has none of that name."""
    try:
        answers = channel.ask(
            GETLINK, _BODY.pack(0, 0, 0, 0, 0) + attribute(_NAME, name) + attribute(_EXT_MASK, _WITH_VFS)
        )
    except Refusal as refusal:
        raise sorted_by_remedy(refusal, what=f"show “{name}”") from refusal
    if not answers:
        raise InvalidSettings(f"The kernel showed nothing of “{name}”.")
    body = answers[0].body
    _, _, index, flags, _ = _BODY.unpack_from(body)
    found = first(body[_BODY.size :])
    names = [text(value) for kind, value in attributes(found.get(_PROPERTIES, b"")) if kind == _ALT_NAME]
    return Card(
        name=text(found.get(_NAME, b"")),
        index=index,
        address=_mac(found.get(_ADDRESS, b"")),
        bus=text(found.get(_BUS, b"")),
        pci=text(found.get(_PARENT, b"")),
        has_link=flags & (_UP | _LOWER_UP) == _UP | _LOWER_UP,
        vf_count=number(found[_NUM_VF]) if _NUM_VF in found else None,
        functions=dict(_functions(found.get(_VFS, b""))),
        marks=tuple(mark for mark in map(read_mark, names) if mark is not None),
    )


def add_mark(channel: Channel, card: Card, mark: Mark) -> None:
    """Write a lease's mark; one that is there already is fine."""
    try:
        channel.change(NEWLINKPROP, _named(card, mark), flags=CREATE | EXCL)
    except Refusal as refusal:
        if refusal.number != errno.EEXIST:
            raise sorted_by_remedy(refusal, what=f"take the mark {mark.text}") from refusal


def remove_mark(channel: Channel, card: Card, mark: Mark) -> None:
    """Remove a lease's mark; one that is gone already is fine."""
    try:
        channel.change(DELLINKPROP, _named(card, mark))
    except Refusal as refusal:
        if refusal.number != errno.ENOENT:
            raise sorted_by_remedy(refusal, what=f"give up the mark {mark.text}") from refusal


def set_up(
    channel: Channel,
    card: Card,
    vf: int,
    wanted: Function,
    *,
    topics: Collection[str] = TOPICS,
    unreported: Collection[str] = (),
) -> None:
    """Change what differs from the wish; what cannot be seen is set each time.

    What a driver neither reports nor takes is left alone where it is on the site's list `unreported`.
    """
    for topic, content in _changes(vf, card.functions[vf], wanted, unreported):
        if topic not in topics:
            continue
        info = attribute(_VF_INFO | NESTED, content)
        try:
            channel.change(SETLINK, _BODY.pack(0, 0, card.index, 0, 0) + attribute(_VFS | NESTED, info))
        except Refusal as refusal:
            if refusal.number == errno.EOPNOTSUPP and topic in unreported:
                continue
            what = f"set {WORDS[topic]} of function {vf} of “{card.name}”"
            error = sorted_by_remedy(refusal, what=what)
            if refusal.number == errno.EOPNOTSUPP and topic != "mac":
                error = InvalidSettings(
                    f"{error} If the site can do without, list it under “What the driver does not report back”."
                )
            raise error from refusal


def topic_of(name: str) -> str:
    """Return by which word of `TOPICS` a field of `Function` is set."""
    return {"priority": "vlan", "min_rate_mbps": "rate", "max_rate_mbps": "rate"}.get(name, name)


WORDS = {
    "mac": "the hardware address",
    "vlan": "the VLAN",
    "rate": "the rate",
    "spoof_check": "the check of source addresses",
    "trust": "trust",
    "query_rss": "the right to read the RSS table",
    "link": "the link",
}


def _changes(
    vf: int, now: Function, wanted: Function, unreported: Collection[str]
) -> Iterator[tuple[str, bytes]]:
    if wanted.link == "disable":
        # Closing comes before everything else, opening after.
        yield from _link(vf, now, wanted, unreported)
    if now.mac != wanted.mac:
        octets = bytes.fromhex(wanted.mac.replace(":", ""))
        yield "mac", attribute(_MAC, struct.pack("=I32s", vf, octets))
    if "vlan" in unreported or (now.vlan, now.priority) != (wanted.vlan, wanted.priority):
        yield "vlan", attribute(_VLAN, struct.pack("=III", vf, wanted.vlan, wanted.priority))
    rates = (wanted.min_rate_mbps, wanted.max_rate_mbps)
    if "rate" in unreported or (now.min_rate_mbps, now.max_rate_mbps) != rates:
        yield "rate", attribute(_RATE, struct.pack("=III", vf, *rates))
    switches = (("spoof_check", _SPOOF_CHECK), ("query_rss", _QUERY_RSS), ("trust", _TRUST))
    for name, kind in switches:
        if name in unreported or getattr(now, name) != getattr(wanted, name):
            yield name, attribute(kind, struct.pack("=II", vf, getattr(wanted, name)))
    if wanted.link != "disable":
        yield from _link(vf, now, wanted, unreported)


def _link(vf: int, now: Function, wanted: Function, unreported: Collection[str]) -> Iterator[tuple[str, bytes]]:
    if "link" in unreported or now.link != wanted.link:
        yield "link", attribute(_LINK, struct.pack("=II", vf, _LINK_NUMBERS[wanted.link]))


def _functions(content: bytes) -> Iterator[tuple[int, Function]]:
    for kind, info in attributes(content):
        if kind != _VF_INFO:
            continue
        found = first(info)
        vf = struct.unpack_from("=I", found[_MAC])[0]
        _, vlan, priority = struct.unpack_from("=III", found.get(_VLAN, bytes(12)))
        _, low, high = struct.unpack_from("=III", found.get(_RATE, bytes(12)))
        counters = first(found.get(_STATS, b""))
        yield (
            vf,
            Function(
                mac=_mac(found[_MAC][4:10]),
                vlan=vlan,
                priority=priority,
                min_rate_mbps=low,
                max_rate_mbps=high,
                spoof_check=_switch(found.get(_SPOOF_CHECK)),
                trust=_switch(found.get(_TRUST)),
                query_rss=_switch(found.get(_QUERY_RSS)),
                link=_LINKS.get(_second(found.get(_LINK, bytes(8))), "unknown"),
                received_bytes=number(counters.get(_STAT_RX_BYTES, b"")),
                sent_bytes=number(counters.get(_STAT_TX_BYTES, b"")),
            ),
        )


def _switch(content: bytes | None) -> bool | None:
    # The kernel fills in -1 before it asks the driver; that is left where the driver says nothing.
    if content is None or _second(content) == _NOT_REPORTED:
        return None
    return bool(_second(content))


def _second(content: bytes) -> int:
    value: int = struct.unpack_from("=II", content)[1]
    return value


def _mac(octets: bytes) -> str:
    return ":".join(f"{octet:02x}" for octet in octets)


def _named(card: Card, mark: Mark) -> bytes:
    names = attribute(_ALT_NAME, mark.text)
    return _BODY.pack(0, 0, card.index, 0, 0) + attribute(_PROPERTIES | NESTED, names)
