"""What can be wrong with the emulated switch, on request."""

import threading
from typing import Any, Literal

import grpc

from adapters.emulators.p4runtime.device import Device

Fault = Literal["unreachable", "hang", "late", "lie", "die"]
"""unreachable: nothing listens; hang: nothing is answered; late: changes are made, and answered
only when the fault is mended; lie: changes are acknowledged and not made; die: the switch restarts
right after it made a change, and answers no more."""


class Faults:
    """The fault of the moment. Each call passes by here."""

    def __init__(self) -> None:
        self._fault: Fault | None = None
        self._mended = threading.Event()
        self._mended.set()

    @property
    def lies(self) -> bool:
        return self._fault == "lie"

    def begin(self, fault: Fault) -> None:
        self._fault = fault
        self._mended.clear()

    def end(self) -> None:
        self._fault = None
        self._mended.set()

    def before(self, context: Any) -> None:
        """Wait while the switch hangs. Whoever was caught in it is not served afterwards either."""
        if self._fault == "hang":
            self._wait(context)
            context.abort(grpc.StatusCode.UNAVAILABLE, "the switch hung")

    def after_change(self, context: Any, device: Device) -> None:
        """Do not answer, or not in time."""
        if self._fault == "late":
            self._wait(context)
        elif self._fault == "die":
            with device.lock:
                device.restart()
            context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")

    def _wait(self, context: Any) -> None:
        gone = self._mended
        # The call's end wakes the wait as well, without counting as mending.
        while context.is_active() and not gone.wait(0.05):
            pass
        if not context.is_active():
            context.abort(grpc.StatusCode.CANCELLED, "the caller has gone")
