"""The resources of a BlueField's BMC: which there are, who may do what, what a change does."""

import re

from adapters.emulators.redfish.accounts import Handler
from adapters.emulators.redfish.card import Card
from adapters.emulators.redfish.messages import (
    Answer,
    Body,
    Refusal,
    Request,
    bad_value,
    etag_of,
    found,
    members,
    missing_property,
    no_precondition,
    no_privilege,
    not_allowed,
    not_found,
    success,
    unknown_property,
)
from adapters.emulators.redfish.privileges import ADAPTER, PrivilegeResources

SYSTEM = "/redfish/v1/Systems/Bluefield"
OEM = f"{SYSTEM}/Oem/Nvidia"
CARD = "/redfish/v1/Chassis/Card1"
MODES = ("DpuMode", "NicMode")
RESETS = ("On", "ForceOff", "GracefulShutdown", "ForceRestart", "GracefulRestart", "PowerCycle")
BOOT_TARGETS = ("None", "Pxe", "UefiHttp", "UefiShell", "Usb", "Hdd")
PORTS = 2


class Service(PrivilegeResources):
    """Answers requests from the state of one card."""

    def __init__(self, card: Card) -> None:
        super().__init__(card)
        self.routes: list[tuple[re.Pattern[str], dict[str, tuple[str, Handler]]]] = [
            (re.compile(f"^{pattern}$"), methods) for pattern, methods in self._table().items()
        ]

    def answer(self, request: Request) -> Answer:
        """Return the answer to a request, having made its change."""
        for pattern, methods in self.routes:
            match = pattern.match(request.path)
            if match is None:
                continue
            if request.method not in methods:
                raise not_allowed(", ".join(methods))
            privilege, handler = methods[request.method]
            if privilege not in request.privileges:
                raise no_privilege()
            if request.method in ("PATCH", "POST") and not isinstance(request.body, dict):
                raise Refusal(400, "MalformedJSON", "The body is not a JSON object.")
            if "GET" in methods and (request.method == "PATCH" or request.if_match not in (None, "*")):
                # What the sender may not see it may not change either, and learns that first.
                now = methods["GET"][1](request, match).body or {}
                if request.if_match is None:
                    raise no_precondition()
                if request.if_match not in ("*", etag_of(now)):
                    raise Refusal(412, "PreconditionFailed", "The resource has changed since it was read.")
            return handler(request, match)
        raise not_found(request.path)

    def _table(self) -> dict[str, dict[str, tuple[str, Handler]]]:
        change = "ConfigureComponents"
        table: dict[str, dict[str, tuple[str, Handler]]] = {
            "/redfish/v1": {"GET": ("Login", self._root)},
            "/redfish/v1/Systems": {"GET": ("Login", _collection("Systems", [SYSTEM]))},
            "/redfish/v1/Chassis": {"GET": ("Login", _collection("Chassis", [CARD]))},
            SYSTEM: {"GET": ("Login", self._system), "PATCH": (change, self._change_system)},
            f"{SYSTEM}/Actions/ComputerSystem.Reset": {"POST": (change, self._reset)},
            f"{SYSTEM}/Bios": {"GET": ("Login", self._bios)},
            f"{SYSTEM}/Bios/Settings": {
                "GET": ("Login", self._bios_settings),
                "PATCH": (change, self._change_bios),
            },
            OEM: {"GET": ("Login", self._oem)},
            CARD: {"GET": ("Login", self._chassis)},
            f"{ADAPTER}/Ports": {
                "GET": (
                    "Login",
                    _collection("Ports", [f"{ADAPTER}/Ports/eth{n}" for n in range(PORTS)]),
                )
            },
            f"{ADAPTER}/Ports/eth([0-{PORTS - 1}])": {"GET": ("Login", self._port)},
        }
        if self.card.generation == 3:
            table[f"{OEM}/Actions/Mode.Set"] = {"POST": (change, self._set_mode)}
            table[f"{OEM}/Actions/HostRshim.Set"] = {"POST": (change, self._set_host_rshim)}
        return table | self.account_table() | self.event_table() | self.update_table() | self.privilege_table()

    # --- what there is to see ---

    def _root(self, request: Request, match: re.Match[str]) -> Answer:
        return found(
            "/redfish/v1",
            "ServiceRoot.v1_15_0.ServiceRoot",
            Name="Root Service",
            RedfishVersion="1.17.0",
            Vendor="NVIDIA",
            Product=f"BlueField-{self.card.generation}",
            Systems=_link("/redfish/v1/Systems"),
            Chassis=_link("/redfish/v1/Chassis"),
            AccountService=_link("/redfish/v1/AccountService"),
            SessionService=_link("/redfish/v1/SessionService"),
            EventService=_link("/redfish/v1/EventService"),
            UpdateService=_link("/redfish/v1/UpdateService"),
            Tasks=_link("/redfish/v1/TaskService"),
            Links={"Sessions": _link("/redfish/v1/SessionService/Sessions")},
        )

    def _system(self, request: Request, match: re.Match[str]) -> Answer:
        card = self.card
        return found(
            SYSTEM,
            "ComputerSystem.v1_22_0.ComputerSystem",
            Name="Bluefield",
            Manufacturer="Nvidia",
            Model=f"Bluefield {card.generation} DPU",
            SerialNumber=card.serial,
            SystemType="DPU",
            AssetTag=card.asset_tag,
            PowerState=card.power,
            Status={"Health": "OK", "State": "Enabled" if card.power == "On" else "Disabled"},
            Boot={
                "BootSourceOverrideEnabled": card.boot_enabled,
                "BootSourceOverrideTarget": card.boot_target,
                "BootSourceOverrideTarget@Redfish.AllowableValues": list(BOOT_TARGETS),
            },
            Bios=_link(f"{SYSTEM}/Bios"),
            BootProgress={"LastState": card.boot_progress},
            LastResetTime=card.last_reset,
            ProcessorSummary={"CoreCount": 16 if card.generation == 3 else 8, "Count": 1},
            Oem={"Nvidia": _link(OEM)},
            Actions={"#ComputerSystem.Reset": {"target": f"{SYSTEM}/Actions/ComputerSystem.Reset"}},
        )

    def _bios(self, request: Request, match: re.Match[str]) -> Answer:
        settings = {"SettingsObject": _link(f"{SYSTEM}/Bios/Settings")}
        return found(
            f"{SYSTEM}/Bios",
            "Bios.v1_2_0.Bios",
            Name="BIOS Configuration",
            Attributes=dict(self.card.bios),
            **{"@Redfish.Settings": settings},
        )

    def _bios_settings(self, request: Request, match: re.Match[str]) -> Answer:
        waiting = dict(self.card.pending_bios)
        return found(f"{SYSTEM}/Bios/Settings", "Bios.v1_2_0.Bios", Name="Waiting settings", Attributes=waiting)

    def _oem(self, request: Request, match: re.Match[str]) -> Answer:
        card = self.card
        shown: Body = {"Mode": card.mode}
        if card.generation == 3:
            shown["HostRshim"] = card.host_rshim
            shown["Actions"] = {
                "#Mode.Set": {"target": f"{OEM}/Actions/Mode.Set"},
                "#HostRshim.Set": {"target": f"{OEM}/Actions/HostRshim.Set"},
            }
        return found(OEM, "NvidiaComputerSystem.v1_0_0.NvidiaComputerSystem", **shown)

    def _chassis(self, request: Request, match: re.Match[str]) -> Answer:
        return found(
            CARD,
            "Chassis.v1_21_0.Chassis",
            Name="Card1",
            ChassisType="Card",
            Manufacturer="Nvidia",
            Model=f"Bluefield {self.card.generation} SmartNIC Main Card",
            SerialNumber=self.card.serial,
        )

    def _port(self, request: Request, match: re.Match[str]) -> Answer:
        return found(
            request.path,
            "Port.v1_6_0.Port",
            Name=f"eth{match[1]}",
            LinkStatus="LinkUp",
            MaxSpeedGbps=200 if self.card.generation == 3 else 100,
        )

    # --- what can be changed ---

    def _change_system(self, request: Request, match: re.Match[str]) -> Answer:
        _only(request.body, "AssetTag", "Boot")
        boot = request.body.get("Boot", {})
        _only(boot, "BootSourceOverrideEnabled", "BootSourceOverrideTarget")
        enabled = _one_of(
            boot, "BootSourceOverrideEnabled", ("Disabled", "Once", "Continuous"), self.card.boot_enabled
        )
        target = _one_of(boot, "BootSourceOverrideTarget", BOOT_TARGETS, self.card.boot_target)
        tag = request.body.get("AssetTag", self.card.asset_tag)
        if not isinstance(tag, str) or len(tag) > 128:
            raise bad_value("AssetTag", tag)
        self.card.asset_tag, self.card.boot_enabled, self.card.boot_target = tag, enabled, target
        return success()

    def _reset(self, request: Request, match: re.Match[str]) -> Answer:
        wish = _required(request.body, "ResetType", RESETS)
        if wish == "PowerCycle":
            # The hard reset is allowed only while the host holds the card in standby, and a running host does not.
            raise Refusal(400, "ActionNotSupported", "The host does not assert its standby signal.")
        if wish in ("ForceOff", "GracefulShutdown"):
            self.card.later("off")
        elif self.card.power != "On" or wish != "On":
            self.card.later("restart")
        return success()

    def _change_bios(self, request: Request, match: re.Match[str]) -> Answer:
        _only(request.body, "Attributes")
        wishes = request.body.get("Attributes", {})
        if not isinstance(wishes, dict):
            raise bad_value("Attributes", wishes)
        for name, value in wishes.items():
            if name not in self.card.bios:
                raise unknown_property(name)
            allowed = {"NicMode": MODES, "HostPrivilegeLevel": ("Privileged", "Restricted")}.get(name)
            if (allowed and value not in allowed) or type(value) is not type(self.card.bios[name]):
                raise bad_value(name, value)
        for name, value in wishes.items():
            if name == "NicMode":
                self.card.ask_mode(value)
            if value == self.card.bios[name]:
                self.card.pending_bios.pop(name, None)
            else:
                self.card.pending_bios[name] = value
        return success()

    def _set_mode(self, request: Request, match: re.Match[str]) -> Answer:
        mode = _required(request.body, "Mode", MODES)
        self.card.ask_mode(mode)
        self.card.pending_bios.pop("NicMode", None)
        if mode != self.card.mode:
            self.card.pending_bios["NicMode"] = mode
        return success()

    def _set_host_rshim(self, request: Request, match: re.Match[str]) -> Answer:
        self.card.host_rshim = _required(request.body, "HostRshim", ("Enabled", "Disabled"))
        return success()


def _link(path: str) -> dict[str, str]:
    return {"@odata.id": path}


def _collection(name: str, paths: list[str]) -> Handler:
    def show(request: Request, match: re.Match[str]) -> Answer:
        return members(request.path, f"{name}Collection", paths)

    return show


def _only(body: Body, *names: str) -> None:
    if not isinstance(body, dict):
        raise bad_value("body", body)
    for name in body:
        if name not in names:
            raise unknown_property(name)


def _one_of(body: Body, name: str, allowed: tuple[str, ...], otherwise: str) -> str:
    value: str = body.get(name, otherwise)
    if value not in allowed:
        raise bad_value(name, value)
    return value


def _required(body: Body, name: str, allowed: tuple[str, ...]) -> str:
    if name not in body:
        raise missing_property(name)
    return _one_of(body, name, allowed, "")
