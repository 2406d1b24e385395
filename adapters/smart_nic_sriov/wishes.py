"""How a lease wants its functions: what the holder chose, within what the site allows."""

import re

from pydantic import TypeAdapter, ValidationError

from adapters.contract import LeaseOrder
from adapters.errors import DeviceRefused, InvalidSettings
from adapters.smart_nic_sriov.links import Function
from adapters.smart_nic_sriov.mark import lease_address, park_address
from adapters.smart_nic_sriov.settings import Parameters, Settings, ranges_of

_NAMES_A_FUNCTION = re.compile(r"vf(\d+)$", re.IGNORECASE)


def parameters_of(order: LeaseOrder) -> Parameters:
    """Return what the holder chose; raise `InvalidSettings` when it fits no form."""
    try:
        return TypeAdapter(Parameters).validate_python(dict(order.parameters))
    except ValidationError as error:
        raise InvalidSettings(f"The parameters of lease {order.lease_id} cannot work: {error}") from error


def leased(settings: Settings, order: LeaseOrder, vf: int, *, link: str) -> Function:
    """Return how a virtual function is to be during the lease."""
    wishes = parameters_of(order)
    _refuse_too_much(settings, wishes)
    cap = settings.max_rate_mbps
    return Function(
        mac=address_for(settings, order, f"vf{vf}", is_first=vf == (settings.vf or 0)),
        vlan=_vlan_of(settings, order, vf),
        priority=wishes.priority if _vlan_of(settings, order, vf) else 0,
        min_rate_mbps=wishes.min_rate_mbps,
        max_rate_mbps=wishes.max_rate_mbps or cap,
        spoof_check=not wishes.spoofing,
        trust=wishes.trust,
        query_rss=False,
        link=link,
    )


def address_for(settings: Settings, order: LeaseOrder, unit: str, *, is_first: bool = True) -> str:
    """Return the hardware address of a function for the lease."""
    wish = parameters_of(order).mac
    return wish if wish and is_first else lease_address(order.lease_id, unit)


def parked(settings: Settings, vf: int) -> Function:
    """Return how a virtual function is between leases."""
    return Function(
        mac=park_address(settings.card, f"vf{vf}"),
        vlan=settings.park_vlan,
        priority=0,
        min_rate_mbps=0,
        max_rate_mbps=0,
        spoof_check=True,
        trust=False,
        query_rss=False,
        link="disable",
    )


def _refuse_too_much(settings: Settings, wishes: Parameters) -> None:
    if wishes.trust and not settings.allow_trust:
        raise DeviceRefused("This site trusts no holder's function: leave “Trust” off.")
    if wishes.spoofing and not settings.allow_spoofing:
        raise DeviceRefused("This site checks the source addresses of all functions: leave that on.")
    cap = settings.max_rate_mbps
    if cap and wishes.max_rate_mbps > cap:
        raise DeviceRefused(f"This site lends at most {cap} Mbit/s; {wishes.max_rate_mbps} are wanted.")
    if wishes.min_rate_mbps > settings.guaranteed_rate_mbps:
        raise DeviceRefused(
            f"This site guarantees at most {settings.guaranteed_rate_mbps} Mbit/s; "
            f"{wishes.min_rate_mbps} are wanted."
        )
    highest = wishes.max_rate_mbps or cap
    if highest and wishes.min_rate_mbps > highest:
        raise DeviceRefused(
            f"{wishes.min_rate_mbps} Mbit/s cannot be guaranteed where {highest} Mbit/s are the most."
        )


def _vlan_of(settings: Settings, order: LeaseOrder, vf: int) -> int:
    vlans = set()
    for link in order.links:
        named = _NAMES_A_FUNCTION.search(link.port)
        # A part has one function, whatever the site calls its port; of a whole card the port says which.
        if link.vlan is not None and (settings.vf is not None or named is None or int(named[1]) == vf):
            vlans.add(link.vlan)
    if len(vlans) > 1:
        words = ", ".join(map(str, sorted(vlans)))
        raise DeviceRefused(f"A function has one VLAN, and the reservation's links have several: {words}.")
    if not vlans:
        return settings.vlan
    (vlan,) = vlans
    if vlan == settings.park_vlan or not any(
        lowest <= vlan <= highest for lowest, highest in ranges_of(settings.vlan_ranges)
    ):
        raise DeviceRefused(
            f"This site puts no lease into VLAN {vlan}: it allows {settings.vlan_ranges}, "
            f"without {settings.park_vlan}."
        )
    return vlan
