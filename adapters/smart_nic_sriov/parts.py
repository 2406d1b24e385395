"""What a lease has of a card, a function at a time: closed, prepared, opened, parked, looked at."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from dataclasses import fields

from adapters.contract import Check, LeaseOrder
from adapters.errors import DeviceRefused, OutcomeUnknown
from adapters.smart_nic_sriov import wishes
from adapters.smart_nic_sriov.devlink import PortFunction
from adapters.smart_nic_sriov.links import TOPICS, WORDS, Card, Function, set_up, topic_of
from adapters.smart_nic_sriov.mark import park_address
from adapters.smart_nic_sriov.site import Site

_CLOSED = ("link", "mac", "vlan")
_READ_BACK = "Read back from the kernel, on a socket opened for it"


class Part(ABC):
    """One function of a card."""

    unit: str
    """Its name in the lease's marks."""

    @abstractmethod
    def close(self) -> None:
        """Cut it off the network, and see that it is."""

    @abstractmethod
    def refuse(self, order: LeaseOrder) -> None:
        """Refuse a lease that it cannot have, before anything is touched."""

    @abstractmethod
    def prepare(self, order: LeaseOrder, *, is_new: bool) -> None:
        """Set it up for the lease; closed if it is new to it, else as open as it is."""

    @abstractmethod
    def open(self, order: LeaseOrder) -> None:
        """Set it up for the lease, and open."""

    @abstractmethod
    def park(self) -> None:
        """Bring it into the state that it has between leases."""

    @abstractmethod
    def checks(self) -> list[Check]:
        """Compare all that a lease can change with the state between leases."""

    @abstractmethod
    def facts(self, order: LeaseOrder) -> dict[str, object]:
        """Return what the holder has to know of it; the same at each call."""


class VirtualFunction(Part):
    """A virtual function, set through its physical function."""

    def __init__(self, site: Site, vf: int) -> None:
        self.site, self.vf, self.unit = site, vf, f"vf{vf}"

    def refuse(self, order: LeaseOrder) -> None:
        """Refuse wishes beyond the site's, and an address that another function has."""
        mac = wishes.leased(self.site.settings, order, self.vf, link="disable").mac
        card = self.site.card()
        others = {function.mac for vf, function in card.functions.items() if vf != self.vf}
        if mac in others | {card.address}:
            raise DeviceRefused(f"Another function of “{card.name}” has the address {mac}. Choose another one.")

    def close(self) -> None:
        """Cut the link, park VLAN and address."""
        self._make(wishes.parked(self.site.settings, self.vf), topics=_CLOSED)

    def prepare(self, order: LeaseOrder, *, is_new: bool) -> None:
        """Set address, VLAN, rates and checks; the link stays as it is."""
        link = "disable"
        if not is_new:
            link = self._look()[1].link
        self._make(wishes.leased(self.site.settings, order, self.vf, link=link))

    def open(self, order: LeaseOrder) -> None:
        """Let the link come up."""
        link = self.site.settings.open_link
        self._make(wishes.leased(self.site.settings, order, self.vf, link=link))

    def park(self) -> None:
        """Set everything back."""
        self._make(wishes.parked(self.site.settings, self.vf), is_believed=True)

    def checks(self) -> list[Check]:
        """Compare each setting of the function with the one it has between leases."""
        wanted, now = wishes.parked(self.site.settings, self.vf), self._look()[1]
        return [self._check(name, getattr(wanted, name), getattr(now, name)) for name in _compared()]

    def facts(self, order: LeaseOrder) -> dict[str, object]:
        """Return addresses, VLAN and rates."""
        wanted = wishes.leased(self.site.settings, order, self.vf, link="disable")
        return {
            "function": self.unit,
            "pci": self.site.sysfs.pci_of(self.vf),
            "mac": wanted.mac,
            "vlan": wanted.vlan,
            "priority": wanted.priority,
            "min_rate_mbps": wanted.min_rate_mbps,
            "max_rate_mbps": wanted.max_rate_mbps,
            "trust": wanted.trust,
            "spoof_check": wanted.spoof_check,
        }

    def _look(self) -> tuple[Card, Function]:
        card = self.site.card()
        if self.vf not in card.functions:
            raise OutcomeUnknown(f"Function {self.vf} is gone from “{card.name}”; look at the card.")
        return card, card.functions[self.vf]

    def _make(self, wanted: Function, *, topics: Collection[str] = TOPICS, is_believed: bool = False) -> None:
        unreported = self.site.settings.unreported
        card, _ = self._look()
        set_up(self.site.route, card, self.vf, wanted, topics=topics, unreported=unreported)
        if is_believed:
            return
        now = self._look()[1]
        wrong = [
            f"{_shown(getattr(now, name))} instead of {_shown(getattr(wanted, name))} for {_title(name)}"
            for name in _compared()
            if topic_of(name) in topics
            and topic_of(name) not in unreported
            and getattr(now, name) != getattr(wanted, name)
        ]
        if wrong:
            raise OutcomeUnknown(
                f"The kernel said that function {self.vf} of “{card.name}” was set up, and shows "
                f"{'; '.join(wrong)}. If its driver never shows that, an operator has to list it under "
                "“What the driver does not report back”."
            )

    def _check(self, name: str, wanted: object, now: object) -> Check:
        told = topic_of(name) not in self.site.settings.unreported
        return Check(
            name=f"{_title(name)} of function {self.vf}",
            expected=_shown(wanted),
            found=_shown(now) if told else f"set to {_shown(wanted)}; the driver does not report it",
            passed=not told or now == wanted,
            method=_READ_BACK if told else "Set again; not seen, as the site's record of this driver says",
        )


