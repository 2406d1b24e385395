"""What graphics cards have in common, whatever tool lends them: words and values, no device code."""

from adapters.gpu.attributes import GpuAttributes, PciAddress
from adapters.gpu.baseline import CardBaseline, ErrorCounters
from adapters.gpu.geometry import problems_of, profiles_of
from adapters.gpu.health import CardHealth

__all__ = [
    "CardBaseline",
    "CardHealth",
    "ErrorCounters",
    "GpuAttributes",
    "PciAddress",
    "problems_of",
    "profiles_of",
]
