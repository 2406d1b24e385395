"""Restarting the Arm cores and waiting for it: a BMC says yes at once and does it later."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from adapters.errors import DeviceUnreachable
from adapters.smart_nic_bluefield.paths import RESET, SYSTEM
from adapters.smart_nic_bluefield.site import Site

BLIND_S = 90.0
"""How long a restart is given at a BMC that shows neither when it was nor how far it got."""
LONGEST_PAUSE_S = 5.0


def comes_true(question: Callable[[], bool], *, within_s: float) -> bool:
    """Ask until the answer is yes, or the time is over. A BMC that is out of reach is asked again."""
    deadline = time.monotonic() + within_s
    pause = 0.05
    while True:
        try:
            if question():
                return True
        except DeviceUnreachable:
            # It may be restarting itself; the last word has the caller, who looks once more.
            pass
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(pause, left))
        pause = min(pause * 2, LONGEST_PAUSE_S)


def is_up(system: Mapping[str, Any], *, with_system: bool) -> bool:
    """Say whether the Arm cores have power, and run their system if they should."""
    return system.get("PowerState") == "On" and (not with_system or _progress(system) in (None, "OSRunning"))


def restart_arm(site: Site, *, within_s: float) -> bool:
    """Restart the Arm cores; say whether they were seen to come back."""
    began_at = time.monotonic()
    with site.log_in() as bmc:
        before = bmc.read(SYSTEM).body
        bmc.post(RESET, {"ResetType": "ForceRestart"})
    # Where no system ran before, such as in NIC mode, none is waited for.
    with_system = _progress(before) == "OSRunning"
    began = False

    def has_begun(now: Mapping[str, Any]) -> bool:
        if "LastResetTime" in before:
            # Not the progress: it may still be that of the restart before.
            return bool(now.get("LastResetTime") != before["LastResetTime"])
        if with_system:
            return _progress(now) != "OSRunning"
        return time.monotonic() - began_at > BLIND_S

    def is_through() -> bool:
        nonlocal began
        with site.log_in() as bmc:
            now = bmc.read(SYSTEM).body
        began = began or has_begun(now)
        return began and is_up(now, with_system=with_system)

    return comes_true(is_through, within_s=within_s)


def switch_on(site: Site, *, within_s: float) -> bool:
    """Give the Arm cores power again; say whether they were seen to have it."""

    def is_on() -> bool:
        with site.log_in() as bmc:
            return bmc.read(SYSTEM).body.get("PowerState") == "On"

    with site.log_in() as bmc:
        if bmc.read(SYSTEM).body.get("PowerState") != "On":
            bmc.post(RESET, {"ResetType": "On"})
    return comes_true(is_on, within_s=within_s)


def _progress(system: Mapping[str, Any]) -> str | None:
    state = (system.get("BootProgress") or {}).get("LastState")
    return None if state is None else str(state)
