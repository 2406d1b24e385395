"""What a project forbids its instances, and how much of everything it lets them have."""

import re
from collections.abc import Sequence

from adapters.emulators.lxd.nouns import Devices, Instance, Project
from adapters.emulators.lxd.refusal import Refusal

_FAILED = "Failed checking if instance creation allowed: "
_BLOCKED = {
    "gpu": "GPU devices are forbidden",
    "proxy": "Proxy devices are forbidden",
    "pci": "PCI devices are forbidden",
    "usb": "USB devices are forbidden",
    "unix-char": "Unix character devices are forbidden",
    "unix-block": "Unix block devices are forbidden",
}
_UNITS = {"": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


def check_restrictions(
    project: Project, instance: Instance, devices: Devices, others: Sequence[Instance]
) -> None:
    """Refuse an instance that a restricted or limited project must not have."""
    limit = project.config.get("limits.instances")
    if limit is not None and len(others) >= int(limit):
        raise Refusal(500, f'Reached maximum number of instances in project "{project.name}"')
    if project.config.get("restricted") == "true":
        for name, device in devices.items():
            _check_device(project, instance, name, device)
    for key in ("limits.cpu", "limits.memory"):
        most = project.config.get(key)
        if most is None:
            continue
        if key not in instance.config:
            raise Refusal(
                500,
                f'{_FAILED}Failed getting usage of project entities: Instance "{instance.name}" in project '
                f'"{project.name}" has no "{key}" config, either directly or via a profile',
            )
        if sum(_amount(one.config.get(key, "0")) for one in [*others, instance]) > _amount(most):
            raise Refusal(
                500,
                f'{_FAILED}Reached maximum aggregate value "{most}" for "{key}" in project "{project.name}"',
            )


def _check_device(project: Project, instance: Instance, name: str, device: dict[str, str]) -> None:
    kind, why = device.get("type", ""), ""
    allowed = project.config.get(f"restricted.devices.{kind}", "block") == "allow"
    if kind in _BLOCKED and not allowed:
        why = _BLOCKED[kind]
    elif kind == "nic" and "network" not in device and not allowed:
        why = "Only managed network devices are allowed"
    elif kind == "disk" and "pool" not in device and not allowed:
        why = "Attaching disks not backed by a pool is forbidden"
    if why:
        raise Refusal(
            500,
            f'{_FAILED}Invalid device "{name}" on {instance.type} "{instance.name}" '
            f'of project "{project.name}": {why}',
        )


def _amount(text: str) -> int:
    found = re.fullmatch(r"(\d+)\s*([A-Za-z]*)", text)
    return int(found[1]) * _UNITS.get(found[2], 1) if found else 0
