"""What CUDA's errors mean for a card, in words for its operator."""

DRIVER_MISSING = "The library libcuda.so.1 is not on this host: NVIDIA’s driver is not installed here."
BINDINGS_MISSING = (
    "The package cuda-bindings is not installed here: install requirements-gpu-site.txt for the worker’s Python"
)

_WORDS = {
    "CUDA_ERROR_OUT_OF_MEMORY": "CUDA cannot even set up: something else has taken the memory of the card.",
    "CUDA_ERROR_NO_DEVICE": "CUDA sees no such card: it is with another driver, or hidden from this process.",
    "CUDA_ERROR_INVALID_DEVICE": "CUDA sees no card there: it is with another driver, or hidden from this process.",
    "CUDA_ERROR_DEVICE_UNAVAILABLE": "CUDA may not use the card: another process has it, or its compute mode forbids.",
    "CUDA_ERROR_STUB_LIBRARY": DRIVER_MISSING,
    "CUDA_ERROR_SYSTEM_NOT_READY": "The card’s fabric is not ready: look at nvidia-fabricmanager.",
    "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH": "The driver in the kernel and its library differ: restart the host.",
    "CUDA_ERROR_UNKNOWN": "CUDA cannot start: is nvidia-uvm loaded, and may this account open /dev/nvidia*?",
    "CUDA_ERROR_ECC_UNCORRECTABLE": "The card reported an uncorrectable memory error.",
    "CUDA_ERROR_NVLINK_UNCORRECTABLE": "The card reported an uncorrectable NVLink error.",
    "CUDA_ERROR_HARDWARE_STACK_ERROR": "The card reported a hardware error.",
    "CUDA_ERROR_CONTAINED": "The card reported a contained memory error.",
    "CUDA_ERROR_LAUNCH_FAILED": "The card failed while it read its memory.",
    "CUDA_ERROR_ILLEGAL_ADDRESS": "The card reported an illegal address while it read its memory.",
}
_GRAVE = {
    "CUDA_ERROR_ECC_UNCORRECTABLE",
    "CUDA_ERROR_NVLINK_UNCORRECTABLE",
    "CUDA_ERROR_HARDWARE_STACK_ERROR",
    "CUDA_ERROR_CONTAINED",
    "CUDA_ERROR_LAUNCH_FAILED",
    "CUDA_ERROR_ILLEGAL_ADDRESS",
}


class MemoryTrouble(Exception):
    """The memory of a card could not be worked on."""

    def __init__(self, words: str, *, unfit: bool = False, code: str = "") -> None:
        super().__init__(words)
        self.unfit = unfit
        self.code = code


def trouble_of(code: str, doing: str) -> MemoryTrouble:
    """Return what an error of CUDA means, with the name that its manual has for it."""
    words = _WORDS.get(code, "CUDA refused.")
    return MemoryTrouble(f"{words} ({code} while {doing})", unfit=code in _GRAVE, code=code)
