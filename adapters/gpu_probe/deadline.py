"""Gives an action a process of its own, and an end: a driver that hangs must not take its caller with it."""

import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable


class DeadlinePassed(Exception):
    """The action had no answer in time, and was killed."""


class ActionDied(Exception):
    """The action ended without an answer."""


def answer_within(action: Callable[[], bytes], deadline_s: float) -> bytes:
    """Return what the action answers; raise `DeadlinePassed` or `ActionDied`. Call it before threads are started."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _act(action, writing)
    os.close(writing)
    try:
        return _read_all(reading, deadline_s)
    except DeadlinePassed:
        os.kill(child, signal.SIGKILL)
        raise
    finally:
        os.close(reading)
        # One that hangs inside the kernel does not even die: it is left to the kernel.
        _reap(child)


def _act(action: Callable[[], bytes], writing: int) -> None:
    try:
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(action())
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(1)


def _read_all(reading: int, deadline_s: float) -> bytes:
    ends = time.monotonic() + deadline_s
    pieces: list[bytes] = []
    while True:
        ready, _, _ = select.select([reading], [], [], max(0.0, ends - time.monotonic()))
        if not ready:
            raise DeadlinePassed
        piece = os.read(reading, 65536)
        if not piece:
            break
        pieces.append(piece)
    if not pieces:
        raise ActionDied
    return b"".join(pieces)


def _reap(child: int) -> None:
    ends = time.monotonic() + 2
    while time.monotonic() < ends:
        if os.waitpid(child, os.WNOHANG) != (0, 0):
            return
        time.sleep(0.01)
