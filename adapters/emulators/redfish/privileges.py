"""What the host may do with the card: two shapes, by the firmware of the BMC."""

import re

from adapters.emulators.redfish.accounts import Handler
from adapters.emulators.redfish.messages import (
    Answer,
    Request,
    bad_value,
    found,
    missing_property,
    success,
    unknown_property,
)
from adapters.emulators.redfish.updates import UpdateResources

ADAPTER = "/redfish/v1/Chassis/Card1/NetworkAdapters/NvidiaNetworkAdapter"
CONFIG = f"{ADAPTER}/Oem/Nvidia/HostPrivilegeConfig"
EXTERNAL = "/redfish/v1/Systems/Bluefield/Oem/Nvidia/Connectx/ExternalHostPrivileges"
SET_EXTERNAL = f"{EXTERNAL}/Actions/ExternalHostPrivileges.Set"
LEVELS = ("Privileged", "Restricted")


class PrivilegeResources(UpdateResources):
    """The part of the service that knows the privileges of the host; only BlueField-3 has it."""

    def privilege_table(self) -> dict[str, dict[str, tuple[str, Handler]]]:
        """Return the routes: path, then method, then privilege and handler."""
        change = "ConfigureComponents"
        if self.card.generation != 3:
            return {}
        if self.card.firmware >= "BF-25.10":
            return {
                CONFIG: {"GET": ("Login", self._config)},
                f"{CONFIG}/Settings": {
                    "GET": ("Login", self._waiting_config),
                    "PATCH": (change, self._change_config),
                },
            }
        return {
            EXTERNAL: {"GET": ("Login", self._external)},
            SET_EXTERNAL: {"POST": (change, self._set_external)},
        }

    def _config(self, request: Request, match: re.Match[str]) -> Answer:
        return _shown(
            CONFIG,
            self.card.host_privilege,
            **{"@Redfish.Settings": {"SettingsObject": {"@odata.id": f"{CONFIG}/Settings"}}},
        )

    def _waiting_config(self, request: Request, match: re.Match[str]) -> Answer:
        return _shown(f"{CONFIG}/Settings", self.card.pending_privilege or self.card.host_privilege)

    def _change_config(self, request: Request, match: re.Match[str]) -> Answer:
        for name in request.body:
            if name != "PrivilegeMode":
                raise unknown_property(name)
        if "PrivilegeMode" not in request.body:
            raise missing_property("PrivilegeMode")
        wish = request.body["PrivilegeMode"]
        if wish not in LEVELS:
            raise bad_value("PrivilegeMode", wish)
        self.card.pending_privilege = None if wish == self.card.host_privilege else wish
        return success()

    def _external(self, request: Request, match: re.Match[str]) -> Answer:
        return found(
            EXTERNAL,
            "NvidiaExternalHostPrivileges.v1_0_0.NvidiaExternalHostPrivileges",
            ExternalHostPrivilege=dict(self.card.external_privileges),
            Actions={"#ExternalHostPrivileges.Set": {"target": SET_EXTERNAL}},
        )

    def _set_external(self, request: Request, match: re.Match[str]) -> Answer:
        if not request.body:
            raise missing_property("HostPrivFwUpdate")
        for name, value in request.body.items():
            if name not in self.card.external_privileges:
                raise unknown_property(name)
            if value not in ("Default", "Enabled", "Disabled"):
                raise bad_value(name, value)
        self.card.external_privileges.update(request.body)
        return success()


def _shown(path: str, level: str, **more: object) -> Answer:
    word = "Enabled" if level == "Privileged" else "Disabled"
    may = level == "Privileged"
    return found(
        path,
        "NvidiaHostPrivilegeConfig.v1_0_0.NvidiaHostPrivilegeConfig",
        PrivilegeMode=level,
        PrivilegeSettings={
            "HostPrivilegeLevel": level,
            "FirmwareUpdate": word,
            "FlashAccess": word,
            "GlobalParametersAccess": word,
            "HostParametersAccess": word,
            "NicReset": word,
            "PortOwnerEnabled": may,
            "TracerEnabled": may,
        },
        **more,
    )
