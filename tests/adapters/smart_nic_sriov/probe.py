"""A card as its holder sees it: frames that reach the wire, or do not."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from adapters.contract import Access, LeaseOrder
from adapters.emulators.sriov import SriovEmulator
from tests.adapters.conformance import Fault


def functions_of(access: Access) -> list[dict[str, object]]:
    return json.loads(access.files[0].content)["functions"]


class Sender:
    """A function that sends, on a connection of its own."""

    def __init__(self, url: str, function: dict[str, object]) -> None:
        address = urlsplit(url)
        self.mac = function["mac"]
        self.connection = socket.create_connection((address.hostname, address.port), timeout=30)
        self.stream = self.connection.makefile("rw")
        self.stream.write(f"wire {function['function']}\n")

    def __enter__(self) -> "Sender":
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.close()
        self.connection.close()

    def send(self, source: str | None = None) -> str:
        self.stream.write(f"{source or self.mac}\n")
        self.stream.flush()
        return self.stream.readline().strip()

    def alive(self) -> bool:
        try:
            return self.send().startswith("sent")
        except OSError:
            return False


class CardProbe:
    """The emulated card, from outside."""

    def __init__(self, emulator: SriovEmulator) -> None:
        self.emulator = emulator

    def can_enter(self, access: Access, order: LeaseOrder) -> bool:
        return all(self._sends(function) for function in functions_of(access))

    def _sends(self, function: dict[str, object]) -> bool:
        with Sender(self.emulator.url, function) as sender:
            return sender.send() == f"sent vlan={function.get('vlan', 0)}"

    @contextmanager
    def hold_session(self, access: Access, order: LeaseOrder) -> Iterator[Sender]:
        with Sender(self.emulator.url, functions_of(access)[0]) as sender:
            assert sender.alive(), "the function could not send"
            yield sender

    def residue(self, order: LeaseOrder) -> list[str]:
        card = self.emulator.card
        found = [f"name {name}" for name in card.other_names if order.lease_id in name]
        if any(name.startswith("shary.") for name in card.other_names) and not found:
            return []
        found += [
            f"function {vf}: {function}"
            for vf, function in enumerate(card.functions)
            if (function.link != 2 and function.mac != "00:00:00:00:00:00")
            or function.trust
            or not function.spoof_check
            or function.vlan not in (0, 4094)
        ]
        found += [f"{entry.name} in {entry.namespace}" for entry in card.interfaces if entry.namespace]
        return found + [f"port {index} is active" for index, port in card.ports.items() if port.active]

    def break_with(self, fault: Fault) -> None:
        self.emulator.break_with(fault)

    def mend(self) -> None:
        self.emulator.mend()

    def changes(self) -> int:
        return self.emulator.card.changes
