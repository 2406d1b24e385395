"""Keeps the site's time: does for each lease what is due, exactly when it is due, hub or no hub.

One thread per worker process. It sleeps until the next moment at which something is due, a child
answers, or somebody rings. All it decides, it decides from the journal: killed at any point, the
next process goes on from there.
"""

import json
import logging
import selectors
import socket
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache, partial

from site_worker.briefing import Briefing, Told
from site_worker.catalogue import deadline_of
from site_worker.child import Call
from site_worker.children import Children
from site_worker.claims import ENDS, SLOW, STARTS, Claim, claim_due, hand_back, record_outcomes
from site_worker.clock import Clock
from site_worker.config import Config
from site_worker.errands import Errand, due_errand, forget_errands, record_errands
from site_worker.journal import Journal
from site_worker.last_resort import LastResort, ends_without_claim
from site_worker.outcomes import Outcome
from site_worker.reshaping import Cut, due_cuts, record_cuts
from site_worker.use import forget_use, hasten_looks, tell_use
from site_worker.watch import Look, due_looks, record_looks

log = logging.getLogger("shary.site")

_LONGEST_SLEEP_S = 1.0
"""Other processes of the site ring only their own keeper, and may die."""
_GATHER_S = 0.02
_RUSH_S = 1.0
_RUSH = 1000
"""While many leases open or close at once, their results are written down in larger batches."""
_BREATH_S = 0.02
"""While cues are being worked off, the journal is asked no more often than this."""
_FORGET_AFTER_S = 30 * 86400.0


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
        self._deadline_of = cache(partial(deadline_of, extra=config.extra_adapters))
        self._briefing = Briefing(journal, self._deadline_of)
        self._urgent: deque[Claim] = deque()
        self._done: list[tuple[Claim, Outcome]] = []
        self._done_since = 0.0
        self._seen: list[tuple[Look, Outcome]] = []
        self._cuts: list[tuple[Cut, Outcome]] = []
        self._errands: list[tuple[Errand, Outcome]] = []
        self._errand_runs = False
        self._last_resort: set[str] = set()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)
        self._swept_at = 0.0
        self._gave_out_at = 0.0
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
        self._urgent.extendleft(call.subject for call in reversed(self._children.take_unbegun()))
        if not self._children.cued or self._breath_s() <= 0:
            self._gave_out_at = time.monotonic()
            self._give_out_ends()
            self._give_out_starts()
            self._give_out_slow()
            self._brief()
        elif self._cues_wanted():
            self._give_out_starts()
        self._wait(self._time_to_sleep())

    def _breath_s(self) -> float:
        return self._gave_out_at + _BREATH_S - time.monotonic()

    def _cues_wanted(self) -> int:
        if not self._briefing.waiting:
            return 0
        return self._children.cues_wanted(self._children.to_cue(self._briefing.crew))

    def _sweep(self) -> None:
        now = time.monotonic()
        if now - self._swept_at >= _LONGEST_SLEEP_S:
            self._swept_at = now
            freed = self._journal.free_claims_of_the_dead()
            if freed:
                log.warning("site=%s took over %d leases of a process that is gone", self._config.site, freed)
            self._keep_use()
        if now - self._forgot_at >= 3600:
            self._forgot_at = now
            forget_use(journal=self._journal, now=self._clock.now())
            forget_errands(journal=self._journal, now=self._clock.now())
            self._journal.forget_over(self._clock.now() - _FORGET_AFTER_S)

    def _keep_use(self) -> None:
        moment = self._clock.now()
        hasten_looks(journal=self._journal, config=self._config, now=moment)
        if tell_use(journal=self._journal, config=self._config, now=moment):
            self._on_reports()

    def _give_out_ends(self) -> None:
        while room := self._children.room(urgent=True):
            # The ends go before all that waits here.
            ends = self._claim(ENDS, room)
            self._urgent.extendleft(reversed(ends))
            if not (self._start_urgent() and ends):
                return

    def _give_out_starts(self) -> None:
        while (cues := self._cues_wanted()) or self._children.room_to_open:
            given = False
            if cues or len(self._urgent) < self._children.room_to_open:
                most = max(4 * self._config.children, min(cues, self._briefing.waiting))
                given = self._cue(self._claim(STARTS, most))
            if not self._start_urgent() and not given:
                return

    def _claim(self, ranks: range, limit: int) -> list[Claim]:
        return claim_due(
            journal=self._journal,
            now=self._clock.now(),
            latest=self._clock.latest(),
            limit=limit,
            ranks=ranks,
            deadline_of=self._deadline_of,
            full=self._children.full(urgent=ranks is not SLOW),
        )

    def _cue(self, claims: Sequence[Claim]) -> bool:
        """Give out by cue what children were told of, keep the rest; return whether any was given."""
        given = False
        children = set(self._children.to_cue(self._briefing.crew)) if claims else set()
        left_of = time.monotonic() - self._clock.now()
        for claim in claims:
            brief = self._briefing.take(claim, children)
            call = self._call(claim, urgent=True, cue=brief.cue if brief else None)
            if brief and brief.child.cue(call, begin_before=left_of + claim.until - call.deadline_s):
                given = True
            else:
                self._urgent.append(claim)
        return given

    def _start_urgent(self) -> bool:
        full = self._children.full(urgent=True)
        for _ in range(len(self._urgent)):
            claim = self._urgent.popleft()
            room = self._children.room(urgent=True) if claim.verb == "isolate" else self._children.room_to_open
            if claim.adapter in full or not room:
                self._urgent.append(claim)
            elif self._start_claim(claim, urgent=True):
                return True
        return False

    def _brief(self) -> None:
        if self._children.cued or self._urgent:
            return
        children = self._children.to_brief(self._briefing.crew)
        full = self._children.full(urgent=False)
        for child, call in self._briefing.calls(children, now=self._clock.now(), full=full):
            child.start(call)

    def _give_out_slow(self) -> None:
        room = self._children.room(urgent=False)
        if not room:
            return
        claims = self._claim(SLOW, room)
        for claim in claims:
            if not self._start_claim(claim, urgent=False):
                return
        room -= len(claims)
        room -= self._give_out_cuts(room)
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
        self._give_out_errand(room - len(looks))

    def _give_out_cuts(self, room: int) -> int:
        if room <= 0:
            return 0
        cuts = due_cuts(
            journal=self._journal,
            site=self._config.site,
            now=self._clock.now(),
            limit=room,
            deadline_of=self._deadline_of,
            full=self._children.full(urgent=False),
        )
        for cut in cuts:
            self._children.start(
                Call(
                    adapter=cut.adapter,
                    verb="reshape",
                    body=cut.body,
                    deadline_s=self._deadline_of(cut.adapter, "reshape"),
                    urgent=False,
                    subject=cut,
                )
            )
        return len(cuts)

    def _give_out_errand(self, room: int) -> None:
        if room <= 0 or self._errand_runs:
            return
        errand = due_errand(
            journal=self._journal,
            now=self._clock.now(),
            is_only_room=room == 1,
            deadline_of=self._deadline_of,
            full=self._children.full(urgent=False),
        )
        if errand is None:
            return
        self._errand_runs = True
        self._children.start(
            Call(
                adapter=errand.adapter,
                verb=errand.verb,
                body=errand.body,
                deadline_s=self._deadline_of(errand.adapter, errand.verb),
                urgent=False,
                subject=errand,
            )
        )

    def _start_claim(self, claim: Claim, *, urgent: bool) -> bool:
        deadline_s = self._deadline_of(claim.adapter, claim.verb)
        if self._clock.now() > claim.until - deadline_s:
            # It waited too long here: another process may have it by now.
            hand_back(journal=self._journal, claims=[claim], now=self._clock.now(), begun=False)
            return False
        self._children.start(self._call(claim, urgent=urgent), avoid=self._briefing.crew)
        return True

    def _call(self, claim: Claim, *, urgent: bool, cue: int | None = None) -> Call:
        return Call(
            adapter=claim.adapter,
            verb="observe-lease" if claim.verb == "observe" else claim.verb,
            body=claim.body,
            deadline_s=self._deadline_of(claim.adapter, claim.verb),
            urgent=urgent,
            subject=claim,
            cue=cue,
        )

    def _time_to_sleep(self) -> float:
        now = self._clock.now()
        sleep = _LONGEST_SLEEP_S
        if self._done or self._seen or self._cuts or self._errands:
            sleep = min(sleep, self._done_since + self._gather_s() - time.monotonic())
        deadline = self._children.next_deadline()
        if deadline is not None:
            sleep = min(sleep, deadline)
        if self._children.cued:
            sleep = min(sleep, self._breath_s())
        elif self._children.room(urgent=True):
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
        if isinstance(call.subject, Told):
            if not outcome.failed:
                self._briefing.learned(call.subject, json.loads(outcome.value or "[]"))
            return
        if not (self._done or self._seen or self._cuts or self._errands):
            self._done_since = time.monotonic()
        result = f"{outcome.error}: {outcome.message}" if outcome.failed else "ok"
        level = logging.WARNING if outcome.failed else logging.INFO
        subject = call.subject
        ms = outcome.duration_s * 1000
        if isinstance(subject, Errand):
            self._errand_runs = False
            self._errands.append((subject, outcome))
            what = "site=%s order=%s verb=%s ms=%.0f outcome=%s"
            log.log(level, what, self._config.site, subject.id, subject.verb, ms, result)
            return
        if isinstance(subject, Cut):
            self._cuts.append((subject, outcome))
            what = "site=%s device=%s verb=reshape ms=%.0f outcome=%s"
            log.log(level, what, self._config.site, subject.resource_id, ms, result)
            return
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
            self._last_resort.discard(claim.lease_id)
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
        if not (self._done or self._seen or self._cuts or self._errands):
            return
        waited = time.monotonic() - self._done_since
        if not everything and waited < self._gather_s() and len(self._done) < _RUSH:
            return
        try:
            record_outcomes(
                journal=self._journal, site=self._config.site, policy=self._config.policy, outcomes=self._done
            )
            record_looks(journal=self._journal, config=self._config, looks=self._seen)
            record_cuts(journal=self._journal, site=self._config.site, cuts=self._cuts)
            record_errands(journal=self._journal, site=self._config.site, errands=self._errands)
        except sqlite3.Error:
            raise  # kept, and written down when the journal can be written again
        except Exception:
            # A bug of ours in one outcome must not stop all others: these claims run out by themselves.
            log.exception("site=%s %d outcomes are dropped", self._config.site, len(self._done))
        self._done, self._seen, self._cuts, self._errands = [], [], [], []
        self._on_reports()

    def _gather_s(self) -> float:
        rush = self._children.cued or len(self._urgent) > self._config.children
        return _RUSH_S if rush else _GATHER_S

    def _shut_without_journal(self) -> None:
        self._children.fill()
        for end in ends_without_claim(self._journal, self._clock.latest()):
            if not self._children.idle:
                return
            if end.claim.lease_id not in self._last_resort:
                self._last_resort.add(end.claim.lease_id)
                self._children.start(replace(self._call(end.claim, urgent=True), subject=end))

    def _leave(self) -> None:
        until = time.monotonic() + self._config.stop_grace_s
        with suppress(Exception):
            self._urgent += [call.subject for call in self._children.take_back_cues()]
            while self._children.busy and time.monotonic() < until:
                self._wait(max(0.0, min(0.2, until - time.monotonic())))
        finished, calls = self._children.stop()
        cut = [call.subject for call in calls if isinstance(call.subject, Claim)]
        self._urgent += [call.subject for call in self._children.take_unbegun()]
        try:
            for call, outcome in finished:
                self._take(call, outcome)
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
