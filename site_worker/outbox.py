"""Sends the site's reports: out of the journal, sealed, to the hub's queue, until they are gone.

The thread also sends the heartbeat, which is not kept: an old one is worth nothing.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.contract.wire import Report, from_json, seal
from site_worker.clock import Clock
from site_worker.config import Config
from site_worker.journal import Journal
from site_worker.outcomes import moment

log = logging.getLogger("shary.site")

BATCH = 100
_CLAIM_S = 60.0
_GATHER_S = 0.05
_LONGEST_WAIT_S = 30.0

Publish = Callable[[Sequence[str]], None]
"""Hands sealed reports to the broker, or raises."""


class Outbox:
    """The thread that sends reports."""

    def __init__(
        self,
        *,
        config: Config,
        journal: Journal,
        clock: Clock,
        publish: Publish,
        describe_health: Callable[[], dict[str, object]],
    ) -> None:
        self._config = config
        self._journal = journal
        self._clock = clock
        self._publish = publish
        self._describe_health = describe_health
        self._key: Ed25519PrivateKey = config.own_key()
        self._rung = threading.Event()
        self._stopping = threading.Event()
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def ring(self) -> None:
        """Wake up: there are new reports. Callable from any thread."""
        self._rung.set()

    def stop(self) -> None:
        """Try once more to send what is left, then stop."""
        self._stopping.set()
        self._rung.set()

    def join(self, timeout_s: float) -> bool:
        """Wait until the thread has stopped; return whether it has."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        next_alive = 0.0
        try_again = 0.0
        while not self._stopping.is_set():
            now = time.monotonic()
            if now >= try_again:
                sent = self._attempt(alive=now >= next_alive)
                if now >= next_alive:
                    next_alive = now + self._config.alive_period_s
                try_again = 0.0 if sent else time.monotonic() + self._wait_after_failure()
            # Another process of the site may have left reports: look with every heartbeat.
            until = max(try_again, min(next_alive, now + self._config.alive_period_s))
            self._rung.wait(max(0.01, until - time.monotonic()))
            if self._rung.is_set() and not self._stopping.is_set():
                self._rung.clear()
                self._stopping.wait(_GATHER_S)
        if not self._failures:
            self._attempt(alive=False)
        self._journal.close()

    def _wait_after_failure(self) -> float:
        return min(_LONGEST_WAIT_S, self._config.report_retry_s * 2.0 ** min(self._failures - 1, 10))

    def _attempt(self, *, alive: bool) -> bool:
        try:
            if alive:
                self._publish([seal(self._alive(), key=self._key, sender=self._config.site)])
            while self.send_batch():
                pass
        except Exception as error:
            self._failures += 1
            log.warning(
                "site=%s reports wait, the broker did not take them: %s: %s",
                self._config.site,
                type(error).__name__,
                error,
            )
            return False
        if self._failures:
            log.info("site=%s the broker takes reports again", self._config.site)
        self._failures = 0
        return True

    def send_batch(self) -> int:
        """Send up to a hundred reports as one message; return how many went."""
        now = time.time()
        with self._journal.write(durable=False) as db:
            rows = db.execute(
                "SELECT id, body FROM outgoing WHERE claim_until <= ? ORDER BY id LIMIT ?", (now, BATCH)
            ).fetchall()
            if not rows:
                return 0
            db.executemany(
                "UPDATE outgoing SET claim_until = ?, owner = ? WHERE id = ?",
                [(now + _CLAIM_S, self._journal.owner, row["id"]) for row in rows],
            )
        try:
            reports = (from_json(Report, row["body"]) for row in rows)
            self._publish([seal(report, key=self._key, sender=self._config.site) for report in reports])
        except BaseException:
            with self._journal.write(durable=False) as db:
                db.executemany(
                    "UPDATE outgoing SET claim_until = 0, owner = NULL WHERE id = ?",
                    [(row["id"],) for row in rows],
                )
            raise
        # Lost with the power, these are sent again; reports may come twice.
        with self._journal.write(durable=False) as db:
            db.executemany("DELETE FROM outgoing WHERE id = ?", [(row["id"],) for row in rows])
        return len(rows)

    def _alive(self) -> Report:
        now = self._clock.now()
        detail = {
            "pid": os.getpid(),
            "clock": moment(now).isoformat(),
            **self._journal.state_of_health(now),
            **self._describe_health(),
        }
        return Report(site=self._config.site, event="alive", at=moment(now), detail=detail)
