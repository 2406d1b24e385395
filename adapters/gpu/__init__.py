"""What graphics cards have in common, whatever tool lends them: words and values, no device code."""

from adapters.gpu.attributes import GpuAttributes, PciAddress

__all__ = ["GpuAttributes", "PciAddress"]
