"""The pool of processes in which adapters run: warm, reused, killed at the deadline, replaced.

Owned by one thread, which waits on `selector` and calls `poll`. No call can hurt the worker.
"""

import logging
import selectors
import time
from collections.abc import Sequence
from typing import Any

from site_worker.child import Call, Child
from site_worker.config import Config
from site_worker.outcomes import Outcome

log = logging.getLogger("shary.site")

_SUSPECT_S = 60.0
_STALL_S = 0.25
"""A cued call that takes longer than this gives those behind it to others."""
_AHEAD_S = 0.2
"""How much work a child may have before it in cues."""
_FEWEST_CUES, _MOST_CUES = 4, 24

Finished = tuple[Call, Outcome]


class Children:
    """The pool. Part of it is kept for opening and closing access, whatever the devices do."""

    def __init__(self, config: Config, selector: selectors.BaseSelector) -> None:
        self._config = config
        self._selector = selector
        self._children: list[Child] = []
        self._suspects: dict[str, float] = {}
        self._unbegun: list[Call] = []
        self._pace_s = 0.005
        self._listened_at = 0.0
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
        """How many children are at work."""
        return sum(bool(child.calls) for child in self._children)

    @property
    def cued(self) -> int:
        """How many cues are being worked off."""
        return sum(len(child.calls) for child in self._children if child.is_cued and self._flows(child))

    @property
    def idle(self) -> int:
        """How many children wait for a call."""
        return sum(child.is_idle for child in self._children)

    @property
    def kept(self) -> int:
        """How many children are kept for opening and closing, whatever else there is to do."""
        most = self._config.children
        return 0 if most == 1 else max(1 if most < 4 else 2, most // 4)

    def room(self, *, urgent: bool) -> int:
        """Return how many more calls can start now: a quarter of the pool is for urgent ones."""
        if urgent:
            return self.idle
        slow = sum(bool(child.calls) and not child.calls[0].urgent for child in self._children)
        return max(0, min(self.idle, self._config.children - self.kept - slow))

    @property
    def room_to_open(self) -> int:
        """Return how many calls that open access can start now: one child is for closing it."""
        return max(0, self.idle - (1 if self._config.children >= 4 else 0))

    def full(self, *, urgent: bool) -> set[str]:
        """Return the adapters that have their share of the pool: one that hangs leaves room for others."""
        counts: dict[str, int] = {}
        for child in self._children:
            if child.calls:
                counts[child.calls[0].adapter] = counts.get(child.calls[0].adapter, 0) + 1
        return {name for name, count in counts.items() if count >= self._share(name, urgent)}

    def _share(self, adapter: str, urgent: bool) -> int:
        children = self._config.children
        if time.monotonic() - self._suspects.get(adapter, -_SUSPECT_S) < _SUSPECT_S:
            return max(1, children // 2)
        return children if urgent else max(1, children - 1)

    def start(self, call: Call, avoid: Sequence[Child] = ()) -> None:
        """Give a call to an idle child, to one that is not needed for something else if there is one."""
        idle = [child for child in self._children if child.is_idle]
        min(idle, key=lambda child: child in avoid).start(call)

    def to_brief(self, crew: Sequence[Child]) -> list[Child]:
        """Return the idle children that may be told of leases to come; `crew` are those told before."""
        kept = [child for child in crew if child in self._children]
        more = [child for child in self._children if child not in kept]
        crew = (kept + more)[: max(1, self._config.children - self.kept)]
        return [child for child in crew if child.is_idle][: self.room(urgent=False)]

    def to_cue(self, crew: Sequence[Child]) -> list[Child]:
        """Return the children among `crew` that may be cued now."""
        idle = [child for child in crew if child in self._children and child.is_idle]
        return [child for child in self._children if child.is_cued and self._flows(child)] + idle[
            : self.room_to_open
        ]

    def cues_wanted(self, children: Sequence[Child]) -> int:
        """Return how many cues those children can take; none while they have half of them yet to do."""
        most = len(children) * max(_FEWEST_CUES, min(_MOST_CUES, int(_AHEAD_S / self._pace_s)))
        left = sum(len(child.calls) for child in children)
        return most - left if left <= most // 2 else 0

    def take_unbegun(self) -> list[Call]:
        """Return the cued calls that were not begun and must go to other children."""
        for child in self._children:
            if len(child.calls) > 1 and not self._flows(child):
                self._unbegun += child.take_back()
        unbegun, self._unbegun = self._unbegun, []
        return unbegun

    def _flows(self, child: Child) -> bool:
        # By the last time anybody listened: it is not the child that stalls when the worker does.
        return self._listened_at - child.since < _STALL_S

    def handle(self, key: selectors.SelectorKey, events: int) -> list[Finished]:
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
        finished = self._answers(child, messages)
        if any("bug" in message for message in messages):
            # It ends itself; nothing more may be given to it.
            return finished + self._remove(child)
        if not alive:
            finished += self._lost(child)
        return finished

    def kill_overdue(self) -> list[Finished]:
        """Kill the children that did not answer in time; return their calls."""
        now = self._listened_at = time.monotonic()
        finished: list[Finished] = []
        for child in list(self._children):
            if child.deadline is None or child.deadline > now:
                continue
            late = child.call
            began = child.since
            finished += self._remove(child)
            if late is None:
                self._start_failed("did not start in time")
                continue
            if late not in child.calls:
                continue  # its answer came at the last moment
            self._suspects[late.adapter] = now
            message = (
                f"{late.adapter} did not answer “{late.verb}” within {late.deadline_s:g} s and was stopped."
            )
            log.error("child=%d %s", child.process.pid, message)
            finished += [(call, _unknown(message, now - began)) for call in child.calls]
        return finished

    def next_deadline(self) -> float | None:
        """Return the seconds until the first call must have been answered, or gives up those behind it."""
        deadlines = [child.deadline for child in self._children if child.deadline is not None]
        deadlines += [child.since + _STALL_S for child in self._children if len(child.calls) > 1]
        if len(self._children) < self._config.children:
            deadlines.append(self._no_start_before)
        return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None

    def take_back_cues(self) -> list[Call]:
        """Return all cued calls that were not begun: they never will be."""
        for child in self._children:
            self._unbegun += child.take_back()
        return self.take_unbegun()

    def stop(self) -> tuple[list[Finished], list[Call]]:
        """End all children at once; return what was answered meanwhile, and the calls that were cut."""
        finished: list[Finished] = []
        cut: list[Call] = []
        for child in list(self._children):
            finished += self._remove(child)
            cut += child.calls
        return finished, cut

    def _answers(self, child: Child, messages: Sequence[dict[str, Any]]) -> list[Finished]:
        finished: list[Finished] = []
        for message in messages:
            if "ready" in message:
                child.ready = True
                self._failed_starts = 0
                continue
            began = child.since
            call = child.answered(message)
            if call is None:
                continue
            if "unbegun" in message:
                self._unbegun.append(call)
                continue
            took = message.get("took_s", time.monotonic() - began)
            if call.cue is not None:
                self._pace_s += (max(0.0005, took) - self._pace_s) / 16
            finished.append((call, _outcome(call, message, took)))
        return finished

    def _lost(self, child: Child) -> list[Finished]:
        child.relay_noise()
        began = child.since
        finished = self._remove(child)
        if not child.ready:
            self._start_failed(f"ended with {child.process.returncode}")
        for call in child.calls:
            message = (
                f"{call.adapter} ended its process in “{call.verb}” (exit status {child.process.returncode})."
            )
            log.error("child=%d %s", child.process.pid, message)
            finished.append((call, _unknown(message, time.monotonic() - began)))
        return finished

    def _start_failed(self, why: str) -> None:
        self._failed_starts += 1
        wait = min(30.0, 0.5 * 2**self._failed_starts)
        self._no_start_before = time.monotonic() + wait
        log.error("an adapter process %s; the next start waits %.0f s", why, wait)

    def _remove(self, child: Child) -> list[Finished]:
        """End a child; what is then left in its `calls` was begun and has no answer."""
        self._children.remove(child)
        words, unbegun = child.end()
        self._unbegun += unbegun
        return self._answers(child, words)


def _outcome(call: Call, message: dict[str, Any], took: float) -> Outcome:
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
        return Outcome(at=message["at"], error=message["error"], message=message["message"], duration_s=took)
    return Outcome(at=message["at"], value=message["value"], duration_s=took)


def _unknown(message: str, took: float) -> Outcome:
    return Outcome(at=time.time(), error="OutcomeUnknown", message=message, duration_s=took)
