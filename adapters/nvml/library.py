"""The library's life, and its errors as ours."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pynvml

from adapters.pci import normal_form

MIB = 1024 * 1024


class NvmlUnavailable(Exception):
    """NVML cannot say anything here: no library, no driver, or a card that fell off the bus."""


class CardLost(NvmlUnavailable):
    """The card was there and can no longer be reached: it fell off the bus, or wants a reset."""


@contextmanager
def library() -> Iterator[None]:
    """Open NVML for the block; every error of it that leaves the block is `NvmlUnavailable`."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        raise NvmlUnavailable(f"NVML cannot be used on this machine: {error}.") from error
    try:
        yield
    except pynvml.NVMLError_GpuIsLost as error:
        raise CardLost(f"NVML stopped half-way: {error}, it has fallen off the bus.") from error
    except pynvml.NVMLError_ResetRequired as error:
        raise CardLost(
            f"NVML stopped half-way: {error}: run nvidia-smi --gpu-reset, or restart the host."
        ) from error
    except pynvml.NVMLError as error:
        raise NvmlUnavailable(f"NVML stopped half-way: {error}.") from error
    finally:
        with suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


def handle_at(pci: str) -> Any | None:
    """Return the handle of the card at the address, or None when NVML does not see it."""
    try:
        return pynvml.nvmlDeviceGetHandleByPciBusId(normal_form(pci).encode())
    except pynvml.NVMLError_NotFound:
        return None


def driver_version() -> str:
    """Return the version of the driver: `580.159.04`."""
    return text(pynvml.nvmlSystemGetDriverVersion())


def cuda_version() -> str:
    """Return the newest CUDA that the driver serves: `13.0`; empty when it does not say."""
    number = if_supported(pynvml.nvmlSystemGetCudaDriverVersion_v2)
    return f"{number // 1000}.{number % 1000 // 10}" if number else ""


def if_supported(question: Callable[..., Any], *arguments: Any) -> Any:
    """Return the answer, or None when this card or driver has none, or does not give it to this user."""
    try:
        return question(*arguments)
    except (
        pynvml.NVMLError_NotSupported,
        pynvml.NVMLError_FunctionNotFound,
        pynvml.NVMLError_NoPermission,
        pynvml.NVMLError_Deprecated,
        pynvml.NVMLError_NoData,
    ):
        return None


def text(answer: str | bytes) -> str:
    """Return the text, however this version of the library gives it."""
    return answer.decode() if isinstance(answer, bytes) else answer


def flag(answer: int | None) -> bool | None:
    """Return a switch of NVML as a truth, None when there is none."""
    return None if answer is None else bool(answer)
