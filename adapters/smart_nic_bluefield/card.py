"""A BlueField as its BMC shows it: where things are, how they are set back, how they are checked."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from adapters.contract import Check
from adapters.smart_nic_bluefield.client import SESSIONS, Bmc, Found
from adapters.smart_nic_bluefield.lease import PREFIX
from adapters.smart_nic_bluefield.settings import Settings

SYSTEM = "/redfish/v1/Systems/Bluefield"
OEM = f"{SYSTEM}/Oem/Nvidia"
BIOS = f"{SYSTEM}/Bios"
WAITING = f"{SYSTEM}/Bios/Settings"
CHASSIS = "/redfish/v1/Chassis/Card1"
NETWORK = f"{CHASSIS}/NetworkAdapters/NvidiaNetworkAdapter"
PRIVILEGE = f"{NETWORK}/Oem/Nvidia/HostPrivilegeConfig"
FIRMWARE = "/redfish/v1/UpdateService/FirmwareInventory/BMC_Firmware"
SUBSCRIPTIONS = "/redfish/v1/EventService/Subscriptions"
ACCOUNTS = "/redfish/v1/AccountService/Accounts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """All that was read of a card in one go."""

    system: Found
    oem: Found
    bios: Found
    waiting: Found
    privilege: Found | None
    """Only newer firmware has it; older keeps the privilege in the BIOS."""
    firmware: str

    @property
    def asset_tag(self) -> str:
        """The tag, which names the lease."""
        return str(self.system.body.get("AssetTag") or "")

    @property
    def mode(self) -> str:
        """The mode that the card is in now."""
        return str(self.oem.body.get("Mode", "unknown"))

    @property
    def boot_override(self) -> str:
        """What the next boot is told to do instead of the usual."""
        return str(self.system.body.get("Boot", {}).get("BootSourceOverrideEnabled", "unknown"))

    @property
    def power(self) -> str:
        """Whether the Arm cores have power."""
        return str(self.system.body.get("PowerState", "unknown"))

    @property
    def attributes(self) -> dict[str, Any]:
        """The BIOS attributes in force."""
        return dict(self.bios.body.get("Attributes") or {})

    @property
    def changes_waiting(self) -> dict[str, Any]:
        """The BIOS attributes that the next reboot would change."""
        now = self.attributes
        waiting = self.waiting.body.get("Attributes") or {}
        return {name: value for name, value in waiting.items() if now.get(name) != value}

    @property
    def host_privilege(self) -> str:
        """What the host may do with the card."""
        if self.privilege is not None:
            return str(self.privilege.body.get("PrivilegeMode", "unknown"))
        return str(self.attributes.get("HostPrivilegeLevel", "unknown"))

    def bios_wishes(self, settings: Settings) -> dict[str, Any]:
        """Return the BIOS attributes that the site wants and the card has not."""
        wanted: dict[str, Any] = dict(settings.bios)
        if self.privilege is None:
            wanted["HostPrivilegeLevel"] = settings.host_privilege
        now = self.attributes
        return {name: value for name, value in wanted.items() if now.get(name) != value}


def look(bmc: Bmc) -> Sight:
    """Read the card; changes nothing."""
    firmware = bmc.find(FIRMWARE)
    return Sight(
        system=bmc.read(SYSTEM),
        oem=bmc.read(OEM),
        bios=bmc.read(BIOS),
        waiting=bmc.read(WAITING),
        privilege=bmc.find(PRIVILEGE),
        firmware="" if firmware is None else str(firmware.body.get("Version", "")),
    )


def lease_accounts(bmc: Bmc) -> set[str]:
    """Return the user names that belong to leases, of whichever."""
    links = bmc.read(ACCOUNTS).body.get("Members", [])
    names = {str(link["@odata.id"]).rsplit("/", 1)[-1] for link in links}
    return {name for name in names if name.startswith(PREFIX)}


def sessions_of(bmc: Bmc, names: set[str]) -> Iterator[Found]:
    """Return the open sessions of these users."""
    for session in bmc.members(SESSIONS):
        if session.body.get("UserName") in names:
            yield session


def foreign_subscriptions(bmc: Bmc, settings: Settings) -> list[Found]:
    """Return the subscriptions by which a holder would go on hearing from the card."""
    if bmc.find(SUBSCRIPTIONS) is None:
        return []
    allowed = settings.event_destinations
    return [found for found in bmc.members(SUBSCRIPTIONS) if found.body.get("Destination") not in allowed]


def set_back(bmc: Bmc, settings: Settings) -> None:
    """Bring the card to the state that the site wants between leases; does nothing to what is in it."""
    for subscription in foreign_subscriptions(bmc, settings):
        bmc.delete(subscription.path)
    sight = look(bmc)
    if sight.boot_override != "Disabled":
        bmc.patch(sight.system, {"Boot": {"BootSourceOverrideEnabled": "Disabled"}})
    undone = {name: sight.attributes[name] for name in sight.changes_waiting if name in sight.attributes}
    wishes = undone | sight.bios_wishes(settings)
    if settings.generation == 3:
        if sight.mode != settings.mode or "NicMode" in undone:
            bmc.post(f"{OEM}/Actions/Mode.Set", {"Mode": settings.mode})
        wishes.pop("NicMode", None)
        if sight.oem.body.get("HostRshim") != settings.host_rshim:
            bmc.post(f"{OEM}/Actions/HostRshim.Set", {"HostRshim": settings.host_rshim})
    elif sight.mode != settings.mode:
        wishes["NicMode"] = settings.mode
    if sight.privilege is not None and sight.host_privilege != settings.host_privilege:
        bmc.patch(sight.privilege, {"PrivilegeMode": settings.host_privilege})
    if wishes:
        bmc.patch(bmc.read(WAITING), {"Attributes": wishes})
    if sight.bios_wishes(settings):
        # BIOS attributes take effect when the Arm cores restart; nobody holds the card any more.
        bmc.post(f"{SYSTEM}/Actions/ComputerSystem.Reset", {"ResetType": "ForceRestart"})
    elif sight.power != "On":
        bmc.post(f"{SYSTEM}/Actions/ComputerSystem.Reset", {"ResetType": "On"})


def checks_of(bmc: Bmc, settings: Settings) -> list[Check]:
    """Look whether anything of a holder is left, apart from the tag."""
    sight = look(bmc)
    accounts = lease_accounts(bmc)
    sessions = [s for s in bmc.members(SESSIONS) if str(s.body.get("UserName", "")).startswith(PREFIX)]
    told = sorted(str(found.body.get("Destination")) for found in foreign_subscriptions(bmc, settings))
    checks = [
        _check("Nobody else is sent events", "", ", ".join(told), SUBSCRIPTIONS),
        _check("No account of a lease", "", ", ".join(sorted(accounts)), ACCOUNTS),
        _check("No session of a lease", "0", str(len(sessions)), SESSIONS),
        _check("Mode", settings.mode, sight.mode, OEM),
        _check("Nothing waits for a reboot", "", ", ".join(sorted(sight.changes_waiting)), WAITING),
        _check("Privilege of the host", settings.host_privilege, sight.host_privilege, PRIVILEGE),
        _check("Boot override", "Disabled", sight.boot_override, SYSTEM),
        _check("Power of the Arm cores", "On", sight.power, SYSTEM),
    ]
    if settings.generation == 3:
        rshim = str(sight.oem.body.get("HostRshim", "unknown"))
        checks.append(_check("RShim of the host", settings.host_rshim, rshim, OEM))
    checks += [
        _check(f"BIOS attribute {name}", str(value), str(sight.attributes.get(name, "unknown")), BIOS)
        for name, value in sorted(settings.bios.items())
    ]
    if settings.firmware:
        checks.append(_check("Firmware of the BMC", settings.firmware, sight.firmware, FIRMWARE))
    return checks


def tag_check(bmc: Bmc, settings: Settings) -> Check:
    """Look whether the tag is the site's again."""
    tag = str(bmc.read(SYSTEM).body.get("AssetTag") or "")
    return _check("Asset tag", settings.asset_tag, tag, SYSTEM)


def _check(name: str, expected: str, found: str, path: str) -> Check:
    return Check(
        name=name,
        expected=expected or "none",
        found=found or "none",
        passed=found == expected,
        method=f"GET {path} in a session of its own, opened after the cleaning",
    )
