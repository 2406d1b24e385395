"""Wipes and searches a card's memory, inside the process that has the card."""

import time
from collections.abc import Callable
from dataclasses import replace

from adapters.gpu_memory.card import Card, Chunk, open_card
from adapters.gpu_memory.pattern import BLOCK_BYTES, Pattern, passes
from adapters.gpu_memory.readers import Reader, reader_for
from adapters.gpu_memory.report import GIB, Pass, SearchReport, WipeReport
from adapters.gpu_memory.trouble import MemoryTrouble

Tell = Callable[[WipeReport], None]


class _TimeIsUp(Exception):
    pass


class _Budget:
    def __init__(self, budget_s: float) -> None:
        self.budget_s = budget_s
        self._end = time.monotonic() + budget_s

    def check(self) -> None:
        if time.monotonic() > self._end:
            raise _TimeIsUp

    @property
    def words(self) -> str:
        return f"the time for it, {self.budget_s:g} s, was up"


class _Stopwatch:
    """Adds up bytes and seconds."""

    def __init__(self) -> None:
        self._bytes = 0
        self._seconds = 0.0

    def measure(self, size: int, action: Callable[[], object]) -> None:
        began = time.monotonic()
        action()
        self._seconds += time.monotonic() - began
        self._bytes += size

    @property
    def gib_per_s(self) -> float:
        return round(self._bytes / GIB / self._seconds, 3) if self._seconds else 0.0


def wipe(device: str, *, budget_s: float, salt: int, tell: Tell) -> WipeReport:
    """Take all memory, fill it three times, read it after each time; say how far it came, whatever happens.

    `tell` gets the report so far before each step that could hang.
    """
    wiper = _Wiper(_Budget(budget_s), tell)
    try:
        with open_card(device) as card:
            wiper.run(card, salt)
    except _TimeIsUp:
        return replace(wiper.report, stopped=wiper.budget.words)
    except MemoryTrouble as trouble:
        return replace(wiper.report, trouble=str(trouble), unfit=trouble.unfit)
    return wiper.report


class _Wiper:
    def __init__(self, budget: _Budget, tell: Tell) -> None:
        self.budget = budget
        self.report = WipeReport()
        self._tell = tell
        self._fills, self._reads = _Stopwatch(), _Stopwatch()

    def run(self, card: Card, salt: int) -> None:
        card.take_desk()
        card.clear_desk()
        reader = reader_for(card)
        card.take_everything()
        self._say(
            model=card.model,
            total_bytes=card.total_bytes,
            reached_bytes=card.reached_bytes,
            reader=reader.words,
        )
        for pattern in passes(salt):
            self._fill(card, pattern)
            self._read(card, reader, pattern)

    def _fill(self, card: Card, pattern: Pattern) -> None:
        # All of it before any of it is read: else memory that answers for other memory would not show.
        done = Pass(pattern=pattern.name)
        before = self.report.passes
        self._say(passes=(*before, done))
        for chunk in card.chunks:
            self.budget.check()
            self._fills.measure(chunk.size, lambda chunk=chunk: card.fill(chunk, pattern))  # type: ignore[misc]
            done = replace(done, filled_bytes=done.filled_bytes + chunk.size)
            self._say(passes=(*before, done), fill_gib_per_s=self._fills.gib_per_s)

    def _read(self, card: Card, reader: Reader, pattern: Pattern) -> None:
        for chunk in card.chunks:
            self.budget.check()
            self._reads.measure(chunk.size, lambda chunk=chunk: self._read_one(reader, chunk, pattern))  # type: ignore[misc]
        # The block that the kernel writes its results to is filled and read by the driver.
        card.clear_desk()
        left = card.copy(card.desk, BLOCK_BYTES)
        wrong = sum(map(bool, memoryview(left).cast("I"))) if any(left) else 0
        *before, done = self.report.passes
        done = replace(
            done,
            filled_bytes=done.filled_bytes + BLOCK_BYTES,
            read_bytes=done.read_bytes + BLOCK_BYTES,
            differing_words=done.differing_words + wrong,
        )
        self._say(passes=(*before, done))

    def _read_one(self, reader: Reader, chunk: Chunk, pattern: Pattern) -> None:
        found = reader.differing(chunk, pattern)
        *before, done = self.report.passes
        lowest = done.lowest_byte
        if lowest is None and found.lowest_byte is not None:
            lowest = chunk.offset + found.lowest_byte
        done = replace(
            done,
            read_bytes=done.read_bytes + chunk.size,
            differing_words=done.differing_words + found.number,
            lowest_byte=lowest,
        )
        self._say(passes=(*before, done), read_gib_per_s=self._reads.gib_per_s)

    def _say(self, **news: object) -> None:
        self.report = replace(self.report, **news)  # type: ignore[arg-type]
        self._tell(self.report)


def search(device: str, *, mark: bytes, budget_s: float) -> SearchReport:
    """Take all memory and count the mark in it, as it was left; write nothing but one block for results.

    The block for results is looked through, too, before it is used.
    """
    budget = _Budget(budget_s)
    report = SearchReport()
    try:
        with open_card(device) as card:
            card.take_desk()
            report = replace(
                report,
                model=card.model,
                total_bytes=card.total_bytes,
                read_bytes=BLOCK_BYTES,
                marks=card.copy(card.desk, BLOCK_BYTES).count(mark),
            )
            reader = reader_for(card)
            card.take_everything()
            report = replace(report, reader=reader.words)
            for chunk in card.chunks:
                budget.check()
                found = reader.marks(chunk, mark)
                report = replace(
                    report, read_bytes=report.read_bytes + chunk.size, marks=report.marks + found.number
                )
    except _TimeIsUp:
        return replace(report, stopped=budget.words)
    except MemoryTrouble as trouble:
        return replace(report, trouble=str(trouble), unfit=trouble.unfit)
    return report
