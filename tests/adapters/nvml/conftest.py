from tests.adapters.nvml.machine import machine, nvml_library

__all__ = ["machine", "nvml_library"]
