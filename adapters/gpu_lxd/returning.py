"""Cards that a stopped instance did not give back: how they are seen, and what is tried against it.

LXD and Incus are known for it: after a virtual machine has stopped, its card may stay with vfio-pci
(LXD issue 12128, Incus issue 30).
"""

import time
from collections.abc import Mapping

from adapters.contract import LeaseOrder
from adapters.errors import AdapterError, DeviceBusy
from adapters.gpu_lxd.client import LxdClient
from adapters.gpu_lxd.instance import Card, Instance
from adapters.gpu_lxd.settings import LxdSettings

_PAUSE_S = 0.2
_LONGEST_WAIT_S = 5.0


def kept_back(settings: LxdSettings, known: Mapping[str, Card]) -> tuple[str, ...]:
    """Return those of the wanted cards that are not with the host's own driver."""
    if settings.rests_on_vfio:
        return ()
    return tuple(pci for pci in settings.wanted_cards if pci in known and known[pci].is_passed_through)


def remedy_for(pci: str) -> str:
    """Return what an operator types on the LXD host to take a card back."""
    place = f"/sys/bus/pci/devices/{pci}"
    return (
        f"echo > {place}/driver_override; echo {pci} > /sys/bus/pci/drivers/vfio-pci/unbind; "
        f"echo {pci} > /sys/bus/pci/drivers_probe"
    )


def refuse_kept_back(settings: LxdSettings, order: LeaseOrder, known: Mapping[str, Card]) -> None:
    """Raise when a card is with vfio-pci although no instance that we see has it."""
    for pci in kept_back(settings, known):
        raise DeviceBusy(
            f"{order.target.name} is not on its host: {pci} is with vfio-pci, in a virtual machine that we do not see "
            f"or not given back by one. If none runs with it, type on the LXD host: {remedy_for(pci)}. "
            "If this host keeps its cards there always, say so in the settings."
        )


def take_back(client: LxdClient, settings: LxdSettings, mine: Instance) -> None:
    """Try to make a stopped virtual machine give its cards back, by what the API offers.

    It is started and stopped once more, without any network, since LXD hands cards back as it stops;
    then its cards are taken out of its record. What that does not mend is left to the proof.
    """
    if mine.type != "virtual-machine" or not _still_kept(client, settings):
        return
    try:
        cut = {
            name: {"type": "none"}
            for name, device in mine.devices.items()
            if device.get("type") in ("nic", "proxy")
        }
        client.patch(mine.name, {"devices": cut})
        client.start(mine.name)
        client.stop(mine.name)
    except AdapterError:
        # It cannot even start any more; taking the card out is all that is left to try.
        client.stop(mine.name)
    if _still_kept(client, settings):
        cards = {
            name: {"type": "none"}
            for name, device in mine.own_devices.items()
            if device.get("type") in ("gpu", "pci")
        }
        client.patch(mine.name, {"devices": cards})


def _still_kept(client: LxdClient, settings: LxdSettings) -> bool:
    deadline = time.monotonic() + min(settings.settle_s, _LONGEST_WAIT_S)
    while kept_back(settings, client.cards()):
        if time.monotonic() > deadline:
            return True
        time.sleep(_PAUSE_S)
    return False
