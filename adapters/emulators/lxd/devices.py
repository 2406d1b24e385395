"""Which devices the daemon takes, and which of them it can start."""

from collections.abc import Collection, Mapping, Sequence

from adapters.emulators.lxd.nouns import Devices, HostCard, Instance, Network, cards_named
from adapters.emulators.lxd.refusal import Refusal
from adapters.pci import normal_form

_TYPES = {"none", "nic", "disk", "unix-char", "unix-block", "unix-hotplug"} | {
    "usb",
    "gpu",
    "infiniband",
    "proxy",
    "tpm",
    "pci",
}


def check_devices(instance: Instance, before: str = "") -> None:
    """Refuse devices of unknown types, and those that the instance's type cannot have."""
    for name, device in instance.devices.items():
        kind, mode = device.get("type", ""), device.get("gputype", "physical")
        if kind not in _TYPES:
            raise Refusal(400, f"{before}Invalid device type {kind}")
        only_for = {"mdev": "virtual-machine", "sriov": "virtual-machine", "mig": "container"}.get(mode)
        if kind == "gpu" and only_for not in (None, instance.type):
            raise Refusal(
                400,
                f"{before}Failed initialising instance: Invalid devices: "
                f'Device validation failed for "{name}": Unsupported device type',
            )


def check_networks(devices: Devices, networks: Mapping[str, Network], before: str = "") -> None:
    """Refuse a network card in a network that is not there, and rules on one where LXD has them elsewhere."""
    for name, device in devices.items():
        if device.get("type") != "nic" or "network" not in device:
            continue
        failed = (
            f'{before}Failed initialising instance: Invalid devices: Device validation failed for "{name}": '
        )
        network = networks.get(device["network"])
        if network is None:
            raise Refusal(
                400,
                f'{failed}Failed loading device "{name}": Failed to load network "{device["network"]}" '
                'for project "default": Network not found',
            )
        if network.type == "bridge" and "security.acls" in device:
            raise Refusal(400, f'{failed}Invalid device option "security.acls"')


def check_card(
    instance: Instance,
    name: str,
    device: dict[str, str],
    cards: Sequence[HostCard],
    taken: Collection[str],
    *,
    status: int = 400,
) -> None:
    """Refuse a card that is not there, and one that another virtual machine has."""
    if device.get("type") != "gpu":
        return
    chosen = cards_named(device, list(cards))
    failed = f'Failed to start device "{name}": '
    if not chosen and device.get("pci"):
        address = normal_form(device["pci"])
        raise Refusal(status, f"{failed}Invalid PCI address (no device found): {address}")
    if not chosen:
        raise Refusal(status, f"{failed}Failed to detect requested GPU device")
    # Two containers may share a card, and LXD says nothing; the kernel lends it to one machine only.
    if instance.type == "virtual-machine" and any(card.pci in taken for card in chosen):
        raise Refusal(status, f"{failed}vfio {chosen[0].pci}: Device or resource busy")
