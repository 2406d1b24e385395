"""Two ways to read a card's memory: by a kernel on the card, or by copying it back."""

import ctypes
from dataclasses import dataclass
from importlib import resources
from itertools import repeat
from operator import ne
from typing import Any, Protocol

from adapters.gpu_memory.card import Card, Chunk
from adapters.gpu_memory.pattern import BLOCK_BYTES, WORD_BYTES, ZEROS, Pattern
from adapters.gpu_memory.trouble import MemoryTrouble

MARK_BYTES = 16
_THREADS = 256
_BLOCKS_PER_PROCESSOR = 8
_NONE = 0xFFFFFFFFFFFFFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How many were found, and where in the chunk the first of them lies."""

    number: int
    lowest_byte: int | None = None


class Reader(Protocol):
    """Reads chunks."""

    words: str
    """How it reads, for the proof."""

    def differing(self, chunk: Chunk, pattern: Pattern) -> Count:
        """Count the words that are not what the pattern says."""

    def marks(self, chunk: Chunk, mark: bytes) -> Count:
        """Count the 16-byte units that equal the mark."""


def reader_for(card: Card) -> Reader:
    """Return a kernel where one can be had, else the slow way; before all memory is taken, and with a desk."""
    try:
        return KernelReader(card)
    except KernelUnavailable as reason:
        return CopyReader(card, because=str(reason))


class KernelUnavailable(Exception):
    """The kernels cannot be compiled or loaded here."""


class KernelReader:
    """Lets the card read its own memory."""

    words = "a kernel on the card"

    def __init__(self, card: Card) -> None:
        self._card = card
        capability = (
            card.attribute("COMPUTE_CAPABILITY_MAJOR"),
            card.attribute("COMPUTE_CAPABILITY_MINOR"),
        )
        # Kept, since the driver may read it as long as the module lives.
        self._image = compile_kernels(capability)
        try:
            self._module = card.call("cuModuleLoadData", self._image)
        except MemoryTrouble as trouble:
            if trouble.unfit:
                raise
            raise KernelUnavailable(f"the driver does not take the kernel, {trouble.code}") from trouble
        self._differing = card.call("cuModuleGetFunction", self._module, b"count_differing")
        self._marks = card.call("cuModuleGetFunction", self._module, b"count_marks")
        self._grid = _BLOCKS_PER_PROCESSOR * card.attribute("MULTIPROCESSOR_COUNT")
        self._run_once()

    def _run_once(self) -> None:
        # Kernels are put onto the card at their first launch, and by then there must be room.
        desk = Chunk(address=self._card.desk, size=MARK_BYTES, first_block=0, offset=0)
        self.differing(desk, ZEROS)
        self.marks(desk, bytes(MARK_BYTES))

    def differing(self, chunk: Chunk, pattern: Pattern) -> Count:
        """Count the words that are not what the pattern says."""
        u32, u64 = ctypes.c_uint32, ctypes.c_uint64
        return self._count(
            self._differing,
            (chunk.address, chunk.words, chunk.first_block, pattern.multiplier, pattern.salt),
            (ctypes.c_void_p, u64, u64, u32, u32),
            unit=WORD_BYTES,
        )

    def marks(self, chunk: Chunk, mark: bytes) -> Count:
        """Count the 16-byte units that equal the mark."""
        words = memoryview(mark).cast("I")
        return self._count(
            self._marks,
            (chunk.address, chunk.size // MARK_BYTES, *words),
            (ctypes.c_void_p, ctypes.c_uint64, *repeat(ctypes.c_uint32, 4)),
            unit=MARK_BYTES,
        )

    def _count(self, kernel: Any, values: tuple[int, ...], types: tuple[Any, ...], *, unit: int) -> Count:
        desk = self._card.desk
        self._card.call("cuMemsetD32Async", desk, 0, 2, 0)
        self._card.call("cuMemsetD32Async", desk + 8, 0xFFFFFFFF, 2, 0)
        arguments = ((*values, desk), (*types, ctypes.c_void_p))
        self._card.call("cuLaunchKernel", kernel, self._grid, 1, 1, _THREADS, 1, 1, 0, 0, arguments, 0)
        self._card.wait()
        number, lowest = memoryview(self._card.copy(desk, 16)).cast("Q")
        return Count(number=number, lowest_byte=None if lowest == _NONE else lowest * unit)


class CopyReader:
    """Copies the memory back and reads it on the host; slower, and needs nothing but the driver."""

    def __init__(self, card: Card, *, because: str) -> None:
        self.words = f"copying it back ({because})"
        self._card = card
        # Pinned, so that the card writes into it directly.
        self._buffer = int(card.call("cuMemHostAlloc", BLOCK_BYTES, 0))
        self._memcmp = ctypes.CDLL(None).memcmp
        self._memcmp.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t)

    def differing(self, chunk: Chunk, pattern: Pattern) -> Count:
        """Count the words that are not what the pattern says."""
        number, lowest = 0, None
        expected, word = b"", None
        for block, address, size in chunk.blocks():
            self._card.call("cuMemcpyDtoH", self._buffer, address, size)
            if word != pattern.word(block):
                word = pattern.word(block)
                expected = word.to_bytes(WORD_BYTES, "little") * (BLOCK_BYTES // WORD_BYTES)
            if self._memcmp(self._buffer, expected, size) == 0:
                continue
            found = memoryview(ctypes.string_at(self._buffer, size)).cast("I")
            differs = bytes(map(ne, found, repeat(word)))
            if lowest is None:
                lowest = address - chunk.address + differs.index(1) * WORD_BYTES
            number += differs.count(1)
        return Count(number=number, lowest_byte=lowest)

    def marks(self, chunk: Chunk, mark: bytes) -> Count:
        """Count the 16-byte units that equal the mark."""
        number, lowest = 0, None
        for _, address, size in chunk.blocks():
            self._card.call("cuMemcpyDtoH", self._buffer, address, size)
            found = ctypes.string_at(self._buffer, size)
            number += found.count(mark)
            if lowest is None and mark in found:
                lowest = address - chunk.address + found.index(mark)
        return Count(number=number, lowest_byte=lowest)


def compile_kernels(capability: tuple[int, int]) -> bytes:
    """Return the kernels, compiled for cards of this compute capability; raise `KernelUnavailable`."""
    try:
        from cuda.bindings import nvrtc
    except ImportError as error:
        raise KernelUnavailable(f"cuda-bindings has no NVRTC: {error}") from error
    source = resources.files("adapters.gpu_memory").joinpath("kernels.cu").read_bytes()
    # A finished program for this card. PTX would need a driver that is no older than the compiler.
    architecture = f"--gpu-architecture=sm_{capability[0]}{capability[1]}".encode()
    try:
        program = _made(nvrtc, nvrtc.nvrtcCreateProgram(source, b"kernels.cu", 0, [], []))
    except KernelUnavailable:
        raise
    except Exception as problem:
        # The bindings find out here that the library is missing, and have no common class for it.
        raise KernelUnavailable("nvidia-cuda-nvrtc is not installed") from problem
    (result,) = nvrtc.nvrtcCompileProgram(program, 1, [architecture])
    if result != nvrtc.nvrtcResult.NVRTC_SUCCESS:
        raise KernelUnavailable(f"{result.name} for {architecture.decode()}: {_log(nvrtc, program)}")
    # The bindings write into the bytes that they are given. The program goes with this process.
    image = b" " * int(_made(nvrtc, nvrtc.nvrtcGetCUBINSize(program)))
    _made(nvrtc, nvrtc.nvrtcGetCUBIN(program, image))
    return image


def _made(nvrtc: Any, answer: tuple[Any, ...]) -> Any:
    error, *given = answer
    if error != nvrtc.nvrtcResult.NVRTC_SUCCESS:
        raise KernelUnavailable(error.name)
    return given[0] if given else None


def _log(nvrtc: Any, program: Any) -> str:
    log = b" " * int(_made(nvrtc, nvrtc.nvrtcGetProgramLogSize(program)))
    _made(nvrtc, nvrtc.nvrtcGetProgramLog(program, log))
    return log.rstrip(b"\0 \n").decode(errors="replace")
