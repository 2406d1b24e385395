"""The verbs of an adapter and what each of them promises."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Protocol

from adapters.contract.description import AdapterDescription
from adapters.contract.values import (
    Access,
    Artefact,
    CleanProof,
    FoundDevice,
    LeaseOrder,
    Observation,
    Rehearsal,
    Target,
)
from adapters.errors import DeviceRefused


class Secrets(Protocol):
    """The site's secrets, by name. They never leave the site."""

    def read(self, name: str) -> str:
        """Return the secret; raise `InvalidSettings` when the site has none of that name."""
        ...

    def path(self, name: str) -> str:
        """Return the path of a file that holds the secret, for libraries that want files."""
        ...


class Adapter(ABC):
    """Our code for one kind of hardware tool.

    An instance keeps nothing between calls: every call may come to another process, after any
    crash. Every call on the wire has a deadline. The only exceptions that leave a verb are the
    children of `AdapterError`.
    """

    description: ClassVar[AdapterDescription]

    def __init__(self, *, secrets: Secrets) -> None:
        self.secrets = secrets

    @abstractmethod
    def observe(self, target: Target) -> Observation:
        """Look at the device and change nothing.

        Raises an `AdapterError` when nothing could be learned: unknown is not absent.
        """

    @abstractmethod
    def provision(self, order: LeaseOrder) -> Access:
        """Make the device ready for the holder, with access still closed.

        Called again for the same lease it returns the same `Access` and does nothing twice;
        a new `ends_at` is taken over. A device that carries another lease is `DeviceBusy`.
        """

    @abstractmethod
    def admit(self, order: LeaseOrder) -> None:
        """Open access for the holder. Quick: it runs at the very start of the lease. Idempotent."""

    @abstractmethod
    def isolate(self, order: LeaseOrder) -> None:
        """Close access within seconds: nobody gets in, open sessions are cut. Idempotent.

        Works whatever state the device is in, also when it was never provisioned.
        """

    @abstractmethod
    def release(self, order: LeaseOrder) -> CleanProof:
        """Remove all that is the holder's, then prove it by another path than the one that cleaned.

        Idempotent, and works from any half-finished state. It touches nothing that carries
        another lease's tag: finding the device in the hands of a later epoch is `DeviceBusy`.
        """

    @abstractmethod
    def discover(self, target: Target) -> tuple[FoundDevice, ...]:
        """Return the devices found behind the settings of `target`, for the operator to accept."""

    def reshape(self, target: Target, geometry: Sequence[str]) -> FoundDevice:
        """Cut the idle device into the parts that the geometry names; return it with its parts.

        Idempotent: a device that is cut like that already is left as it is. Raises `DeviceBusy` when
        anything uses the device, and changes nothing then. Most devices cannot be cut.
        """
        raise DeviceRefused(f"{target.name} cannot be cut into parts by {self.description.title}.")

    def rehearse(self, order: LeaseOrder) -> Rehearsal:
        """Try what the holder gave on something that is not the device, and say how it went.

        Touches no device and needs none; raises nothing for files that are wrong: the steps say it.
        """
        raise DeviceRefused(f"{self.description.title} has nothing to try a booking's files on.")

    def build(self, target: Target, files: Sequence[Artefact]) -> tuple[Artefact, ...]:
        """Make of source files what the device takes; raise `DeviceRefused` with the compiler's words."""
        raise DeviceRefused(f"{self.description.title} builds nothing at this site.")
