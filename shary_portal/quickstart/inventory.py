"""The demonstration's devices as the portal lists them: wholes, and the parts they are cut into."""

from typing import Any
from uuid import NAMESPACE_DNS, uuid5

from shary_portal.quickstart.emulators import EmulatedDevices
from shary_portal.quickstart.federation import CARD_NAMES, MEMORY_GIB, Emulator


def inventory(devices: EmulatedDevices) -> list[dict[str, Any]]:
    """Return every device with its settings as they are now, parts inside."""
    return [
        each for emulator in devices.emulators for each in _devices(emulator, devices.settings_of(emulator))
    ]


def _devices(emulator: Emulator, settings: dict[str, Any]) -> list[dict[str, Any]]:
    if emulator.kind == "slurm":
        return [_node(emulator, settings, node, model) for node, model in emulator.nodes]
    return [_device(emulator, settings)]


def _device(emulator: Emulator, settings: dict[str, Any]) -> dict[str, Any]:
    common = {"site": emulator.site, "name": emulator.name, "settings": settings, "parts": []}
    match emulator.kind:
        case "p4runtime":
            return common | {
                "kind": "p4_switch",
                "adapter": "p4_switch",
                "attributes": {
                    "model": "BMv2 simple_switch_grpc (emulated)",
                    "port_speed_gbps": 100,
                    "p4runtime_version": "1.4.1",
                    **emulator.attributes,
                },
            }
        case "redfish":
            return common | {
                "kind": "smart_nic",
                "adapter": "smart_nic_bluefield",
                "attributes": {
                    "model": f"NVIDIA BlueField-{emulator.generation}",
                    "ports": 2,
                    "port_speed_gbps": 200 if emulator.generation == 3 else 100,
                    "arm_cores": 16 if emulator.generation == 3 else 8,
                },
            }
        case "lxd" | "gpu_ssh":
            adapter = "gpu_ssh" if emulator.kind == "gpu_ssh" else "gpu_lxd"
            return common | {
                "kind": "gpu_host",
                "adapter": adapter,
                "attributes": _gpu(emulator.gpus[0][1], cards=len(emulator.gpus)),
                "parts": [_card(emulator, number, adapter) for number in range(len(emulator.gpus))],
            }
        case "slurm":
            raise ValueError(f"{emulator.name} is a cluster: its nodes are its devices.")


def _node(emulator: Emulator, settings: dict[str, Any], node: str, model: str) -> dict[str, Any]:
    """Return a node as its site's discovery finds it: a device by itself, under the cluster's own name for it."""
    return {
        "site": emulator.site,
        "name": node,
        "kind": "gpu_host",
        "adapter": "gpu_slurm",
        "settings": {**settings, "way": "nodes", "nodes": [node], "gres": f"gpu:{model.lower()}:1"},
        "attributes": _gpu(model, cards=1),
        "parts": [],
    }


def _card(emulator: Emulator, number: int, adapter: str) -> dict[str, Any]:
    pci, model = emulator.gpus[number]
    name = f"{model} {number + 1}" if adapter == "gpu_lxd" else f"{emulator.name} {model} {number + 1}"
    return {
        "name": name,
        "kind": "gpu",
        "adapter": adapter,
        "settings": {"pci": pci},
        "attributes": {**_gpu(model, cards=1), "pci": pci},
        "parts": [_slice(name, pci, model, profile, label) for profile, label in emulator.slices],
    }


def _slice(card: str, pci: str, model: str, profile: str, label: str) -> dict[str, Any]:
    memory = float(profile.partition(".")[2].removesuffix("gb"))
    return {
        "name": f"{card} {label}",
        "kind": "gpu_slice",
        "adapter": "gpu_lxd",
        # Made up, but always the same: the card's slices are cut before the portal sees them.
        "settings": {"pci": pci, "mig_uuid": f"MIG-{uuid5(NAMESPACE_DNS, f'{pci} {label}')}"},
        "attributes": {"model": f"{CARD_NAMES[model]} MIG {profile}", "memory_gib": memory, "cards": 1},
        "parts": [],
    }


def _gpu(model: str, *, cards: int) -> dict[str, Any]:
    return {"model": CARD_NAMES[model], "memory_gib": MEMORY_GIB[model] * cards, "cards": cards}