class DevlinkPort(Part):
    """A port function, such as a subfunction: its address is set while it is inactive."""

    def __init__(self, site: Site, index: int) -> None:
        self.site, self.index, self.unit = site, index, f"port{index}"

    def refuse(self, order: LeaseOrder) -> None:
        """Refuse what only a virtual function can have, and a port that is not there."""
        self._look()
        chosen = wishes.parameters_of(order)
        if any(link.vlan is not None for link in order.links):
            raise DeviceRefused("A port function has no VLAN of its own: book it without links.")
        if chosen.trust or chosen.spoofing or chosen.priority or chosen.max_rate_mbps or chosen.min_rate_mbps:
            raise DeviceRefused("Of a port function only the hardware address can be chosen.")

    def close(self) -> None:
        """Make it inactive, which takes it from its driver, and park the address."""
        self._make(active=False, mac=park_address(self.site.settings.card, self.unit))

    def prepare(self, order: LeaseOrder, *, is_new: bool) -> None:
        """Give it the lease's address while it is inactive."""
        mac = wishes.address_for(self.site.settings, order, self.unit)
        self._make(active=not is_new and self._look().active, mac=mac)

    def open(self, order: LeaseOrder) -> None:
        """Make it active."""
        self._make(active=True, mac=wishes.address_for(self.site.settings, order, self.unit))

    def park(self) -> None:
        """Make it inactive with the address between leases."""
        self.close()

    def checks(self) -> list[Check]:
        """Compare state and address with those between leases."""
        now = self._look()
        mac = park_address(self.site.settings.card, self.unit)
        pairs = (
            ("State", "inactive", "active" if now.active else "inactive"),
            ("Driver", "detached", "attached" if now.attached else "detached"),
            ("Hardware address", mac, now.mac),
        )
        return [
            Check(
                name=f"{name} of port function {self.index}",
                expected=wanted,
                found=found,
                passed=found == wanted,
                method=_READ_BACK,
            )
            for name, wanted, found in pairs
        ]

    def facts(self, order: LeaseOrder) -> dict[str, object]:
        """Return the address."""
        return {"function": self.unit, "mac": wishes.address_for(self.site.settings, order, self.unit)}

    def _look(self) -> PortFunction:
        with self.site.devlink(self.site.card()) as devlink:
            return devlink.port_function(self.index)

    def _make(self, *, active: bool, mac: str) -> None:
        with self.site.devlink(self.site.card()) as devlink:
            now = devlink.port_function(self.index)
            if now.active and (not active or now.mac != mac):
                devlink.set_active(self.index, False)
                now = devlink.port_function(self.index)
            if now.mac != mac:
                devlink.set_address(self.index, mac)
            if active and not now.active:
                devlink.set_active(self.index, True)
            now = devlink.port_function(self.index)
        if (now.active, now.mac) != (active, mac):
            raise OutcomeUnknown(
                f"devlink said that port function {self.index} was set up, and shows it "
                f"{'active' if now.active else 'inactive'} with the address {now.mac}."
            )


def parts_of(site: Site, card: Card, *, only_existing: bool = False) -> Iterator[Part]:
    """Return what the settings name of the card; refuse what it has not, or leave it out."""
    if site.settings.port_function is not None:
        yield DevlinkPort(site, site.settings.port_function)
        return
    for vf in site.function_numbers(card, only_existing=only_existing):
        yield VirtualFunction(site, vf)


def _compared() -> list[str]:
    return [field.name for field in fields(Function) if field.compare]


def _title(name: str) -> str:
    return {"priority": "priority", "min_rate_mbps": "guaranteed rate", "max_rate_mbps": "highest rate"}.get(
        name, WORDS[topic_of(name)].removeprefix("the ")
    )


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)
