"""The interface of a virtual function, lent into the holder's network namespace and fetched back.

The link is what keeps a holder in or out, and it hangs on the physical function, which stays at home. So
whatever a holder does with the interface in there, it is off the network once `isolate` has cut the link.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from adapters.contract import Check, LeaseOrder
from adapters.errors import InvalidSettings, OutcomeUnknown
from adapters.smart_nic_sriov import interfaces, wishes
from adapters.smart_nic_sriov.client import Channel, open_channel
from adapters.smart_nic_sriov.interfaces import Interface
from adapters.smart_nic_sriov.links import Card
from adapters.smart_nic_sriov.namespaces import NamespaceMissing, handle
from adapters.smart_nic_sriov.site import Site


class Handover:
    """Moves one function's interface, where the settings name a namespace; else it does nothing."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.namespace = site.settings.namespace
        self.vf = site.settings.vf or 0

    def refuse_what_cannot_be(self, card: Card) -> None:
        """Refuse a namespace that is not there, and a function without an interface."""
        if self.namespace:
            with self._handle(self.namespace), self._there() as there:
                if self._find(self.site.route) is None and self._find(there) is None:
                    raise InvalidSettings(
                        f"Function {self.vf} of “{card.name}” has no interface that could be moved; look "
                        "which driver has it, by `lspci -k`."
                    )

    def give(self, card: Card, order: LeaseOrder) -> None:
        """Move the interface into the namespace, under the lease's address."""
        if not self.namespace:
            return
        here = self._find(self.site.route)
        if here is not None:
            mac = wishes.leased(self.site.settings, order, self.vf, link="auto").mac
            if here.mac != mac:
                interfaces.take_address(self.site.route, here, mac)
            with self._handle(self.namespace) as number:
                interfaces.move(self.site.route, here, number, name=here.name)
        with self._there() as there:
            if self._find(there) is None:
                raise OutcomeUnknown(
                    f"The kernel said that the interface of function {self.vf} was moved into "
                    f"“{self.namespace}”, and it is not there."
                )

    def take_back(self, card: Card) -> None:
        """Fetch the interface, down, under its own name, and without what a holder hung on it."""
        if not self.namespace:
            return
        # A namespace that is gone gave its interfaces back by itself.
        with suppress(NamespaceMissing), self._handle(self.namespace), self._there() as there:
            away = self._find(there)
            if away is not None:
                interfaces.strip(there, away)
                with self._handle("") as number:
                    interfaces.move(there, away, number, name=self._name(card))
            if self._find(there) is not None:
                raise OutcomeUnknown(
                    f"The kernel said that the interface of function {self.vf} was fetched from "
                    f"“{self.namespace}”, and it is there still."
                )
        here = self._find(self.site.route)
        if here is not None and here.name != self._name(card):
            interfaces.rename(self.site.route, here, self._name(card))

    def checks(self, card: Card) -> list[Check]:
        """See where the interface is, and what hangs on it."""
        if not self.namespace:
            return []
        here = self._find(self.site.route)
        found = "nowhere" if here is None else "; ".join(["at home", *here.leftovers])
        return [
            Check(
                name=f"Interface of function {self.vf}",
                expected="at home",
                found=found,
                passed=found == "at home",
                method="All interfaces of the worker's namespace, listed on a socket opened for it",
            )
        ]

    def _name(self, card: Card) -> str:
        # As the kernel's and systemd's naming have it. Longer names than 15 characters there are none.
        return f"{card.name}v{self.vf}"[:15]

    def _find(self, channel: Channel) -> Interface | None:
        pci = self.site.sysfs.pci_of(self.vf)
        return next((found for found in interfaces.all_of(channel) if pci and found.pci == pci), None)

    @contextmanager
    def _there(self) -> Iterator[Channel]:
        settings = self.site.settings
        with open_channel(
            settings.kernel, "route", timeout_s=settings.timeout_s, namespace=self.namespace
        ) as channel:
            yield channel

    @contextmanager
    def _handle(self, namespace: str) -> Iterator[int]:
        settings = self.site.settings
        with handle(settings.kernel, namespace, timeout_s=settings.timeout_s) as number:
            yield number
