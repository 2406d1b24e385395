"""How long the inventory of eight cards takes, against the bare calls of NVML that it consists of."""

import ctypes
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from ctypes import byref, c_char, c_int, c_uint, c_ulonglong
from pathlib import Path

from adapters.emulators.nvml.build import (
    STATE_VARIABLE,
    CannotBuild,
    FakeCard,
    FakeHost,
    build,
    preload,
    write_machine,
)
from bench.measuring import Record, Result, interleaved, parser, ratio_of, say

CARDS = 8
# What a driver with persistence mode on needs: a call that asks the card tens of microseconds, one
# that only reads what the library knows next to nothing, opening the library some milliseconds.
ANSWER_US, OPEN_US = 50, 5000

_TEXTS = ("nvmlDeviceGetName", "nvmlDeviceGetUUID", "nvmlDeviceGetSerial", "nvmlDeviceGetVbiosVersion")
_NUMBERS = (
    "nvmlDeviceGetNumGpuCores",
    "nvmlDeviceGetComputeMode",
    "nvmlDeviceGetPersistenceMode",
    "nvmlDeviceGetPowerManagementLimit",
    "nvmlDeviceGetPowerManagementDefaultLimit",
    "nvmlDeviceGetPowerUsage",
)
_PAIRS = (
    "nvmlDeviceGetMigMode",
    "nvmlDeviceGetEccMode",
    "nvmlDeviceGetPowerManagementLimitConstraints",
    "nvmlDeviceGetUtilizationRates",  # a structure of two numbers
)
_CLOCKS = (
    "nvmlDeviceGetApplicationsClock",
    "nvmlDeviceGetDefaultApplicationsClock",
    "nvmlDeviceGetMaxClockInfo",
)
_PROCESSES = (
    "nvmlDeviceGetComputeRunningProcesses_v3",
    "nvmlDeviceGetGraphicsRunningProcesses_v3",
    "nvmlDeviceGetMPSComputeRunningProcesses_v3",
)


def main() -> int:
    """Measure the inventory with answers as slow as a driver's, and with immediate ones."""
    options = parser(__doc__).parse_args()
    record = Record(bench="NVML inventory", quick=options.quick)
    with tempfile.TemporaryDirectory() as folder:
        try:
            library = build(Path(folder))
        except CannotBuild as reason:
            say(f"Not measured: {reason}")
            return 0
        os.environ[STATE_VARIABLE] = str(Path(folder) / "machine")
        preload(library)
        times = 2 if options.quick else 20
        record.conditions |= {
            "cards": CARDS,
            "answers": f"{ANSWER_US} µs, opening {OPEN_US} µs",
            "times": times,
        }
        for label, answer_us, open_us, goal in (
            ("inventory of 8 cards", ANSWER_US, OPEN_US, "<= 1.5"),
            ("the same, answers at once", 0, 0, ""),
        ):
            _say_cards(Path(folder) / "machine", FakeHost(latency_us=answer_us, init_latency_us=open_us))
            _measure(record, library, label, goal, options.rounds, times)
    return record.finish(options.json)


def _say_cards(file: Path, host: FakeHost) -> None:
    cards = [
        FakeCard(pci=f"0000:{0x10 + 8 * number:02x}:00.0", uuid=f"GPU-{number:08d}", serial=f"165{number}")
        for number in range(CARDS)
    ]
    write_machine(file, cards, host=host)


def _measure(record: Record, library: Path, label: str, goal: str, rounds: int, times: int) -> None:
    from adapters.nvml import read_cards

    bare = _bare(library)
    assert len(read_cards()) == bare() == CARDS
    products, floors = interleaved(
        rounds, lambda: _median_ms(read_cards, times), lambda: _median_ms(bare, times), label=label
    )
    record.add(
        Result(
            name=label,
            product=statistics.median(products),
            floor=statistics.median(floors),
            unit="ms",
            ratio=ratio_of(products, floors),
            goal=goal,
            rounds=products,
        )
    )


def _median_ms(work: Callable[[], object], times: int) -> float:
    taken = []
    for _ in range(times):
        before = time.perf_counter()
        work()
        taken.append(time.perf_counter() - before)
    return statistics.median(taken) * 1000


def _bare(library: Path) -> Callable[[], int]:
    """Return what asks the same of each card, with functions and room made ready beforehand."""
    nvml = ctypes.CDLL(str(library))
    text, pair, memory, pci = (c_char * 128)(), (c_uint * 2)(), (c_ulonglong * 3)(), (c_char * 256)()
    number, other, version = c_uint(), c_uint(), c_int()
    handle = ctypes.c_void_p()
    at = byref(handle)
    second = ctypes.cast(ctypes.addressof(pair) + 4, ctypes.POINTER(c_uint))
    texts, numbers, pairs, clocks, processes = (
        [getattr(nvml, name) for name in names] for names in (_TEXTS, _NUMBERS, _PAIRS, _CLOCKS, _PROCESSES)
    )

    def work() -> int:
        nvml.nvmlInitWithFlags(0)
        nvml.nvmlSystemGetDriverVersion(text, 81)
        nvml.nvmlSystemGetCudaDriverVersion_v2(byref(version))
        nvml.nvmlDeviceGetCount_v2(byref(other))
        count = other.value
        for index in range(count):
            nvml.nvmlDeviceGetHandleByIndex_v2(index, at)
            nvml.nvmlDeviceGetPciInfo_v3(handle, pci)
            nvml.nvmlDeviceGetMemoryInfo(handle, memory)
            nvml.nvmlDeviceGetTemperature(handle, 0, byref(number))
            for ask in texts:
                ask(handle, text, 96)
            for ask in numbers:
                ask(handle, byref(number))
            for ask in pairs:
                ask(handle, pair, second)
            for ask in clocks:
                ask(handle, 0, byref(number))
                ask(handle, 2, byref(number))
            for ask in processes:
                number.value = 0
                ask(handle, byref(number), None)
        nvml.nvmlShutdown()
        return count

    return work


if __name__ == "__main__":
    sys.exit(main())
