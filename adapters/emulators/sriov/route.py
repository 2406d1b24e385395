"""The emulated kernel's rtnetlink: links and their virtual functions, and what a kernel refuses.

Messages are read and written by pyroute2, whose understanding of them is not the adapter's.
"""

import errno
from typing import Any

from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from adapters.emulators.sriov.card import HOME, MARK_LIMIT, EmulatedCard, Interface, VirtualFunction

NEWLINK, GETLINK, SETLINK, NEWLINKPROP, DELLINKPROP = 16, 18, 19, 108, 109
CHANGES = frozenset({NEWLINK, SETLINK, NEWLINKPROP, DELLINKPROP})
_EVERY, _UP_WITH_LINK, _WITH_VFS = 0x300, 0x10041, 1
_NOT_REPORTED = 0xFFFFFFFF
_FIELDS = {
    "IFLA_VF_MAC": ("mac", {"mac": "mac"}),
    "IFLA_VF_VLAN": ("vlan", {"vlan": "vlan", "qos": "qos"}),
    "IFLA_VF_RATE": ("rate", {"min_tx_rate": "min_rate", "max_tx_rate": "max_rate"}),
    "IFLA_VF_SPOOFCHK": ("spoof_check", {"spoofchk": "spoof_check"}),
    "IFLA_VF_LINK_STATE": ("link", {"link_state": "link"}),
    "IFLA_VF_RSS_QUERY_EN": ("query_rss", {"rss_query_en": "query_rss"}),
    "IFLA_VF_TRUST": ("trust", {"trust": "trust"}),
}


class No(Exception):
    """The kernel refuses, with a number and perhaps words."""

    def __init__(self, number: int, words: str = "") -> None:
        super().__init__(number, words)
        self.number, self.words = number, words


