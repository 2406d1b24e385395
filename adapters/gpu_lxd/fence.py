"""The network of a lease: rules that let ssh in and keep the holder out of the site's inner networks.

LXD's rules (network ACLs) hang on the network card of an instance only where the network is OVN's; on
a bridge they hang on the bridge. So a lease has its own card in the site's OVN network, or its own bridge.
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from adapters.contract import Check, LeaseOrder
from adapters.errors import DeviceRefused, InvalidSettings
from adapters.gpu_lxd.client import LxdClient
from adapters.gpu_lxd.instance import name_for
from adapters.gpu_lxd.settings import LxdSettings

NIC = "eth0"


def bridge_for(order: LeaseOrder) -> str:
    """Return the one name that the lease's bridge can have; the kernel takes 15 characters."""
    return f"shy{hashlib.sha256(order.lease_id.encode()).hexdigest()[:12]}"


def rules_for(settings: LxdSettings, order: LeaseOrder) -> dict[str, Any]:
    """Return the rules of the lease as LXD wants them. What no rule allows is refused."""
    barred = [
        {"action": "reject", "destination": network, "state": "enabled"} for network in settings.barred_networks
    ]
    ssh = {"action": "allow", "protocol": "tcp", "destination_port": "22", "state": "enabled"}
    return {
        "name": name_for(order),
        "description": _label(order),
        "ingress": [ssh],
        # LXD looks at what is refused before it looks at what is allowed.
        "egress": [*barred, {"action": "allow", "state": "enabled"}],
    }


def build(client: LxdClient, settings: LxdSettings, order: LeaseOrder) -> dict[str, dict[str, str]]:
    """Make the rules and the network of the lease; return the devices that put an instance into it."""
    if settings.network == "profiles":
        return {}
    rules = rules_for(settings, order)
    client.make("network-acls", rules)
    _refuse_others(client, f"network-acls/{rules['name']}", order)
    if settings.network == "own":
        bridge = bridge_for(order)
        config = {
            "ipv4.address": "auto",
            "ipv4.nat": "true",
            "ipv6.address": "none",
            "security.acls": rules["name"],
        }
        client.make(
            "networks", {"name": bridge, "type": "bridge", "description": _label(order), "config": config}
        )
        _refuse_others(client, f"networks/{bridge}", order)
        card = {"type": "nic", "name": NIC, "network": bridge}
    else:
        card = {
            "type": "nic",
            "name": NIC,
            "network": settings.ovn_network or "",
            "security.acls": rules["name"],
        }
    # The cards that the profiles bring would lead around the rules.
    others = {
        name: {"type": "none"}
        for name, device in client.profile_devices(settings.profiles).items()
        if device.get("type") == "nic"
    }
    return others | {NIC: card}


def tear_down(client: LxdClient, settings: LxdSettings, order: LeaseOrder) -> None:
    """Delete the network and the rules of the lease. The instance is gone by then."""
    if settings.network == "profiles":
        return
    for place in (f"networks/{bridge_for(order)}", f"network-acls/{name_for(order)}"):
        found = client.entry(place)
        if found is not None and _is_ours(found, order):
            client.drop(place)


def checks_of_network(client: LxdClient, settings: LxdSettings, order: LeaseOrder) -> Iterator[Check]:
    """Look whether the network or the rules of the lease are still there."""
    if settings.network == "profiles":
        return
    places = {"rules of the network": f"network-acls/{name_for(order)}"}
    if settings.network == "own":
        places["bridge"] = f"networks/{bridge_for(order)}"
    for name, place in places.items():
        found = client.entry(place)
        yield Check(
            name=name,
            expected="absent",
            found="absent" if found is None else "there",
            passed=found is None,
            method=f"GET /1.0/{place} on a new connection",
        )


def _label(order: LeaseOrder) -> str:
    # LXD hides the configuration of a network from a restricted certificate, but not its description.
    return f"SHARY lease {order.lease_id}"


def _is_ours(found: Mapping[str, Any], order: LeaseOrder) -> bool:
    return found.get("description") == _label(order)


def _refuse_others(client: LxdClient, place: str, order: LeaseOrder) -> None:
    found = client.entry(place)
    if found is None:
        raise InvalidSettings(
            f"LXD made {place} and does not show it to our certificate: it needs a right to the project's networks."
        )
    if not _is_ours(found, order):
        raise DeviceRefused(
            f"There is something called {place} on the server that is not this lease's. "
            "It is left alone; its owner has to rename or delete it."
        )
