"""What can be broken on purpose, so that tests see what a bad day does to an adapter."""

import re
import threading
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["hang", "late", "lie", "drop", "refuse"]


@dataclass
class Fault:
    """One thing that goes wrong with the requests it matches.

    hang:   the request is read and never answered; nothing happens
    late:   it takes effect, and the answer does not come until the fault is mended
    lie:    it is acknowledged, and nothing happens
    drop:   it takes effect, and the connection breaks before the answer
    refuse: it is refused with `words`; nothing happens
    """

    kind: Kind
    match: str = r"(POST|PUT|PATCH|DELETE) "
    """A regular expression over `METHOD /path`; by itself it matches every change."""
    times: int | None = None
    """How often it strikes; None for always."""
    status: int = 500
    words: str = "Emulated failure"
    mended: threading.Event = field(default_factory=threading.Event)

    def strikes(self, request: str) -> bool:
        """Say whether the fault hits this request, and use it up by one."""
        if self.times == 0 or re.match(self.match, request) is None:
            return False
        if self.times is not None:
            self.times -= 1
        return True


class Faults:
    """The faults that are on at this moment."""

    def __init__(self) -> None:
        self._on: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> Fault:
        """Switch a fault on."""
        with self._lock:
            self._on.append(fault)
        return fault

    def mend(self) -> None:
        """Switch all faults off and let go of the requests that they hold."""
        with self._lock:
            gone, self._on = self._on, []
        for fault in gone:
            fault.mended.set()

    def hit(self, request: str) -> Fault | None:
        """Return the fault that hits this request."""
        with self._lock:
            return next((fault for fault in self._on if fault.strikes(request)), None)
