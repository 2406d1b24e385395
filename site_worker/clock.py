"""What time it is for starting, and what time it is for ending."""

import time

_TOLERANCE_S = 1.0


class Clock:
    """The wall clock, with a memory that an end is not put off when somebody sets it back."""

    def __init__(self) -> None:
        self._wall = time.time()
        self._boot = _since_boot()

    def now(self) -> float:
        """Return the wall clock: nothing starts before it says so."""
        return time.time()

    def latest(self) -> float:
        """Return the later of the wall clock and the time that has passed since it was last trusted."""
        wall, boot = time.time(), _since_boot()
        passed = self._wall + (boot - self._boot)
        if wall >= passed - _TOLERANCE_S:
            self._wall, self._boot = wall, boot
            return wall
        return passed

    def set_back_s(self) -> float:
        """Return by how much the wall clock was set back since the worker started."""
        return max(0.0, self.latest() - time.time())


def _since_boot() -> float:
    # CLOCK_BOOTTIME goes on while the machine is suspended; CLOCK_MONOTONIC does not.
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
