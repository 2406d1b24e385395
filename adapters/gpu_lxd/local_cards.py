"""What can be done with cards where the worker runs on their host: put back, cut into slices."""

from collections.abc import Sequence
from contextlib import suppress

from adapters.contract import FoundDevice
from adapters.errors import DeviceBusy, DeviceRefused, InvalidSettings
from adapters.gpu_lxd.client import LxdClient
from adapters.gpu_lxd.inventory import found_card
from adapters.gpu_lxd.settings import LxdSettings
from adapters.gpu_lxd.standing import users_of
from adapters.nvml import NvmlUnavailable, card_at, reshape, restore_baseline


def put_back(pci: str, settings: LxdSettings) -> None:
    """Put back what a lease may have changed on the card; what cannot be, the next look will show."""
    baseline = settings.baseline_of(pci)
    if baseline is not None:
        with suppress(NvmlUnavailable):
            restore_baseline(pci, baseline)


def cut(client: LxdClient, settings: LxdSettings, name: str, geometry: Sequence[str]) -> FoundDevice:
    """Cut the card into slices of these profiles, or make it whole, and return it with its slices."""
    if not settings.nvml_is_local:
        raise DeviceRefused(
            f"{name} can only be cut by a worker on its own host. Run one there and set “Worker runs on this host”."
        )
    if settings.pci is None or settings.mig_uuid is not None:
        raise InvalidSettings(f"{name} is not one card: only a whole card can be cut into slices.")
    everyone, known = client.instances(), client.cards()
    card = known.get(settings.pci)
    if card is None:
        raise InvalidSettings(f"The LXD host has no card at {settings.pci}.")
    users = ", ".join(user.label for user in users_of(settings, everyone, known))
    if users:
        raise DeviceBusy(f"{name} cannot be cut: {users} has the card or a slice of it. Nothing was changed.")
    if card.is_passed_through:
        raise DeviceBusy(
            f"{name} cannot be cut: the card is with vfio-pci, where NVIDIA's driver cannot reach it."
        )
    reshape(settings.pci, geometry)
    return found_card(card, card_at(settings.pci))
