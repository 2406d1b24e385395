"""The BMC of the host that a card sits in: it cuts the power, and the card's with it."""

import re

from adapters.emulators.redfish.accounts import Handler
from adapters.emulators.redfish.card import Card
from adapters.emulators.redfish.messages import (
    Answer,
    Request,
    bad_value,
    found,
    members,
    missing_property,
    success,
)
from adapters.emulators.redfish.service import Service

SYSTEM = "/redfish/v1/Systems/1"


class HostService(Service):
    """Answers for a host; `resets` are the kinds of reset that its vendor offers."""

    def __init__(self, own: Card, card: Card, resets: tuple[str, ...]) -> None:
        self.powers = card
        self.resets = resets
        super().__init__(own)

    def _table(self) -> dict[str, dict[str, tuple[str, Handler]]]:
        return self.account_table() | {
            "/redfish/v1/Systems": {"GET": ("Login", self._systems)},
            SYSTEM: {"GET": ("Login", self._host)},
            f"{SYSTEM}/Actions/ComputerSystem.Reset": {"POST": ("ConfigureComponents", self._reset_host)},
        }

    def _systems(self, request: Request, match: re.Match[str]) -> Answer:
        return members(request.path, "SystemsCollection", [SYSTEM])

    def _host(self, request: Request, match: re.Match[str]) -> Answer:
        return found(
            SYSTEM,
            "ComputerSystem.v1_22_0.ComputerSystem",
            Name="Host",
            SystemType="Physical",
            PowerState=self.card.power,
            Actions={
                "#ComputerSystem.Reset": {
                    "target": f"{SYSTEM}/Actions/ComputerSystem.Reset",
                    "ResetType@Redfish.AllowableValues": list(self.resets),
                }
            },
        )

    def _reset_host(self, request: Request, match: re.Match[str]) -> Answer:
        if "ResetType" not in request.body:
            raise missing_property("ResetType")
        wish = request.body["ResetType"]
        if wish not in self.resets:
            raise bad_value("ResetType", wish)
        was = self.card.power
        self.card.power = "Off" if wish == "ForceOff" else "On"
        if wish == "PowerCycle" or (was == "Off" and wish == "On"):
            self.powers.cycle_host_power()
        return success()
