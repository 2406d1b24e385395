"""Firmware versions, and images for the Arm cores: fetched by the BMC, pushed over its RShim, seen as tasks."""

import re
from typing import Any

from adapters.emulators.redfish.accounts import Handler
from adapters.emulators.redfish.events import EventResources
from adapters.emulators.redfish.messages import (
    Answer,
    Refusal,
    Request,
    bad_value,
    found,
    members,
    missing_property,
    not_found,
    success,
    unknown_property,
)

UPDATES = "/redfish/v1/UpdateService"
INVENTORY = f"{UPDATES}/FirmwareInventory"
SIMPLE_UPDATE = f"{UPDATES}/Actions/UpdateService.SimpleUpdate"
TASKS = "/redfish/v1/TaskService/Tasks"
MANAGER = "/redfish/v1/Managers/Bluefield_BMC/Oem/Nvidia"
PROTOCOLS = ("SCP", "HTTP", "HTTPS")


class UpdateResources(EventResources):
    """The part of the service that knows versions and installs images."""

    def update_table(self) -> dict[str, dict[str, tuple[str, Handler]]]:
        """Return the routes: path, then method, then privilege and handler."""
        change = "ConfigureComponents"
        return {
            UPDATES: {"GET": ("Login", self._updates)},
            SIMPLE_UPDATE: {"POST": (change, self._simple_update)},
            INVENTORY: {"GET": ("Login", self._inventory)},
            f"{INVENTORY}/([^/]+)": {"GET": ("Login", self._component)},
            TASKS: {"GET": ("Login", self._tasks)},
            f"{TASKS}/([0-9]+)": {"GET": ("Login", self._task)},
            MANAGER: {"GET": ("Login", self._manager), "PATCH": (change, self._change_manager)},
        }

    def _versions(self) -> dict[str, str]:
        card = self.card
        return {
            "BMC_Firmware": card.firmware,
            "DPU_NIC": card.nic_firmware,
            "DPU_BSP": card.bsp,
            "DPU_OS": card.os_version,
        }

    def _updates(self, request: Request, match: re.Match[str]) -> Answer:
        return found(
            UPDATES,
            "UpdateService.v1_11_0.UpdateService",
            ServiceEnabled=True,
            Status={"State": "Enabled", "Conditions": []},
            FirmwareInventory={"@odata.id": INVENTORY},
            Actions={
                "#UpdateService.SimpleUpdate": {
                    "target": SIMPLE_UPDATE,
                    "TransferProtocol@Redfish.AllowableValues": list(PROTOCOLS),
                }
            },
        )

    def _inventory(self, request: Request, match: re.Match[str]) -> Answer:
        return members(
            INVENTORY, "SoftwareInventoryCollection", [f"{INVENTORY}/{name}" for name in self._versions()]
        )

    def _component(self, request: Request, match: re.Match[str]) -> Answer:
        versions = self._versions()
        if match[1] not in versions:
            raise not_found(request.path)
        return found(request.path, "SoftwareInventory.v1_4_0.SoftwareInventory", Version=versions[match[1]])

    def _simple_update(self, request: Request, match: re.Match[str]) -> Answer:
        body = request.body
        for name in body:
            if name not in ("TransferProtocol", "ImageURI", "Targets", "Username"):
                raise unknown_property(name)
        for name in ("ImageURI", "TransferProtocol", "Targets"):
            if name not in body:
                raise missing_property(name)
        if body["TransferProtocol"] not in PROTOCOLS:
            raise bad_value("TransferProtocol", body["TransferProtocol"])
        if not isinstance(body["ImageURI"], str) or "/" not in body["ImageURI"] or "://" in body["ImageURI"]:
            raise bad_value("ImageURI", body["ImageURI"])
        if [str(target).lstrip("/") for target in body["Targets"]] != [f"{INVENTORY}/DPU_OS".lstrip("/")]:
            raise bad_value("Targets", body["Targets"])
        if any(task["TaskState"] == "Running" for task in self.card.tasks.values()):
            raise Refusal(400, "UpdateInProgress", "An update is in progress.")
        if not self.card.bmc_rshim or (self.card.generation == 3 and self.card.host_rshim == "Enabled"):
            raise Refusal(400, "ResourceInUse", "The RShim interface is not the BMC's.")
        number = self.card.start_task(body["ImageURI"])
        return Answer(
            status=202, body=self._task_body(number), headers={"Location": f"{TASKS}/{number}/Monitor"}
        )

    def _tasks(self, request: Request, match: re.Match[str]) -> Answer:
        return members(TASKS, "TaskCollection", [f"{TASKS}/{number}" for number in self.card.tasks])

    def _task(self, request: Request, match: re.Match[str]) -> Answer:
        if match[1] not in self.card.tasks:
            raise not_found(request.path)
        return Answer(status=200, body=self._task_body(match[1]))

    def _task_body(self, number: str) -> dict[str, Any]:
        task = self.card.tasks[number]
        return {
            "@odata.id": f"{TASKS}/{number}",
            "@odata.type": "#Task.v1_4_3.Task",
            "Id": number,
            "Messages": [],
            **{name: value for name, value in task.items() if name != "image"},
        }

    def _manager(self, request: Request, match: re.Match[str]) -> Answer:
        return found(
            MANAGER,
            "NvidiaManager.v1_0_0.NvidiaManager",
            BmcRShim={"BmcRShimEnabled": self.card.bmc_rshim},
        )

    def _change_manager(self, request: Request, match: re.Match[str]) -> Answer:
        wish = request.body.get("BmcRShim")
        if not isinstance(wish, dict) or not isinstance(wish.get("BmcRShimEnabled"), bool):
            raise bad_value("BmcRShim", wish)
        self.card.bmc_rshim = wish["BmcRShimEnabled"]
        return success()
