"""The instance of a lease: what is asked for when it is made, how it is kept up to date, how it is started."""

from datetime import UTC
from typing import Any

from adapters.contract import LeaseOrder
from adapters.contract.reading import read
from adapters.errors import DeviceBusy, DeviceRefused, InvalidSettings, OutcomeUnknown
from adapters.gpu_lxd import instance as tags
from adapters.gpu_lxd.client import LxdClient
from adapters.gpu_lxd.instance import Instance, name_for
from adapters.gpu_lxd.settings import GpuParameters, LxdSettings, ports_of
from adapters.gpu_lxd.ssh import forward, free_ports
from adapters.gpu_lxd.standing import Standing, mine_of, mine_or_unknown

_PORTS_TO_TRY = 8


def wish_for(settings: LxdSettings, order: LeaseOrder, now: Standing) -> dict[str, Any]:
    """Return the instance that LXD is asked for."""
    chosen = read(GpuParameters, order.parameters, "The choice").image or settings.image
    allowed = (settings.image, *settings.more_images)
    if chosen not in allowed:
        raise DeviceRefused(f"This site has no image “{chosen}”. It offers: {', '.join(allowed)}.")
    devices = {
        f"shary-gpu{number}": card_device(settings, pci) for number, pci in enumerate(settings.wanted_cards)
    }
    if settings.ssh_ports:
        devices[tags.SSH_DEVICE] = forward(settings, free_ports(settings, order, now.everyone)[0])
    return {
        "name": name_for(order),
        "type": settings.instance_type,
        "description": f"SHARY lease of {order.holder.username} for {order.holder.project}",
        "source": {"type": "image", "alias": chosen},
        "profiles": list(settings.profiles),
        "config": {
            tags.LEASE: order.lease_id,
            tags.EPOCH: str(order.epoch),
            tags.RESOURCE: order.target.resource_id,
            tags.ENDS_AT: order.ends_at.astimezone(UTC).isoformat(),
            tags.ACCESS: "closed",
        },
        "devices": devices,
    }


def limited(client: LxdClient, settings: LxdSettings, wish: dict[str, Any]) -> dict[str, Any]:
    """Return the wish with the limits of the site. A project with limits refuses an instance without them."""
    config, devices = dict(wish["config"]), dict(wish["devices"])
    if settings.limit_cpus:
        config["limits.cpu"] = str(settings.limit_cpus)
    if settings.limit_memory_gib:
        config["limits.memory"] = f"{settings.limit_memory_gib}GiB"
    if settings.limit_disk_gib:
        known = client.profile_devices(settings.profiles)
        roots = {name: device for name, device in known.items() if device.get("path") == "/"}
        if not roots:
            raise InvalidSettings(
                f"A limit of the disk needs a disk for “/” in the profiles ({', '.join(settings.profiles)})."
            )
        for name, device in roots.items():
            devices[name] = dict(device) | {"size": f"{settings.limit_disk_gib}GiB"}
    return wish | {"config": config, "devices": devices}


def card_device(settings: LxdSettings, pci: str) -> dict[str, str]:
    """Return the device by which an instance gets a card or a slice of it."""
    if settings.mig_uuid:
        return {"type": "gpu", "gputype": "mig", "pci": pci, "mig.uuid": settings.mig_uuid}
    return {"type": "gpu", "gputype": "physical", "pci": pci}


def bring_up_to_date(client: LxdClient, mine: Instance, order: LeaseOrder) -> Instance:
    """Write a new epoch or a new end into the tags."""
    wanted = {tags.EPOCH: str(order.epoch), tags.ENDS_AT: order.ends_at.astimezone(UTC).isoformat()}
    changed = {key: text for key, text in wanted.items() if mine.config.get(key) != text}
    if not changed:
        return mine
    client.patch(mine.name, {"config": changed})
    after = mine_of(client.instance(mine.name), order)
    if after is None or any(after.config.get(key) != text for key, text in changed.items()):
        raise OutcomeUnknown(f"LXD says that it changed {mine.label}, but does not show it.")
    return after


def clear_away(client: LxdClient, mine: Instance, order: LeaseOrder) -> Instance | None:
    """Delete what a daemon that died while it made an instance left: a record without files.

    A start that was on its way may end only now, and then the instance is whole: it is returned.
    """
    try:
        client.delete(mine.name)
    except DeviceRefused:
        now = mine_of(client.instance(mine.name), order)
        if now is None or now.never_ran:
            raise
        return now
    return None


def start(client: LxdClient, settings: LxdSettings, order: LeaseOrder, mine: Instance) -> Instance:
    """Start the instance where it is not running, and return it as it is then."""
    if mine.status != "Running":
        _start_on_a_free_port(client, settings, order, mine)
        after = mine_of(client.instance(mine.name), order)
        if after is None or after.status != "Running":
            raise OutcomeUnknown(f"LXD says that it started {mine.label}, but does not show it running.")
        mine = after
        if mine.type == "virtual-machine":
            client.await_agent(mine.name)
    return mine


def _start_on_a_free_port(client: LxdClient, settings: LxdSettings, order: LeaseOrder, mine: Instance) -> None:
    for _ in range(_PORTS_TO_TRY):
        try:
            return client.start(mine.name)
        except DeviceRefused as error:
            # Something on the host that LXD does not know of has the port: take the next one.
            if "address already in use" not in str(error) or not settings.ssh_ports:
                raise
            unlucky = mine.ssh_port or 0
            span = ports_of(settings.ssh_ports)
            free = free_ports(settings, order, client.instances())
            after = [port for port in free if port > unlucky] or [port for port in free if port in span]
            client.patch(mine.name, {"devices": {tags.SSH_DEVICE: forward(settings, after[0])}})
            mine = mine_or_unknown(client, order, settings)
    raise DeviceBusy(f"None of {_PORTS_TO_TRY} ports of {settings.ssh_ports} is free on the LXD host.")
