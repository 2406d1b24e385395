"""Changing the card's mode: asked for at the BMC, two restarts of the Arm cores, a power cycle of the host."""

import time

from adapters.contract import LeaseOrder
from adapters.errors import DeviceBusy, DeviceRefused
from adapters.smart_nic_bluefield.client import Bmc
from adapters.smart_nic_bluefield.paths import OEM, SYSTEM, WAITING
from adapters.smart_nic_bluefield.restart import comes_true, is_up, restart_arm
from adapters.smart_nic_bluefield.settings import CardMode, Mode, Settings, card_mode
from adapters.smart_nic_bluefield.site import Site


def refuse_unoffered(settings: Settings, wanted: Mode, order: LeaseOrder) -> None:
    """Refuse a mode that the site does not offer on this card."""
    if wanted not in settings.offered:
        raise DeviceRefused(
            f"“{order.target.name}” is offered in {', '.join(settings.offered)}, and you rely on {wanted}. "
            "Ask the site's operators, or book a card that has it."
        )


def refuse_unchangeable(settings: Settings, now: str, wanted: Mode, order: LeaseOrder) -> None:
    """Refuse a change that the site does not make by itself; changes nothing, and says what is pending."""
    name, change = order.target.name, f"is in {now}, and the lease relies on {wanted}"
    if settings.mode_changes == "never":
        raise DeviceRefused(
            f"“{name}” {change}. Changing it needs the host's power to be cycled: ask the site's operators, "
            "or book a card in that mode."
        )
    if settings.mode_changes == "operator":
        raise DeviceBusy(
            f"Pending: “{name}” {change}. An operator has to set {card_mode(wanted)} at the BMC, restart the Arm "
            "cores twice and cycle the power of the host. The lease starts once the BMC shows the mode, and "
            "not before."
        )


def change(site: Site, wanted: CardMode) -> bool:
    """Change the mode; say whether the BMC showed it in time."""
    settings = site.settings
    deadline = time.monotonic() + settings.mode_change_minutes * 60
    with site.log_in() as bmc:
        ask_for(bmc, settings, wanted)
    for _ in range(2):
        restart_arm(site, within_s=min(settings.restart_minutes * 60, deadline - time.monotonic()))
    _cycle_host_power(site, within_s=deadline - time.monotonic())

    def shows_it() -> bool:
        with site.log_in() as bmc:
            return bmc.read(OEM).body.get("Mode") == wanted and is_up(
                bmc.read(SYSTEM).body, with_system=wanted == "DpuMode"
            )

    return comes_true(shows_it, within_s=deadline - time.monotonic())


def ask_for(bmc: Bmc, settings: Settings, wanted: CardMode) -> None:
    """Leave the wish at the BMC, where it waits for restarts and a power cycle."""
    if settings.generation == 3:
        bmc.post(f"{OEM}/Actions/Mode.Set", {"Mode": wanted})
    else:
        bmc.patch(bmc.read(WAITING), {"Attributes": {"NicMode": wanted}})


def pending(order: LeaseOrder, settings: Settings, wanted: Mode) -> DeviceRefused:
    """Say that the change was made and does not show."""
    return DeviceRefused(
        f"Pending: “{order.target.name}” was told to go into {wanted}, its Arm cores were restarted twice and its "
        f"host's power was cycled, and after {settings.mode_change_minutes} minutes the BMC does not show it. "
        "An operator has to look at the host."
    )


def _cycle_host_power(site: Site, *, within_s: float) -> None:
    path = site.settings.host_system

    def has_power(state: str) -> bool:
        with site.log_in_at_host() as host:
            return host.read(path).body.get("PowerState") == state

    with site.log_in_at_host() as host:
        action = (host.read(path).body.get("Actions") or {}).get("#ComputerSystem.Reset") or {}
        reset = str(action.get("target") or f"{path}/Actions/ComputerSystem.Reset")
        kinds = action.get("ResetType@Redfish.AllowableValues")
        cycles = kinds is None or "PowerCycle" in kinds
        host.post(reset, {"ResetType": "PowerCycle" if cycles else "ForceOff"})
    if not cycles:
        # Not every vendor has a power cycle: off, seen to be off, and on again does the same.
        comes_true(lambda: has_power("Off"), within_s=within_s / 2)
        with site.log_in_at_host() as host:
            host.post(reset, {"ResetType": "On"})
    comes_true(lambda: has_power("On"), within_s=within_s / 2)
