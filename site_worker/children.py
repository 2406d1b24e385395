"""The pool of processes in which adapters run: warm, reused, killed at the deadline, replaced.

Owned by one thread, which waits on `selector` and calls `poll`. No call can hurt the worker.
"""

import logging
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from site_worker.channel import Unpacker, pack
from site_worker.config import Config
from site_worker.outcomes import Outcome

log = logging.getLogger("shary.site")

_ROOT = str(Path(__file__).resolve().parent.parent)
_START_S = 60.0
_SUSPECT_S = 60.0
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


class Child:
    """One process and what it is doing."""

    def __init__(self, config: Config, selector: selectors.BaseSelector) -> None:
        self.call: Call | None = None
        self.ready = False
        self.since = time.monotonic()
        self._selector = selector
        self._unpacker = Unpacker()
        self._unsent = b""
        self.channel, theirs = socket.socketpair()
        self.noise, noise = os.pipe()
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "site_worker.adapter_child", str(theirs.fileno()), str(os.getpid())],
                pass_fds=[theirs.fileno()],
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
        os.set_blocking(self.noise, False)
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
    def deadline(self) -> float | None:
        """When it must have answered, by the monotonic clock."""
        if not self.ready:
            return self.since + _START_S
        return self.since + self.call.deadline_s if self.call else None

    def start(self, call: Call) -> None:
        """Send a call; the child must be idle."""
        self.call = call
        self.since = time.monotonic()
        self._send(
            {"adapter": call.adapter, "verb": call.verb, "body": call.body, "deadline_s": call.deadline_s}
        )

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

    def end(self) -> None:
        """Kill it, with all that it started, and let go of it."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        for thing in (self.channel, self.noise):
            with suppress(KeyError, ValueError):
                self._selector.unregister(thing)
        self.channel.close()
        os.close(self.noise)

    def _send(self, message: Any) -> None:
        self._unsent += pack(message)
        self.flush()


class Children:
    """The pool. Part of it is kept for opening and closing access, whatever the devices do."""

    def __init__(self, config: Config, selector: selectors.BaseSelector) -> None:
        self._config = config
        self._selector = selector
        self._children: list[Child] = []
        self._suspects: dict[str, float] = {}
        self._no_start_before = 0.0
        self._failed_starts = 0

    def fill(self) -> None:
        """Start what is missing; slower and slower while children fail to start."""
        if time.monotonic() < self._no_start_before:
            return
        while len(self._children) < self._config.children:
            self._children.append(Child(self._config, self._selector))

    @property
    def busy(self) -> int:
        """How many calls are under way."""
        return sum(child.call is not None for child in self._children)

    @property
    def idle(self) -> int:
        """How many children wait for a call."""
        return sum(child.ready and child.call is None for child in self._children)

    def room(self, *, urgent: bool) -> int:
        """Return how many more calls can start now: a quarter of the pool is for urgent ones."""
        if urgent:
            return self.idle
        kept = max(1, self._config.children // 4) if self._config.children > 1 else 0
        slow = sum(child.call is not None and not child.call.urgent for child in self._children)
        return max(0, min(self.idle, self._config.children - kept - slow))

    def full(self, *, urgent: bool) -> set[str]:
        """Return the adapters that have their share of the pool: one that hangs leaves room for others."""
        counts: dict[str, int] = {}
        for child in self._children:
            if child.call is not None:
                counts[child.call.adapter] = counts.get(child.call.adapter, 0) + 1
        return {name for name, count in counts.items() if count >= self._share(name, urgent)}

    def _share(self, adapter: str, urgent: bool) -> int:
        children = self._config.children
        if time.monotonic() - self._suspects.get(adapter, -_SUSPECT_S) < _SUSPECT_S:
            return max(1, children // 2)
        return children if urgent else max(1, children - 1)

    def start(self, call: Call) -> None:
        """Give a call to an idle child."""
        child = next(child for child in self._children if child.ready and child.call is None)
        child.start(call)

    def handle(self, key: selectors.SelectorKey, events: int) -> list[tuple[Call, Outcome]]:
        """Take what a child sent; return the calls that it finished."""
        child: Child = key.data
        if child not in self._children:
            return []
        if key.fileobj == child.noise:
            child.relay_noise()
            return []
        if events & selectors.EVENT_WRITE:
            child.flush()
        if not events & selectors.EVENT_READ:
            return []
        messages, alive = child.receive()
        finished: list[tuple[Call, Outcome]] = []
        for message in messages:
            if "ready" in message:
                child.ready = True
                self._failed_starts = 0
            elif child.call is not None:
                finished.append((child.call, self._outcome(child.call, message, child)))
                child.call = None
                if "bug" in message:
                    # It ends itself; nothing more may be given to it.
                    self._remove(child)
                    return finished
        if not alive:
            finished += self._lost(child)
        return finished

    def kill_overdue(self) -> list[tuple[Call, Outcome]]:
        """Kill the children that did not answer in time; return their calls."""
        now = time.monotonic()
        finished: list[tuple[Call, Outcome]] = []
        for child in list(self._children):
            if child.deadline is None or child.deadline > now:
                continue
            self._remove(child)
            if child.call is None:
                self._start_failed("did not start in time")
                continue
            self._suspects[child.call.adapter] = now
            message = (
                f"{child.call.adapter} did not answer “{child.call.verb}” within"
                f" {child.call.deadline_s:g} s and was stopped."
            )
            log.error("child=%d %s", child.process.pid, message)
            finished.append((child.call, _unknown(message, now - child.since)))
        return finished

    def next_deadline(self) -> float | None:
        """Return the seconds until the first call must have been answered."""
        deadlines = [child.deadline for child in self._children if child.deadline is not None]
        if len(self._children) < self._config.children:
            deadlines.append(self._no_start_before)
        return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None

    def stop(self) -> list[Call]:
        """End all children at once; return the calls that were under way."""
        cut = [child.call for child in self._children if child.call is not None]
        for child in list(self._children):
            self._remove(child)
        return cut

    def _outcome(self, call: Call, message: dict[str, Any], child: Child) -> Outcome:
        took = time.monotonic() - child.since
        if "bug" in message:
            log.error(
                "adapter=%s verb=%s has a bug, its outcome is unknown:\n%s",
                call.adapter,
                call.verb,
                message["bug"],
            )
            text = f"{call.adapter} failed in “{call.verb}” in a way it should not: {message['message']}"
            return _unknown(text, took)
        if "error" in message:
            return Outcome(
                at=message["at"], error=message["error"], message=message["message"], duration_s=took
            )
        return Outcome(at=message["at"], value=message["value"], duration_s=took)

    def _lost(self, child: Child) -> list[tuple[Call, Outcome]]:
        call = child.call
        child.relay_noise()
        self._remove(child)
        if call is None:
            if not child.ready:
                self._start_failed(f"ended with {child.process.returncode}")
            return []
        message = f"{call.adapter} ended its process in “{call.verb}” (exit status {child.process.returncode})."
        log.error("child=%d %s", child.process.pid, message)
        return [(call, _unknown(message, time.monotonic() - child.since))]

    def _start_failed(self, why: str) -> None:
        self._failed_starts += 1
        wait = min(30.0, 0.5 * 2**self._failed_starts)
        self._no_start_before = time.monotonic() + wait
        log.error("an adapter process %s; the next start waits %.0f s", why, wait)

    def _remove(self, child: Child) -> None:
        self._children.remove(child)
        child.end()


def _unknown(message: str, took: float) -> Outcome:
    return Outcome(at=time.time(), error="OutcomeUnknown", message=message, duration_s=took)
