from tests.adapters.nvml.machine import kernel, machine, nvml_library

__all__ = ["kernel", "machine", "nvml_library"]
