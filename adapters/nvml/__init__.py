"""What NVIDIA's management library says about the cards of this machine, and how it cuts them."""

from adapters.nvml.baseline import restore_baseline, take_baseline
from adapters.nvml.checks import idle_checks
from adapters.nvml.health import health_of
from adapters.nvml.inventory import NvmlCard, NvmlProcess, card_at, read_cards
from adapters.nvml.library import CardLost, NvmlUnavailable
from adapters.nvml.machine import MachineCard, Presence, driver_of, read_machine
from adapters.nvml.partition import reshape
from adapters.nvml.slices import NvmlSlice
from adapters.nvml.topology import Pair, topology

__all__ = [
    "CardLost",
    "MachineCard",
    "NvmlCard",
    "NvmlProcess",
    "NvmlSlice",
    "NvmlUnavailable",
    "Pair",
    "Presence",
    "card_at",
    "driver_of",
    "health_of",
    "idle_checks",
    "read_cards",
    "read_machine",
    "reshape",
    "restore_baseline",
    "take_baseline",
    "topology",
]
