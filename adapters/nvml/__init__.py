"""What NVIDIA's management library says about the cards of this machine."""

from adapters.nvml.inventory import NvmlCard, NvmlProcess, NvmlSlice, NvmlUnavailable, card_at, read_cards

__all__ = ["NvmlCard", "NvmlProcess", "NvmlSlice", "NvmlUnavailable", "card_at", "read_cards"]
