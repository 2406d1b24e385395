"""Who waits, in lines of those who are alike in all that decides where and when they can start."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush

from scheduling.queue.places import Places
from scheduling.queue.requests import Request


@dataclass(slots=True, eq=False)
class Entry:
    """One waiting request."""

    request: Request
    seq: int
    """Its place by arrival; kept when it had to give way."""
    line: "Line | None" = None
    """None while it is put off until later, and once it is gone."""

    def __lt__(self, other: "Entry") -> bool:
        return self.seq < other.seq


@dataclass(slots=True, eq=False)
class Line:
    """Requests that are alike: when the first cannot start, none of them can."""

    number: int
    need: int
    length: int
    least: int
    request: Request
    """One of them, for all that they have in common."""
    places: Places
    entries: list[tuple[int, Entry]] = field(default_factory=list)
    """A heap by arrival; some may have left."""
    count: int = 0

    def first(self) -> Entry | None:
        """Return who came first of those who are still there."""
        entries = self.entries
        while entries:
            entry = entries[0][1]
            if entry.line is self:
                return entry
            heappop(entries)
        return None

    def __lt__(self, other: "Line") -> bool:
        return self.number < other.number


class Waiting:
    """All lines, by what their requests have in common."""

    def __init__(self) -> None:
        self.lines: dict[object, Line] = {}
        self.busy: dict[int, Line] = {}
        """Those in which somebody waits."""
        self.count = 0

    def add(self, entry: Entry, places: Places) -> Line:
        """It waits from now on."""
        request = entry.request
        key = (
            request.institution,
            request.project,
            request.need,
            request.length_s,
            request.least_length_s,
            request.priority,
            request.preemptible,
            request.same_host or request.wired,
            places.number,
        )
        line = self.lines.get(key)
        if line is None:
            line = self.lines[key] = Line(
                len(self.lines),
                request.need,
                request.length_s,
                request.least_length_s or request.length_s,
                request,
                places,
            )
        entry.line = line
        heappush(line.entries, (entry.seq, entry))
        line.count += 1
        self.count += 1
        self.busy[line.number] = line
        return line

    def remove(self, entry: Entry) -> None:
        """It waits no longer."""
        line = entry.line
        if line is None:
            return
        entry.line = None
        line.count -= 1
        self.count -= 1
        if not line.count:
            del self.busy[line.number]
            line.entries.clear()

    def __iter__(self) -> Iterator[Entry]:
        for line in self.busy.values():
            for _, entry in line.entries:
                if entry.line is line:
                    yield entry
