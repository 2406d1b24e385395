"""What the instance of a lease uses of its host, and why the load of its card cannot be told."""

from adapters.errors import AdapterError
from adapters.gpu_lxd import instance as tags
from adapters.gpu_lxd.client import LxdClient
from adapters.gpu_lxd.instance import Card, Instance
from adapters.gpu_lxd.settings import LxdSettings

UTILISATION = "utilisation_percent"


def instance_load(client: LxdClient, carrier: Instance | None, resource_id: str) -> dict[str, float]:
    """Return what the instance made for a lease of this very device uses: processor, memory, processes.

    An instance of the holder's own is their affair: nothing of it is measured.
    """
    if carrier is None or not carrier.is_running or not carrier.name.startswith("shary-"):
        return {}
    if carrier.config.get(tags.RESOURCE) != resource_id:
        return {}
    try:
        state = client.state(carrier)
    except AdapterError:
        # It may be on its way out; that is no reason not to see the rest.
        return {}
    memory = state.get("memory") or {}
    numbers = {
        "cpu_seconds_total": (state.get("cpu") or {}).get("usage", 0) / 1e9,
        "instance_memory_used_mib": memory.get("usage", 0) / 2**20,
        "instance_processes": state.get("processes", 0),
    }
    # Zero, or less: LXD cannot see into a machine without its agent.
    return {name: float(number) for name, number in numbers.items() if number > 0}


def why_unmeasured(settings: LxdSettings, known: dict[str, Card], measured: dict[str, float]) -> str:
    """Return why nobody knows how busy the cards are; empty when they tell."""
    if any(name.endswith(UTILISATION) for name in measured):
        return ""
    if any(pci in known and known[pci].is_passed_through for pci in settings.wanted_cards):
        return "The card is inside a virtual machine, where only its holder can see its load."
    if not settings.nvml_is_local:
        return "The worker of this site runs on another machine than the card and cannot ask its driver."
    if settings.mig_uuid:
        return "The driver tells the load of whole cards only, not of slices."
    return "The driver of the card does not tell it."
