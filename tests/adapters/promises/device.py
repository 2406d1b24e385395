"""What the tests see of a device, and the small things that all promises need."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Literal, Protocol

from adapters.contract import Access, Adapter, FoundDevice, LeaseOrder

Fault = Literal["unreachable", "hang", "late", "lie", "reboot"]
VERBS = ("observe", "provision", "admit", "isolate", "release", "discover")


class Session(Protocol):
    """A way in that the holder keeps open."""

    def alive(self) -> bool:
        """Say whether the device still answers on this very connection or login."""
        ...


class Device(Protocol):
    """What the tests see of a device from outside, without the adapter."""

    def can_enter(self, access: Access, order: LeaseOrder) -> bool:
        """Try to get in over the wire, as the holder would, with what `access` says."""
        ...

    def hold_session(self, access: Access, order: LeaseOrder) -> AbstractContextManager[Session]:
        """Get in and stay in."""
        ...

    def residue(self, order: LeaseOrder) -> list[str]:
        """Return what of the lease is on the device, in words; empty when nothing is."""
        ...

    # Emulators have these three as well; real hardware leaves them out.
    #
    # def break_with(self, fault: Fault) -> None
    #     unreachable: nothing listens at the address
    #     hang:        connections are taken, nothing is ever answered
    #     late:        changes take effect, their answers do not come in time; reads are answered
    #     lie:         changes are acknowledged and not made; reads tell the truth
    #     reboot:      at once: what the real device forgets is forgotten, sessions are gone
    # def mend(self) -> None
    #     ends the fault; what took effect stays
    # def changes(self) -> int
    #     counts the changes that the device has made since it was started


def call(adapter: Adapter, verb: str, order: LeaseOrder) -> object:
    return getattr(adapter, verb)(order.target if verb in ("observe", "discover") else order)


def another(adapter: Adapter) -> Adapter:
    """Return the adapter as another process would have it: nothing is kept between calls."""
    return type(adapter)(secrets=adapter.secrets)


def changes_of(device: Device) -> int | None:
    return device.changes() if hasattr(device, "changes") else None


def with_parts(found: tuple[FoundDevice, ...]) -> Iterator[FoundDevice]:
    for entry in found:
        yield entry
        yield from with_parts(entry.parts)


def comes_true(condition: Callable[[], bool], *, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
