"""What LXD says about an instance: whose it is, and which cards it holds."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from adapters.contract import LeaseOrder
from adapters.gpu_lxd.settings import is_instance_name
from adapters.pci import normal_form

LEASE = "user.shary.lease"
EPOCH = "user.shary.epoch"
RESOURCE = "user.shary.resource"
ENDS_AT = "user.shary.ends_at"
ACCESS = "user.shary.access"
"""`open` or `closed`; absent on an instance whose keys were never written."""

SSH_DEVICE = "shary-ssh"


def name_for(order: LeaseOrder) -> str:
    """Return the one name that the lease's instance can have."""
    if len(order.tag) <= 63 and is_instance_name(order.tag):
        return order.tag
    return f"shary-{hashlib.sha256(order.lease_id.encode()).hexdigest()[:40]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A graphics card as `/1.0/resources` lists it."""

    pci: str
    model: str
    uuid: str = ""
    driver: str = ""
    drm_id: str = ""
    vendor_id: str = ""
    product_id: str = ""

    @property
    def is_passed_through(self) -> bool:
        """Say whether the card is in the hands of a virtual machine."""
        return self.driver == "vfio-pci"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """An instance as LXD lists it, with what its profiles add."""

    name: str
    project: str
    status: str
    type: str
    config: Mapping[str, str] = field(default_factory=dict)
    devices: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    own_devices: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The devices of the instance itself, without those of its profiles."""

    @classmethod
    def read(cls, answer: Mapping[str, Any]) -> "Instance":
        """Return the instance that an answer of LXD describes."""
        return cls(
            name=answer["name"],
            project=answer.get("project") or "default",
            status=answer.get("status") or "",
            type=answer.get("type") or "container",
            config=answer.get("config") or {},
            devices=answer.get("expanded_devices") or answer.get("devices") or {},
            own_devices=answer.get("devices") or {},
        )

    @property
    def lease(self) -> str | None:
        """Return the lease in its tags; None when it is none of ours."""
        return self.config.get(LEASE) or None

    @property
    def epoch(self) -> int | None:
        """Return the epoch in its tags."""
        text = self.config.get(EPOCH, "")
        return int(text) if text.isdecimal() else None

    @property
    def is_running(self) -> bool:
        """Say whether it may use its devices: anything but stopped may."""
        return self.status != "Stopped"

    @property
    def never_ran(self) -> bool:
        """Say whether it was made and not started since: nothing of a holder can be in it."""
        return self.status == "Stopped" and "volatile.last_state.power" not in self.config

    @property
    def label(self) -> str:
        """Return how to call it in words for people."""
        return f"{self.project}/{self.name}"

    @property
    def ssh_port(self) -> int | None:
        """Return the port of the LXD host that leads to its sshd."""
        listen = self.own_devices.get(SSH_DEVICE, {}).get("listen", "")
        port = listen.rpartition(":")[2]
        return int(port) if port.isdecimal() else None

    def cards_held(self, wanted: Sequence[str], known: Mapping[str, Card], mig_uuid: str | None) -> set[str]:
        """Return those of the wanted cards that the instance's devices name.

        A card can be named by address in several spellings, by the number of its DRM node, by
        vendor and product, or not at all: then a container gets every card of the host.
        """
        return {
            pci
            for pci in wanted
            for device in self.devices.values()
            if _names(device, pci, known.get(pci), mig_uuid)
        }

    @property
    def names_cards_loosely(self) -> bool:
        """Say whether only the list of the host's cards tells which of them it has."""
        return any(device.get("type") == "gpu" and not device.get("pci") for device in self.devices.values())

    def ports_taken(self) -> set[int]:
        """Return the ports of the LXD host that its proxy devices listen on."""
        taken: set[int] = set()
        for device in self.devices.values():
            port = device.get("listen", "").rpartition(":")[2]
            if device.get("type") == "proxy" and port.isdecimal():
                taken.add(int(port))
        return taken


def _names(device: Mapping[str, str], pci: str, card: Card | None, mig_uuid: str | None) -> bool:
    if device.get("type") == "pci":
        return _same_address(device.get("address", ""), pci)
    if device.get("type") != "gpu":
        return False
    theirs = device.get("mig.uuid")
    if mig_uuid and theirs and theirs.removeprefix("MIG-") != mig_uuid.removeprefix("MIG-"):
        # Two slices of one card do not exclude each other.
        return False
    if device.get("pci"):
        return _same_address(device["pci"], pci)
    if card is None:
        return not device.get("id") and not device.get("vendorid")
    return (
        device.get("id", card.drm_id) == card.drm_id
        and device.get("vendorid", card.vendor_id) == card.vendor_id
        and device.get("productid", card.product_id) == card.product_id
    )


def _same_address(written: str, pci: str) -> bool:
    try:
        return normal_form(written) == pci
    except ValueError:
        return False
