"""All the memory of one card that CUDA hands out, in the hands of this process."""

import ctypes
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from adapters.gpu_memory.pattern import BLOCK_BYTES, WORD_BYTES, Pattern
from adapters.gpu_memory.trouble import BINDINGS_MISSING, DRIVER_MISSING, MemoryTrouble, trouble_of
from adapters.pci import normal_form

_LARGEST = 1 << 30
_SMALLEST = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A piece of the card's memory."""

    address: int
    size: int
    first_block: int
    """The number of its first block; no two chunks share a block."""
    offset: int
    """How much was taken before it."""

    @property
    def words(self) -> int:
        """Return how many words it has."""
        return self.size // WORD_BYTES

    def blocks(self) -> Iterator[tuple[int, int, int]]:
        """Yield number, address and size of each of its blocks; the last may be short."""
        for start in range(0, self.size, BLOCK_BYTES):
            yield (
                self.first_block + start // BLOCK_BYTES,
                self.address + start,
                min(BLOCK_BYTES, self.size - start),
            )


class Card:
    """A card or a MIG slice with a context of this process."""

    def __init__(self, driver: Any, name: str) -> None:
        self._driver = driver
        self._device = self._find(name)
        self.chunks: list[Chunk] = []
        self.desk = 0
        """A block of the card's memory for results; it belongs to what was reached."""

    def _find(self, name: str) -> Any:
        if name.startswith(("GPU-", "MIG-")):
            self._device = self.call("cuDeviceGet", 0)
            # Names such as MIG-GPU-…/1/0, of drivers before 470, cannot be compared.
            if name.count("-") == 5 and self.uuid != name[4:].lower():
                raise MemoryTrouble(f"CUDA shows the card {self.uuid}, but {name} was to be wiped.")
            return self._device
        self._device = self.call("cuDeviceGetByPCIBusId", normal_form(name).encode())
        if " MIG " in self.model:
            # CUDA then shows one slice only, under the address of the whole card.
            raise MemoryTrouble(f"The card at {name} is cut into MIG slices: each has to be wiped by its UUID.")
        return self._device

    def enter(self) -> None:
        """Make the card's context that of this process."""
        self.call("cuCtxSetCurrent", self.call("cuDevicePrimaryCtxRetain", self._device))

    def leave(self) -> None:
        """Let go of the context."""
        # After an error of the card nothing works any more; the end of this process frees everything.
        self._driver.cuDevicePrimaryCtxRelease(self._device)

    @property
    def model(self) -> str:
        """Return its name as NVIDIA writes it."""
        name: bytes = self.call("cuDeviceGetName", 128, self._device)
        return name.split(b"\0")[0].decode(errors="replace").strip()

    @property
    def total_bytes(self) -> int:
        """Return how much memory CUDA says it has."""
        return int(self.call("cuDeviceTotalMem", self._device))

    @property
    def reached_bytes(self) -> int:
        """Return how much memory this process has taken."""
        return (BLOCK_BYTES if self.desk else 0) + sum(chunk.size for chunk in self.chunks)

    @property
    def uuid(self) -> str:
        """Return its UUID without the prefix."""
        # The bindings for CUDA 12 have two of them, and the first gives a slice the UUID of its card.
        second = "cuDeviceGetUuid_v2"
        function = second if hasattr(self._driver, second) else "cuDeviceGetUuid"
        return str(uuid.UUID(bytes=bytes(self.call(function, self._device).bytes)))

    def attribute(self, name: str) -> int:
        """Return one of its attributes, by the end of its name in CUDA's manual."""
        kind = getattr(self._driver.CUdevice_attribute, f"CU_DEVICE_ATTRIBUTE_{name}")
        return int(self.call("cuDeviceGetAttribute", kind, self._device))

    def call(self, function: str, *arguments: Any) -> Any:
        """Call a function of the driver; return what it gives, or raise what its error means."""
        error, *given = getattr(self._driver, function)(*arguments)
        if error != self._driver.CUresult.CUDA_SUCCESS:
            raise trouble_of(error.name, f"calling {function}")
        return given[0] if len(given) == 1 else tuple(given)

    def take_desk(self) -> None:
        """Allocate the block for results, and nothing else yet."""
        self.desk = int(self.call("cuMemAlloc", BLOCK_BYTES))

    def take_everything(self) -> None:
        """Allocate until nothing is left, large pieces first.

        What runs afterwards must have run once before: its code is put into the card's memory at its first use.
        """
        free, _ = self.call("cuMemGetInfo")
        size = min(_LARGEST, 1 << int(free).bit_length())
        block = offset = 0
        while size >= _SMALLEST:
            address = self._allocate(size)
            if address is None:
                size //= 2
                continue
            self.chunks.append(Chunk(address=address, size=size, first_block=block, offset=offset))
            block += -(-size // BLOCK_BYTES)
            offset += size

    def _allocate(self, size: int) -> int | None:
        try:
            return int(self.call("cuMemAlloc", size))
        except MemoryTrouble as trouble:
            if trouble.code == "CUDA_ERROR_OUT_OF_MEMORY":
                return None
            raise

    def fill(self, chunk: Chunk, pattern: Pattern) -> None:
        """Write the pattern over the chunk and wait until it is there."""
        if pattern.is_uniform:
            self.call("cuMemsetD32Async", chunk.address, pattern.salt, chunk.words, 0)
        else:
            for block, address, size in chunk.blocks():
                self.call("cuMemsetD32Async", address, pattern.word(block), size // WORD_BYTES, 0)
        self.wait()

    def clear_desk(self) -> None:
        """Fill the block for results with zeros."""
        self.call("cuMemsetD32Async", self.desk, 0, BLOCK_BYTES // WORD_BYTES, 0)
        self.wait()

    def wait(self) -> None:
        """Wait until the card has done all that it was told; raises what went wrong on the way."""
        self.call("cuCtxSynchronize")

    def copy(self, address: int, size: int) -> bytes:
        """Return a small piece of the memory, copied back."""
        buffer = ctypes.create_string_buffer(size)
        self.call("cuMemcpyDtoH", ctypes.addressof(buffer), address, size)
        return buffer.raw

    def give_back(self) -> None:
        """Free everything that was taken."""
        for chunk in self.chunks:
            self.call("cuMemFree", chunk.address)
        self.chunks.clear()
        if self.desk:
            self.call("cuMemFree", self.desk)
            self.desk = 0


@contextmanager
def open_card(name: str) -> Iterator[Card]:
    """Give the card or slice with this UUID or PCI address a context, until the block ends.

    For a UUID the process must have been started with CUDA_VISIBLE_DEVICES set to it: it cannot be set later, and
    CUDA shows a MIG slice in no other way.
    """
    card = Card(_driver(), name)
    card.enter()
    try:
        yield card
        card.give_back()
    finally:
        card.leave()


def _driver() -> Any:
    try:
        from cuda.bindings import driver
    except ImportError as error:
        raise MemoryTrouble(f"{BINDINGS_MISSING} ({error}).") from error
    try:
        answer = driver.cuInit(0)
    except Exception as problem:
        # The bindings have no common class for this: cuda.pathfinder raises its own, older ones RuntimeError.
        raise MemoryTrouble(DRIVER_MISSING) from problem
    if answer[0] != driver.CUresult.CUDA_SUCCESS:
        raise trouble_of(answer[0].name, "starting")
    return driver
