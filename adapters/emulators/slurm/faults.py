"""What can be broken on purpose, so that tests see what a bad day does to an adapter."""

import threading
from typing import Literal

Kind = Literal["hang", "late", "lie"]


class Faults:
    """At most one fault at a time, for all who call."""

    def __init__(self) -> None:
        self._kind: Kind | None = None
        self._mended = threading.Event()

    def add(self, kind: Kind) -> None:
        """Break from now on."""
        self._mended = threading.Event()
        self._kind = kind

    def mend(self) -> None:
        """End the fault and let go who waits for an answer."""
        self._kind = None
        self._mended.set()

    def now(self, *, changes: bool) -> Kind | None:
        """Return what is wrong with such a call; a question is answered, unless everything hangs."""
        return self._kind if changes or self._kind == "hang" else None

    def wait(self) -> None:
        """Return when the fault is over, or after a while nobody waits any longer."""
        self._mended.wait(60)
