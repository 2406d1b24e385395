"""One process in which adapters run, as the worker sees it: what it was given, and what it said.

A child does one call at a time. It may be *briefed* on leases that are about to start, and is then
*cued*: a cue is sixteen bytes in a pipe. Whoever reads a cue has it, the child or the worker, so
a cue that the child has not begun can be taken back without asking it.
"""

import logging
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from site_worker.channel import CUE, Unpacker, pack
from site_worker.config import Config

log = logging.getLogger("shary.site")

_ROOT = str(Path(__file__).resolve().parent.parent)
_START_S = 60.0
_LOG_LINES = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One verb of one adapter, to be run in a child."""

    adapter: str
    verb: str
    body: str
    deadline_s: float
    urgent: bool
    subject: Any
    """Whatever the caller wants to have back with the outcome."""
    cue: int | None = None
    """The number of the brief, when the child knows the call already."""


class Child:
    """One process and what it is doing."""

    def __init__(self, config: Config, selector: selectors.BaseSelector) -> None:
        self.calls: deque[Call] = deque()
        """The call under way, then the cues that it has not begun."""
        self.ready = False
        self.since = time.monotonic()
        self._selector = selector
        self._unpacker = Unpacker()
        self._unsent = b""
        self.channel, theirs = socket.socketpair()
        self.noise, noise = os.pipe()
        # Both ends are kept: reading takes cues back.
        self._cues, self._cue = os.pipe()
        try:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "site_worker.adapter_child"),
                    *(str(theirs.fileno()), str(self._cues), str(os.getpid())),
                ],
                pass_fds=[theirs.fileno(), self._cues],
                stdin=subprocess.DEVNULL,
                stdout=noise,
                stderr=noise,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join((_ROOT, os.environ.get("PYTHONPATH", "")))},
            )
        finally:
            theirs.close()
            os.close(noise)
        self.channel.setblocking(False)
        for end in (self.noise, self._cues, self._cue):
            os.set_blocking(end, False)
        selector.register(self.channel, selectors.EVENT_READ, self)
        selector.register(self.noise, selectors.EVENT_READ, self)
        self._send(
            {
                "values": dict(config.secrets.values),
                "files": dict(config.secrets.files),
                "extra_adapters": dict(config.extra_adapters),
                "path": sys.path,
                "memory_mib": config.child_memory_mib,
            }
        )

    @property
    def call(self) -> Call | None:
        """The call under way."""
        return self.calls[0] if self.calls else None

    @property
    def is_idle(self) -> bool:
        """Whether it waits for a call."""
        return self.ready and not self.calls

    @property
    def is_cued(self) -> bool:
        """Whether what it does comes from cues, so that it can take more of them."""
        return bool(self.calls) and self.calls[0].cue is not None

    @property
    def deadline(self) -> float | None:
        """When it must have answered, by the monotonic clock."""
        if not self.ready:
            return self.since + _START_S
        return self.since + self.calls[0].deadline_s if self.calls else None

    def start(self, call: Call) -> None:
        """Send a call; the child must be idle."""
        self.calls.append(call)
        self.since = time.monotonic()
        self._send(
            {"adapter": call.adapter, "verb": call.verb, "body": call.body, "deadline_s": call.deadline_s}
        )

    def cue(self, call: Call, *, begin_before: float) -> bool:
        """Let it do what it was briefed on, and not begin later than that by the monotonic clock."""
        try:
            os.write(self._cue, CUE.pack(call.cue, begin_before))
        except OSError:
            return False
        if not self.calls:
            self.since = time.monotonic()
        self.calls.append(call)
        return True

    def take_back(self) -> list[Call]:
        """Return the cued calls that it has not begun and now never will."""
        numbers = set()
        with suppress(BlockingIOError):
            while cue := os.read(self._cues, CUE.size):
                numbers.add(CUE.unpack(cue)[0])
                if len(numbers) >= len(self.calls):
                    break
        back = [call for call in self.calls if call.cue in numbers]
        self.calls = deque(call for call in self.calls if call.cue not in numbers)
        return back

    def answered(self, message: dict[str, Any]) -> Call | None:
        """Return the call that the message answers; the next one begins."""
        if not self.calls or self.calls[0].cue != message.get("cue"):
            return None
        self.since = time.monotonic()
        return self.calls.popleft()

    def receive(self) -> tuple[list[Any], bool]:
        """Return the messages that arrived, and whether the child is still there."""
        try:
            piece = self.channel.recv(1 << 18)
        except BlockingIOError:
            return [], True
        except OSError:
            return [], False
        return self._unpacker.feed(piece), bool(piece)

    def flush(self) -> None:
        """Go on sending what the channel did not take at once."""
        try:
            while self._unsent:
                sent = self.channel.send(self._unsent)
                self._unsent = self._unsent[sent:]
        except BlockingIOError:
            pass
        except OSError:
            self._unsent = b""  # it is gone; reading says so
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._unsent else 0)
        if self._selector.get_key(self.channel).events != events:
            self._selector.modify(self.channel, events, self)

    def relay_noise(self) -> None:
        """Write to the log what the adapter printed."""
        with suppress(BlockingIOError):
            text = os.read(self.noise, 1 << 16).decode(errors="replace")
            if not text:
                self._selector.unregister(self.noise)
                return
            for line in text.splitlines()[:_LOG_LINES]:
                log.info("child=%d said: %.500s", self.process.pid, line)

    def end(self) -> tuple[list[Any], list[Call]]:
        """Kill it, with all that it started; return its last words and the calls it never began."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        words = list(self._last_words())
        unbegun = self.take_back()
        for thing in (self.channel, self.noise):
            with suppress(KeyError, ValueError):
                self._selector.unregister(thing)
        self.channel.close()
        for end in (self.noise, self._cues, self._cue):
            os.close(end)
        return words, unbegun

    def _last_words(self) -> Iterator[Any]:
        for _ in range(64):
            messages, alive = self.receive()
            yield from messages
            if not alive or not messages:
                return

    def _send(self, message: Any) -> None:
        self._unsent += pack(message)
        self.flush()
