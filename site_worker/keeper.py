"""Keeps the site's time: does for each lease what is due, exactly when it is due, hub or no hub.

One thread per worker process. It sleeps until the next moment at which something is due, a child
answers, or somebody rings. All it decides, it decides from the journal: killed at any point, the
next process goes on from there.
"""

import logging
import selectors
import socket
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from adapters.errors import InvalidSettings
from site_worker.catalogue import describe
from site_worker.children import Call, Children
from site_worker.claims import Claim, claim_due, hand_back, record_outcomes
from site_worker.clock import Clock
from site_worker.config import Config
from site_worker.journal import Journal
from site_worker.outcomes import Outcome
from site_worker.watch import Look, due_looks, record_looks

log = logging.getLogger("shary.site")

_LONGEST_SLEEP_S = 1.0
"""Other processes of the site ring only their own keeper, and may die."""
_GATHER_S = 0.02
_RUSH_S = 0.4
_RUSH = 500
"""While many leases open or close at once, their results are written down in larger batches."""
_FORGET_AFTER_S = 30 * 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LastResort:
    """An end of access without a claim, because the journal cannot be written."""

    claim: Claim


class Keeper:
    """The thread that keeps time."""

    def __init__(
        self, *, config: Config, journal: Journal, clock: Clock, on_reports: Callable[[], None]
    ) -> None:
        self._config = config
        self._journal = journal
        self._clock = clock
        self._on_reports = on_reports
        self._selector = selectors.DefaultSelector()
        self._children = Children(config, self._selector)
        self._bell, self._ear = socket.socketpair()
        self._bell.setblocking(False)
        self._ear.setblocking(False)
        self._selector.register(self._ear, selectors.EVENT_READ, None)
        self._urgent: deque[Claim] = deque()
        self._done: list[tuple[Claim, Outcome]] = []
        self._done_since = 0.0
        self._seen: list[tuple[Look, Outcome]] = []
        self._last_resort: dict[str, float] = {}
        self._deadlines: dict[tuple[str, str], float] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)
        self._swept_at = 0.0
        self._forgot_at = time.monotonic()
        self.turned_at = time.monotonic()
        """When the loop last came round; a heartbeat tells progress, not existence."""

    def start(self) -> None:
        """Begin to keep time."""
        self._thread.start()

    def ring(self) -> None:
        """Wake up: something in the journal is new. Callable from any thread."""
        with suppress(BlockingIOError, OSError):
            self._bell.send(b"!")

    def stop(self) -> None:
        """Begin to stop: nothing new is claimed."""
        self._stopping.set()
        self.ring()

    def join(self, timeout_s: float) -> bool:
        """Wait until the keeper has stopped; return whether it has."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def is_running(self) -> bool:
        """Whether the thread is at work."""
        return self._thread.is_alive()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                try:
                    self._turn()
                except sqlite3.Error:
                    # A full disk must not keep anybody's access open.
                    log.exception("site=%s the journal cannot be written", self._config.site)
                    self._shut_without_journal()
                    self._wait(0.5)
                except Exception:
                    log.exception("site=%s the keeper stumbled and goes on", self._config.site)
                    self._wait(0.5)
        finally:
            self._leave()

    def _turn(self) -> None:
        self.turned_at = time.monotonic()
        self._children.fill()
        self._write_down(everything=False)
        self._sweep()
        self._give_out_urgent()
        self._give_out_slow()
        self._wait(self._time_to_sleep())

    def _sweep(self) -> None:
        now = time.monotonic()
        if now - self._swept_at >= _LONGEST_SLEEP_S:
            self._swept_at = now
            freed = self._journal.free_claims_of_the_dead()
            if freed:
                log.warning("site=%s took over %d leases of a process that is gone", self._config.site, freed)
        if now - self._forgot_at >= 3600:
            self._forgot_at = now
            self._journal.forget_over(self._clock.now() - _FORGET_AFTER_S)

    def _give_out_urgent(self) -> None:
        while room := self._children.room(urgent=True):
            if len(self._urgent) < room:
                self._urgent += claim_due(
                    journal=self._journal,
                    now=self._clock.now(),
                    latest=self._clock.latest(),
                    limit=4 * self._config.children,
                    urgent=True,
                    deadline_of=self._deadline_of,
                    full=self._children.full(urgent=True),
                )
            if not self._start_urgent():
                return

    def _start_urgent(self) -> bool:
        full = self._children.full(urgent=True)
        started = False
        for _ in range(len(self._urgent)):
            claim = self._urgent.popleft()
            if claim.adapter in full:
                self._urgent.append(claim)
            elif self._start_claim(claim, urgent=True):
                started = True
                break
        return started

    def _give_out_slow(self) -> None:
        room = self._children.room(urgent=False)
        if not room:
            return
        full = self._children.full(urgent=False)
        claims = claim_due(
            journal=self._journal,
            now=self._clock.now(),
            latest=self._clock.latest(),
            limit=room,
            urgent=False,
            deadline_of=self._deadline_of,
            full=full,
        )
        for claim in claims:
            if not self._start_claim(claim, urgent=False):
                return
        room -= len(claims)
        if room <= 0:
            return
        looks = due_looks(
            journal=self._journal,
            config=self._config,
            now=self._clock.now(),
            limit=room,
            deadline_of=self._deadline_of,
            full=self._children.full(urgent=False),
        )
        for look in looks:
            self._children.start(
                Call(
                    adapter=look.adapter,
                    verb=look.kind,
                    body=look.target,
                    deadline_s=self._deadline_of(look.adapter, look.kind),
                    urgent=False,
                    subject=look,
                )
            )

    def _start_claim(self, claim: Claim, *, urgent: bool) -> bool:
        deadline_s = self._deadline_of(claim.adapter, claim.verb)
        if self._clock.now() > claim.until - deadline_s:
            # It waited too long here: another process may have it by now.
            hand_back(journal=self._journal, claims=[claim], now=self._clock.now(), begun=False)
            return False
        self._children.start(
            Call(
                adapter=claim.adapter,
                verb="observe-lease" if claim.verb == "observe" else claim.verb,
                body=claim.body,
                deadline_s=deadline_s,
                urgent=urgent,
                subject=claim,
            )
        )
        return True

    def _time_to_sleep(self) -> float:
        if self._done or self._seen:
            return max(0.0, self._done_since + self._gather_s() - time.monotonic())
        now = self._clock.now()
        sleep = _LONGEST_SLEEP_S
        deadline = self._children.next_deadline()
        if deadline is not None:
            sleep = min(sleep, deadline)
        if self._children.room(urgent=True):
            due = self._journal.next_due(now)
            if due is not None:
                # What is due and yet was not given out waits for room or for another process.
                sleep = min(sleep, due - now if due > now else 0.1)
        return max(0.0, sleep)

    def _wait(self, timeout_s: float) -> None:
        finished: list[tuple[Call, Outcome]] = []
        for key, events in self._selector.select(timeout_s):
            if key.fileobj is self._ear:
                with suppress(BlockingIOError):
                    self._ear.recv(4096)
            else:
                finished += self._children.handle(key, events)
        finished += self._children.kill_overdue()
        for call, outcome in finished:
            self._take(call, outcome)

    def _take(self, call: Call, outcome: Outcome) -> None:
        if not self._done and not self._seen:
            self._done_since = time.monotonic()
        result = f"{outcome.error}: {outcome.message}" if outcome.failed else "ok"
        level = logging.WARNING if outcome.failed else logging.INFO
        subject = call.subject
        ms = outcome.duration_s * 1000
        if isinstance(subject, Look):
            self._seen.append((subject, outcome))
            if outcome.failed:
                log.log(
                    level,
                    "site=%s device=%s verb=%s ms=%.0f outcome=%s",
                    self._config.site,
                    subject.id,
                    subject.kind,
                    ms,
                    result,
                )
            return
        claim = subject.claim if isinstance(subject, LastResort) else subject
        if not isinstance(subject, LastResort):
            self._done.append((claim, outcome))
        elif outcome.failed:
            self._last_resort.pop(claim.lease_id, None)
        log.log(
            level,
            "site=%s lease=%s verb=%s ms=%.0f outcome=%s",
            self._config.site,
            claim.lease_id,
            claim.verb,
            ms,
            result,
        )

    def _write_down(self, *, everything: bool) -> None:
        if not (self._done or self._seen):
            return
        waited = time.monotonic() - self._done_since
        if not everything and waited < self._gather_s() and len(self._done) < _RUSH:
            return
        try:
            record_outcomes(
                journal=self._journal, site=self._config.site, policy=self._config.policy, outcomes=self._done
            )
            record_looks(journal=self._journal, config=self._config, looks=self._seen)
        except sqlite3.Error:
            raise  # kept, and written down when the journal can be written again
        except Exception:
            # A bug of ours in one outcome must not stop all others: these claims run out by themselves.
            log.exception("site=%s %d outcomes are dropped", self._config.site, len(self._done))
        self._done, self._seen = [], []
        self._on_reports()

    def _gather_s(self) -> float:
        return _RUSH_S if len(self._urgent) > self._config.children else _GATHER_S

    def _deadline_of(self, adapter: str, verb: str) -> float:
        found = self._deadlines.get((adapter, verb))
        if found is None:
            try:
                found = describe(adapter, self._config.extra_adapters).deadline_of(verb).total_seconds()
            except InvalidSettings:
                found = 60.0  # the child says what is wrong
            self._deadlines[adapter, verb] = found
        return found

    def _shut_without_journal(self) -> None:
        latest = self._clock.latest()
        rows = self._journal.db().execute(
            "SELECT l.lease_id, l.adapter, o.body FROM lease l JOIN lease_order o USING (lease_id)"
            " WHERE l.may_be_open AND l.ends_at <= ?",
            (latest,),
        )
        self._children.fill()
        for row in rows.fetchall():
            if not self._children.idle:
                return
            if row["lease_id"] in self._last_resort:
                continue
            self._last_resort[row["lease_id"]] = latest
            claim = Claim(
                token="",
                lease_id=row["lease_id"],
                adapter=row["adapter"],
                verb="isolate",
                until=latest,
                body=row["body"],
            )
            self._children.start(
                Call(
                    adapter=claim.adapter,
                    verb="isolate",
                    body=claim.body,
                    deadline_s=self._deadline_of(claim.adapter, "isolate"),
                    urgent=True,
                    subject=LastResort(claim=claim),
                )
            )

    def _leave(self) -> None:
        until = time.monotonic() + self._config.stop_grace_s
        with suppress(Exception):
            while self._children.busy and time.monotonic() < until:
                self._wait(max(0.0, min(0.2, until - time.monotonic())))
        cut = [call.subject for call in self._children.stop() if isinstance(call.subject, Claim)]
        try:
            now = self._clock.now()
            self._write_down(everything=True)
            hand_back(journal=self._journal, claims=list(self._urgent), now=now, begun=False)
            hand_back(journal=self._journal, claims=cut, now=now, begun=True)
        except sqlite3.Error:
            # The next process finds the claims of a process that is gone.
            log.exception("site=%s the journal could not be written while stopping", self._config.site)
        self._selector.close()
        self._bell.close()
        self._ear.close()
        self._journal.close()
        log.info("site=%s the keeper has stopped", self._config.site)