class Route:
    """Answers rtnetlink messages from the state of one card."""

    def __init__(self, card: EmulatedCard) -> None:
        self.card = card

    def answer(self, kind: int, flags: int, sequence: int, raw: bytes, *, namespace: str) -> list[bytes]:
        """Return the messages that answer one, having made its change; raise `No` for a refusal."""
        message = ifinfmsg(raw)
        message.decode()
        if kind == GETLINK:
            return self._show(message, flags, sequence, namespace)
        if kind in (NEWLINKPROP, DELLINKPROP):
            self._change_names(message, namespace, adding=kind == NEWLINKPROP)
        elif kind in (NEWLINK, SETLINK):
            self._change(message, namespace)
        else:
            raise No(errno.EOPNOTSUPP)
        self.card.changed()
        return []

    # --- looking ---

    def _show(self, message: Any, flags: int, sequence: int, namespace: str) -> list[bytes]:
        there = [entry for entry in self.card.interfaces if entry.namespace == namespace]
        if flags & _EVERY == _EVERY:
            cards = [self._card(sequence, with_vfs=False)] if namespace == HOME else []
            return cards + [self._interface(entry, sequence) for entry in there]
        name, index = message.get_attr("IFLA_IFNAME"), message["index"]
        if namespace == HOME and (name == self.card.name or (not name and index == self.card.index)):
            return [self._card(sequence, with_vfs=bool((message.get_attr("IFLA_EXT_MASK") or 0) & _WITH_VFS))]
        for entry in there:
            if entry.name == name or (not name and entry.index == index):
                return [self._interface(entry, sequence)]
        raise No(errno.ENODEV)

    def _card(self, sequence: int, *, with_vfs: bool) -> bytes:
        card = self.card
        shown: list[tuple[str, object]] = [
            ("IFLA_IFNAME", card.name),
            ("IFLA_ADDRESS", card.mac),
            ("IFLA_PARENT_DEV_NAME", card.pci),
            ("IFLA_PARENT_DEV_BUS_NAME", "pci"),
        ]
        if card.other_names:
            shown.append(_names(card.other_names))
        if with_vfs:
            shown.append(("IFLA_NUM_VF", len(card.functions)))
            infos = [("IFLA_VF_INFO", self._function(vf, it)) for vf, it in enumerate(card.functions)]
            if infos:
                shown.append(("IFLA_VFINFO_LIST", {"attrs": infos}))
        return _link(card.index, _UP_WITH_LINK, sequence, shown)

    def _function(self, vf: int, function: VirtualFunction) -> dict[str, Any]:
        attrs = []
        for name, (topic, fields) in _FIELDS.items():
            values = {field: getattr(function, own) for field, own in fields.items()}
            if topic in self.card.unreported:
                silent = _NOT_REPORTED if topic in ("spoof_check", "trust", "query_rss") else 0
                values = dict.fromkeys(values, silent)
            attrs.append((name, {"vf": vf, **values}))
        attrs.append(("IFLA_VF_STATS", {"attrs": [("IFLA_VF_STATS_TX_BYTES", function.sent)]}))
        return {"attrs": attrs}

    def _interface(self, entry: Interface, sequence: int) -> bytes:
        shown: list[tuple[str, object]] = [
            ("IFLA_IFNAME", entry.name),
            ("IFLA_ADDRESS", entry.mac),
            ("IFLA_PARENT_DEV_NAME", entry.pci),
            ("IFLA_PARENT_DEV_BUS_NAME", "pci"),
        ]
        if entry.alias:
            shown.append(("IFLA_IFALIAS", entry.alias))
        if entry.other_names:
            shown.append(_names(entry.other_names))
        return _link(entry.index, entry.flags, sequence, shown)

    # --- changing ---

    def _change(self, message: Any, namespace: str) -> None:
        if message["index"] == self.card.index and namespace == HOME:
            for _, info in (message.get_attr("IFLA_VFINFO_LIST") or {"attrs": []})["attrs"]:
                for name, values in info["attrs"]:
                    self._change_function(name, values)
            return
        entry = self._interface_of(message, namespace)
        address, alias = message.get_attr("IFLA_ADDRESS"), message.get_attr("IFLA_IFALIAS")
        target, name = message.get_attr("IFLA_NET_NS_FD"), message.get_attr("IFLA_IFNAME")
        if target is not None:
            self._move(entry, int(target), name)
        elif name:
            self._refuse_taken(name, entry.namespace)
            entry.name = name
        if address is not None:
            entry.mac = address
        if alias is not None:
            entry.alias = alias
        entry.flags = (entry.flags & ~message["change"]) | (message["flags"] & message["change"])

    def _change_function(self, name: str, values: Any) -> None:
        vf = values["vf"]
        if vf >= len(self.card.functions):
            raise No(errno.EINVAL, "Invalid VF")
        if name not in _FIELDS:
            raise No(errno.EOPNOTSUPP)
        topic, fields = _FIELDS[name]
        if topic in self.card.unsupported or (topic == "vlan" and self.card.eswitch == "switchdev"):
            raise No(errno.EOPNOTSUPP)
        wanted = {own: values[field] for field, own in fields.items()}
        _refuse_nonsense(wanted, self.card.speed_mbps)
        for own, value in wanted.items():
            setattr(self.card.functions[vf], own, value)

    def _change_names(self, message: Any, namespace: str, *, adding: bool) -> None:
        if message["index"] == self.card.index and namespace == HOME:
            names = self.card.other_names
        else:
            names = self._interface_of(message, namespace).other_names
        for _, name in message.get_attr("IFLA_PROP_LIST")["attrs"]:
            if not adding:
                if name not in names:
                    raise No(errno.ENOENT)
                names.remove(name)
                continue
            if not name or len(name) > MARK_LIMIT or any(letter in "/:" or letter.isspace() for letter in name):
                raise No(errno.EINVAL)
            self._refuse_taken(name, namespace)
            names.append(name)

    def _move(self, entry: Interface, number: int, name: str | None) -> None:
        if not 0 <= number < len(self.card.namespaces):
            raise No(errno.EBADF)
        target = self.card.namespaces[number]
        for other in entry.other_names:
            self._refuse_taken(other, target)
        try:
            self._refuse_taken(entry.name, target)
        except No:
            if not name:
                raise
            self._refuse_taken(name, target)
            entry.name = name
        entry.namespace = target
        entry.flags &= ~1

    def _refuse_taken(self, name: str, namespace: str) -> None:
        taken = {self.card.name, *self.card.other_names} if namespace == HOME else set()
        for entry in self.card.interfaces:
            if entry.namespace == namespace:
                taken |= {entry.name, *entry.other_names}
        if name in taken:
            raise No(errno.EEXIST)

    def _interface_of(self, message: Any, namespace: str) -> Interface:
        for entry in self.card.interfaces:
            if entry.namespace == namespace and entry.index == message["index"]:
                return entry
        raise No(errno.ENODEV)


def _refuse_nonsense(wanted: dict[str, Any], speed_mbps: int) -> None:
    if "mac" in wanted and int(wanted["mac"][:2], 16) & 1:
        raise No(errno.EINVAL, "Not a unicast address")
    if wanted.get("vlan", 0) > 4094 or wanted.get("qos", 0) > 7 or wanted.get("link", 0) > 2:
        raise No(errno.EINVAL)
    low, high = wanted.get("min_rate", 0), wanted.get("max_rate", 0)
    if (high and high < low) or max(low, high) > speed_mbps:
        raise No(errno.EINVAL)


def _names(names: list[str]) -> tuple[str, object]:
    return "IFLA_PROP_LIST", {"attrs": [("IFLA_ALT_IFNAME", name) for name in names]}


def _link(index: int, flags: int, sequence: int, attrs: list[tuple[str, object]]) -> bytes:
    message = ifinfmsg()
    message["index"], message["flags"] = index, flags
    message["attrs"] = attrs
    message["header"]["type"], message["header"]["sequence_number"] = NEWLINK, sequence
    message.encode()
    return bytes(message.data)
