"""A BlueField as its BMC shows it: what is read of it, how it is set, how it is checked."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from adapters.contract import Check
from adapters.smart_nic_bluefield import mode as modes
from adapters.smart_nic_bluefield.client import SESSIONS, Bmc, Found
from adapters.smart_nic_bluefield.lease import PREFIX, RECORD
from adapters.smart_nic_bluefield.paths import ACCOUNTS, BIOS, FIRMWARE, OEM, SUBSCRIPTIONS, SYSTEM, WAITING
from adapters.smart_nic_bluefield.privileges import ATTRIBUTE, HostPrivilege, read_privilege
from adapters.smart_nic_bluefield.settings import Privilege, Settings, Switch


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """All that was read of a card in one go."""

    system: Found
    oem: Found
    bios: Found
    waiting: Found
    privilege: HostPrivilege
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
    def rshim(self) -> str | None:
        """Whether the host has an RShim to the card; None where the BMC has no switch for it."""
        value = self.oem.body.get("HostRshim")
        return None if value is None else str(value)

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
        """What the next restart would change."""
        now = self.attributes
        waiting = self.waiting.body.get("Attributes") or {}
        changes = {name: value for name, value in waiting.items() if now.get(name) != value}
        level = self.privilege.level_waiting
        return changes if level is None else changes | {"PrivilegeMode": level}

    def bios_wishes(self, wanted: dict[str, Any], privilege: Privilege) -> dict[str, Any]:
        """Return the BIOS attributes that are wanted and the card has not."""
        if self.privilege.in_bios:
            wanted = wanted | {ATTRIBUTE: privilege}
        now = self.attributes
        return {name: value for name, value in wanted.items() if now.get(name) != value}


def look(bmc: Bmc) -> Sight:
    """Read the card; changes nothing."""
    firmware = bmc.find(FIRMWARE)
    bios = bmc.read(BIOS)
    return Sight(
        system=bmc.read(SYSTEM),
        oem=bmc.read(OEM),
        bios=bios,
        waiting=bmc.read(WAITING),
        privilege=read_privilege(bmc, bios.body.get("Attributes") or {}),
        firmware="" if firmware is None else str(firmware.body.get("Version", "")),
    )


def accounts_of(bmc: Bmc) -> set[str]:
    """Return every user name at the BMC."""
    links = bmc.read(ACCOUNTS).body.get("Members", [])
    return {str(link["@odata.id"]).rsplit("/", 1)[-1] for link in links}


def lease_accounts(bmc: Bmc) -> set[str]:
    """Return the user names that belong to leases, of whichever."""
    return {name for name in accounts_of(bmc) if name.startswith(PREFIX)}


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


def shut_host_out(bmc: Bmc, settings: Settings, privilege: Privilege, rshim: Switch) -> bool:
    """Give the host the privilege and the RShim that a lease is to have; say whether that waits for a restart."""
    sight = look(bmc)
    if settings.generation == 3 and sight.rshim != rshim:
        bmc.post(f"{OEM}/Actions/HostRshim.Set", {"HostRshim": rshim})
    waits = sight.privilege.put(bmc, privilege)
    wishes = sight.bios_wishes({}, privilege)
    if wishes:
        bmc.patch(sight.waiting, {"Attributes": wishes})
    return waits or bool(wishes)


def host_trouble(sight: Sight, settings: Settings, privilege: Privilege, rshim: Switch) -> str:
    """Say what the host can do that it should not, or cannot and should; empty when all is as wanted."""
    troubles = []
    if sight.privilege.level != privilege:
        troubles.append(f"the host's privilege is “{sight.privilege.level}” instead of “{privilege}”")
    if settings.generation == 3 and sight.rshim != rshim:
        troubles.append(f"the host's RShim is “{sight.rshim}” instead of “{rshim}”")
    return " and ".join(troubles)


def set_back(bmc: Bmc, settings: Settings, *, rshim: Switch) -> bool:
    """Bring the card to the state that the site wants between leases, the mode apart.

    Does nothing to what is in that state. Returns whether the Arm cores have to be restarted for it.
    """
    for subscription in foreign_subscriptions(bmc, settings):
        bmc.delete(subscription.path)
    sight = look(bmc)
    if sight.boot_override != "Disabled":
        bmc.patch(sight.system, {"Boot": {"BootSourceOverrideEnabled": "Disabled"}})
    undone = {name: sight.attributes[name] for name in sight.changes_waiting if name in sight.attributes}
    missing = sight.bios_wishes(settings.bios, settings.host_privilege)
    wishes = undone | missing
    if settings.generation == 3:
        if sight.mode != settings.mode or "NicMode" in undone:
            modes.ask_for(bmc, settings, settings.mode)
        wishes.pop("NicMode", None)
        if sight.rshim != rshim:
            bmc.post(f"{OEM}/Actions/HostRshim.Set", {"HostRshim": rshim})
    elif sight.mode != settings.mode:
        wishes["NicMode"] = settings.mode
    waits = sight.privilege.put(bmc, settings.host_privilege)
    if wishes:
        bmc.patch(bmc.read(WAITING), {"Attributes": wishes})
    # BIOS attributes take effect when the Arm cores restart; nobody holds the card any more.
    return waits or bool(missing)


def checks_of(bmc: Bmc, settings: Settings) -> list[Check]:
    """Look whether anything of a holder is left, apart from the tag."""
    sight = look(bmc)
    accounts = lease_accounts(bmc)
    sessions = [
        s for s in bmc.members(SESSIONS) if str(s.body.get("UserName", "")).startswith((PREFIX, RECORD))
    ]
    told = sorted(str(found.body.get("Destination")) for found in foreign_subscriptions(bmc, settings))
    mode = sight.mode if sight.mode == settings.mode else f"{sight.mode}; {_way_back(settings)}"
    checks = [
        _check("Nobody else is sent events", "", ", ".join(told), SUBSCRIPTIONS),
        _check("No account of a lease", "", ", ".join(sorted(accounts)), ACCOUNTS),
        _check("No session of a lease", "0", str(len(sessions)), SESSIONS),
        _check("Mode", settings.mode, mode, OEM),
        _check("Nothing waits for a reboot", "", ", ".join(sorted(sight.changes_waiting)), WAITING),
        _check("Privilege of the host", settings.host_privilege, sight.privilege.level, sight.privilege.path),
        _check("Boot override", "Disabled", sight.boot_override, SYSTEM),
        _check("Power of the Arm cores", "On", sight.power, SYSTEM),
    ]
    if settings.generation == 3:
        checks.append(_check("RShim of the host", settings.host_rshim, sight.rshim or "unknown", OEM))
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


def _way_back(settings: Settings) -> str:
    if settings.mode_changes == "host_bmc":
        return f"{settings.mode} did not show after the host's power was cycled"
    return f"{settings.mode} is pending until the Arm cores were restarted twice and the host's power cycled"


def _check(name: str, expected: str, found: str, path: str) -> Check:
    return Check(
        name=name,
        expected=expected or "none",
        found=found or "none",
        passed=found == expected,
        method=f"GET {path} in a session of its own, opened after the cleaning",
    )
