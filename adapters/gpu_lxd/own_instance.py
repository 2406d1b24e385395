"""Which instance of their own a holder names, and whether the site's operator lets them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from adapters.contract import Holder, LeaseOrder
from adapters.contract.reading import read
from adapters.errors import DeviceBusy, DeviceRefused, InvalidSettings
from adapters.gpu_lxd.instance import Instance
from adapters.gpu_lxd.settings import GpuParameters, LxdSettings

FOR_PROJECT = "user.shary.project"
"""The mark of an operator, on an LXD project or an instance: whose leases may come to it, by their project."""
FOR_HOLDER = "user.shary.holder"
"""The same by the holders' user names. Several names are separated by commas; one that fits is enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the holder's instance is."""

    project: str
    name: str

    def __str__(self) -> str:
        return f"{self.project}/{self.name}"

    def is_place_of(self, entry: Instance) -> bool:
        """Say whether the instance is the one that is named."""
        return (entry.project, entry.name) == (self.project, self.name)


def names_own_instance(order: LeaseOrder) -> bool:
    """Say whether the lease goes to an instance of the holder's own, not to a fresh one."""
    return bool(order.parameters.get("instance"))


def place_of(settings: LxdSettings, order: LeaseOrder) -> Place:
    """Return the instance that the lease names: “project/name”, FIGO's “project.name”, or “name”."""
    text: str = read(GpuParameters, order.parameters, "The choice").instance
    project, _, name = text.replace("/", ".").rpartition(".")
    return Place(project=project or settings.project, name=name)


def found_at(place: Place, everyone: Sequence[Instance]) -> Instance:
    """Return the named instance; raise when there is none that can be lent to."""
    found = next((entry for entry in everyone if place.is_place_of(entry)), None)
    if found is None:
        raise DeviceRefused(
            f"SHARY sees no instance {place} on the LXD server. Write it as project/name, as "
            "“lxc list --all-projects” shows it; or let the site's operator give SHARY rights in its project."
        )
    if found.name.startswith("shary-"):
        raise DeviceRefused(f"{place} is a machine that SHARY made for a lease; name an instance of your own.")
    return found


def refuse_strangers(found: Instance, marks: Mapping[str, str], holder: Holder) -> None:
    """Raise unless the operator has tied the instance, or its LXD project, to the holder or their project."""
    for mark in (found.config, marks):
        if holder.project in _names(mark, FOR_PROJECT) or holder.username in _names(mark, FOR_HOLDER):
            return
    raise DeviceRefused(
        f"{found.label} is not marked for the project “{holder.project}” or for {holder.username}. The site's "
        f"operator can type “lxc project set {found.project} {FOR_PROJECT}={holder.project}” for all instances "
        f"of the LXD project, or “lxc config set {found.name} {FOR_HOLDER}={holder.username} --project "
        f"{found.project}” for this one."
    )


def refuse_type(found: Instance, settings: LxdSettings) -> None:
    """Raise when the site does not lend its cards to instances like this one."""
    if settings.own_instances not in ("any", found.type):
        wanted = "fresh machines" if settings.own_instances == "none" else f"{settings.own_instances}s"
        raise DeviceRefused(f"This site lends its cards to {wanted} only, and {found.label} is a {found.type}.")
    if settings.mig_uuid and found.type != "container":
        raise DeviceRefused(
            f"{found.label} is a {found.type}, and LXD gives MIG slices to containers only: name a container."
        )


def refuse_other_lease(found: Instance, order: LeaseOrder) -> None:
    """Raise when the instance carries another lease, or this one in a later epoch."""
    if found.lease and found.lease != order.lease_id:
        raise DeviceBusy(
            f"{found.label} carries the lease {found.lease}, and an instance can carry one at a time: "
            "book the card for a time after that lease, or for another instance."
        )
    if found.lease and found.epoch is not None and found.epoch > order.epoch:
        raise DeviceBusy(f"{found.label} is of epoch {found.epoch}; this order, {order.epoch}, is stale.")


def refuse_no_cards(settings: LxdSettings, order: LeaseOrder) -> None:
    """Raise when the resource stands for no card at all."""
    if not settings.wanted_cards:
        raise InvalidSettings(
            f"{order.target.name} has no cards: give “pci” for one card, or “cards” for a whole host."
        )


def _names(marks: Mapping[str, str], key: str) -> set[str]:
    return {name.strip() for name in marks.get(key, "").split(",")} - {""}
