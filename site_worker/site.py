"""One worker process of a site: its journal, its keeper and its outbox, put together."""

import logging
import time
from collections.abc import Sequence

from site_worker.clock import Clock
from site_worker.config import Config
from site_worker.journal import Journal
from site_worker.keeper import Keeper
from site_worker.orders import Intake, take_orders
from site_worker.outbox import Outbox, Publish

log = logging.getLogger("shary.site")

_AHEAD_S = 30.0


class Site:
    """All of a worker process but the broker."""

    def __init__(self, *, config: Config, publish: Publish) -> None:
        self.config = config
        self.journal = Journal(config.journal_file)
        self._hub_key = config.hub_key()
        self._clock = Clock()
        self._ahead_s = 0.0
        self._took_at = 0.0
        self._outbox = Outbox(
            config=config,
            journal=self.journal,
            clock=self._clock,
            publish=publish,
            describe_health=self._health,
        )
        self._keeper = Keeper(
            config=config, journal=self.journal, clock=self._clock, on_reports=self._outbox.ring
        )

    def start(self) -> None:
        """Begin to keep time and to report, broker or no broker."""
        self._keeper.start()
        self._outbox.start()
        log.info("site=%s keeps time, journal=%s", self.config.site, self.journal.path)

    def take(self, sealed: Sequence[str]) -> Intake:
        """Take orders down and ring; they are on disk when this returns."""
        intake = take_orders(
            journal=self.journal,
            site=self.config.site,
            hub_key=self._hub_key,
            sealed=sealed,
            now=self._clock.now(),
        )
        self._took_at = time.time()
        if intake.ahead_s is not None:
            # An order can be late but not early: the hub's clock is ahead of ours by that much.
            self._ahead_s = intake.ahead_s
        self._keeper.ring()
        if intake.repeated or intake.stale:
            self._outbox.ring()
        log.info(
            "site=%s orders taken=%d repeated=%d stale=%d refused=%d",
            self.config.site,
            intake.taken,
            intake.repeated,
            intake.stale,
            intake.refused,
        )
        return intake

    def begin_stop(self) -> None:
        """Claim nothing more."""
        self._keeper.stop()

    def finish_stop(self, timeout_s: float) -> bool:
        """Wait for what is under way, send what is left; return whether all of it ended in time."""
        self.begin_stop()
        kept = self._keeper.join(timeout_s)
        self._outbox.stop()
        return self._outbox.join(timeout_s) and kept

    def _health(self) -> dict[str, object]:
        detail: dict[str, object] = {
            "keeper_idle_s": round(time.monotonic() - self._keeper.turned_at, 1),
            "keeper_runs": self._keeper.is_running,
            "orders_taken_at": self._took_at,
        }
        warnings = []
        if self._ahead_s > _AHEAD_S:
            warnings.append(f"This site's clock is {self._ahead_s:.0f} s behind the hub's.")
        if (back := self._clock.set_back_s()) > 1:
            warnings.append(f"This site's clock was set back by {back:.0f} s.")
        if warnings:
            detail["warnings"] = warnings
        return detail
