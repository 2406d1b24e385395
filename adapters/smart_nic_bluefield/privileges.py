"""What the host may do with the card: a resource of its own, eight switches, or a BIOS attribute.

BMC firmware from 25.10 on has `HostPrivilegeConfig` with a settings object, in which changes wait
for a restart; earlier firmware of BlueField-3 has `ExternalHostPrivileges`; BlueField-2 and old
firmware know the BIOS attribute alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapters.smart_nic_bluefield.client import Bmc, Found
from adapters.smart_nic_bluefield.paths import BIOS, EXTERNAL_PRIVILEGES, PRIVILEGE
from adapters.smart_nic_bluefield.settings import Privilege

ATTRIBUTE = "HostPrivilegeLevel"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPrivilege:
    """The privilege of the host, in the shape that the firmware has."""

    config: Found | None
    waiting: Found | None
    """Where changes of `config` wait; None where they take effect at once."""
    external: Found | None
    attribute: str | None
    """The BIOS attribute; newer firmware has none."""

    @property
    def level(self) -> str:
        """What is in force, in one word; what disagrees is told."""
        if self.config is not None:
            return str(self.config.body.get("PrivilegeMode", "unknown"))
        seen = {self.attribute} if self.attribute is not None else set()
        if self.external is not None:
            switches = self._switches()
            values = set(switches.values())
            if not values:
                seen.add("unknown")
            elif values == {"Disabled"}:
                seen.add("Restricted")
            elif "Disabled" not in values:
                seen.add("Privileged")
            else:
                seen.add("mixed")
        return ", ".join(sorted(seen)) or "unknown"

    @property
    def level_waiting(self) -> str | None:
        """What the next restart would bring; None when that is what is in force."""
        if self.waiting is None:
            return None
        waits = str(self.waiting.body.get("PrivilegeMode", self.level))
        return None if waits == self.level else waits

    @property
    def path(self) -> str:
        """Where it was read."""
        found = self.config or self.external
        return found.path if found is not None else BIOS

    @property
    def in_bios(self) -> bool:
        """Whether the BIOS attribute is what counts, alone or beside the switches."""
        return self.config is None and self.attribute is not None

    def put(self, bmc: Bmc, wanted: Privilege) -> bool:
        """Ask for a privilege, the BIOS attribute apart; say whether it waits for a restart."""
        if self.config is not None:
            if self.level == wanted and self.level_waiting is None:
                return False
            bmc.patch(self.waiting or self.config, {"PrivilegeMode": wanted})
            return bmc.read(PRIVILEGE).body.get("PrivilegeMode") != wanted
        if self.external is not None:
            word = "Disabled" if wanted == "Restricted" else "Default"
            taken = {"Disabled"} if wanted == "Restricted" else {"Default", "Enabled"}
            wishes = {name: word for name, value in self._switches().items() if value not in taken}
            if wishes:
                bmc.post(self._action(), wishes)
        return False

    def _switches(self) -> Mapping[str, str]:
        body: Mapping[str, Any] = self.external.body if self.external is not None else {}
        inner = body.get("ExternalHostPrivilege")
        values = inner if isinstance(inner, dict) else body
        return {name: str(value) for name, value in values.items() if name.startswith("HostPriv")}

    def _action(self) -> str:
        actions: Mapping[str, Any] = (self.external.body if self.external is not None else {}).get(
            "Actions"
        ) or {}
        target = (actions.get("#ExternalHostPrivileges.Set") or {}).get("target")
        return str(target or f"{EXTERNAL_PRIVILEGES}/Actions/ExternalHostPrivileges.Set")


def read_privilege(bmc: Bmc, attributes: Mapping[str, Any]) -> HostPrivilege:
    """Read the privilege of the host, in whichever shape there is."""
    config = bmc.find(PRIVILEGE)
    waiting = None
    if config is not None:
        settings = (config.body.get("@Redfish.Settings") or {}).get("SettingsObject") or {}
        if settings.get("@odata.id"):
            waiting = bmc.read(str(settings["@odata.id"]))
    attribute = attributes.get(ATTRIBUTE)
    return HostPrivilege(
        config=config,
        waiting=waiting,
        external=bmc.find(EXTERNAL_PRIVILEGES) if config is None else None,
        attribute=None if attribute is None else str(attribute),
    )
