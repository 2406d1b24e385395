"""Looks at the site's devices in turn, and searches for new ones when the hub asks."""

import json
import logging
import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from adapters.contract import FoundDevice, Observation
from adapters.contract.wire import Failure, Report, from_json
from site_worker.claims import note_drift
from site_worker.config import Config
from site_worker.journal import Journal, add_reports
from site_worker.lease import OVER
from site_worker.outcomes import Outcome, moment
from site_worker.use import note_use

log = logging.getLogger("shary.site")


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One call that changes nothing: an observation of a device, or a search for devices."""

    kind: Literal["observe", "discover"]
    id: str
    adapter: str
    target: str
    """The `Target` as JSON."""
    began: float


def due_looks(
    *,
    journal: Journal,
    config: Config,
    now: float,
    limit: int,
    deadline_of: Callable[[str, str], float],
    full: Collection[str] = (),
) -> list[Look]:
    """Take the looks that are due, each for one process only; a device being acted on waits its turn."""
    marks = ", ".join("?" * len(full))
    query = (
        f"SELECT id, adapter, target, next_at, kind FROM (SELECT id, adapter, target, next_at, 'discover' AS kind FROM search"  # noqa: S608, E501
        " UNION ALL SELECT resource_id, adapter, target, next_at, 'observe' FROM watched)"
        f" WHERE next_at <= ? AND adapter NOT IN ({marks}) ORDER BY next_at LIMIT ?"
    )
    if not journal.db().execute(query, (now, *full, limit)).fetchone():
        return []
    looks: list[Look] = []
    with journal.write(durable=False) as db:
        for row in db.execute(query, (now, *full, limit)).fetchall():
            if row["kind"] == "discover":
                again = now + deadline_of(row["adapter"], "discover") + 15
                db.execute("UPDATE search SET next_at = ? WHERE id = ?", (again, row["id"]))
            else:
                acted, in_use = db.execute(
                    "SELECT max(lease.claim_until > ?),"
                    " max(lease.phase = 'open' AND lease.resource_id = cover.resource_id)"
                    " FROM cover JOIN lease USING (lease_id) WHERE cover.resource_id = ?",
                    (now, row["id"]),
                ).fetchone()
                period = min(config.watch_period_s, config.use_period_s) if in_use else config.watch_period_s
                spread = 1.0 if acted else period * random.uniform(0.9, 1.1)  # noqa: S311
                db.execute("UPDATE watched SET next_at = ? WHERE resource_id = ?", (now + spread, row["id"]))
                if acted:
                    continue
            looks.append(
                Look(kind=row["kind"], id=row["id"], adapter=row["adapter"], target=row["target"], began=now)
            )
    return looks


def record_looks(*, journal: Journal, config: Config, looks: Sequence[tuple[Look, Outcome]]) -> None:
    """Report what was seen, and plan anew the leases whose devices lost them."""
    searches = [(look, outcome) for look, outcome in looks if look.kind == "discover"]
    if searches:
        with journal.write() as db:
            for look, outcome in searches:
                db.execute("DELETE FROM search WHERE id = ?", (look.id,))
                add_reports(db, [_discovered(config.site, look, outcome)])
    seen = [(look, outcome) for look, outcome in looks if look.kind == "observe"]
    if seen:
        with journal.write() as db:
            for look, outcome in seen:
                row = db.execute(
                    "SELECT last_seen, reported_at FROM watched WHERE resource_id = ?", (look.id,)
                ).fetchone()
                if row is None or _was_acted_on(journal, look):
                    continue
                report = _observed(journal, config.site, look, outcome)
                if report.observation is not None:
                    note_use(db, config=config, resource_id=look.id, seen=report.observation, at=outcome.at)
                summary = _summary(report)
                refresh = outcome.at - row["reported_at"] >= config.watch_refresh_s
                if summary == row["last_seen"] and not refresh:
                    continue
                db.execute(
                    "UPDATE watched SET last_seen = ?, reported_at = ? WHERE resource_id = ?",
                    (summary, outcome.at, look.id),
                )
                add_reports(db, [report])
    for look, outcome in seen:
        if not outcome.failed:
            _repair(journal, config, look, outcome)


def _repair(journal: Journal, config: Config, look: Look, outcome: Outcome) -> None:
    observation = from_json(Observation, outcome.value or "{}")
    if observation.carries is not None:
        return
    # A device in the hands of this very hand-over carries it, though the holder took our mark off.
    rows = journal.db().execute(
        "SELECT lease_id FROM lease WHERE resource_id = ? AND wanted = 'held' AND phase IN ('ready', 'open')"
        " AND epoch IS NOT ?",
        (look.id, observation.epoch),
    )
    for row in rows.fetchall():
        if note_drift(
            journal=journal,
            site=config.site,
            policy=config.policy,
            lease_id=row["lease_id"],
            began=look.began,
            at=outcome.at,
        ):
            log.warning("site=%s lease=%s device=%s lost the lease", config.site, row["lease_id"], look.id)


def _was_acted_on(journal: Journal, look: Look) -> bool:
    row = journal.db().execute(
        "SELECT 1 FROM cover JOIN lease USING (lease_id)"
        " WHERE cover.resource_id = ? AND (lease.token IS NOT NULL OR lease.acted_at >= ?) LIMIT 1",
        (look.id, look.began),
    )
    return row.fetchone() is not None


def _observed(journal: Journal, site: str, look: Look, outcome: Outcome) -> Report:
    if outcome.failed:
        return Report(
            site=site,
            event="observed",
            at=moment(outcome.at),
            resource_id=look.id,
            failure=_failure("observe", outcome),
            detail={"healthy": False, "message": outcome.message},
        )
    observation = from_json(Observation, outcome.value or "{}")
    detail: dict[str, object] = {}
    if observation.carries is not None:
        lease = journal.lease(observation.carries)
        if lease is None or lease.phase in OVER:
            # Whose it is and what to do with it is the hub's to say: we remove nothing unknown.
            detail = {"orphan": observation.carries, "phase": lease.phase if lease else "unknown"}
    return Report(
        site=site,
        event="observed",
        at=moment(outcome.at),
        resource_id=look.id,
        lease_id=observation.carries,
        epoch=observation.epoch,
        observation=observation,
        detail=detail,
    )


def _summary(report: Report) -> str:
    seen = report.observation
    if seen is None:
        return json.dumps(["failed", report.failure.error if report.failure else ""])
    return json.dumps([seen.healthy, seen.unfit, seen.carries, seen.epoch, seen.detail, sorted(report.detail)])


def _discovered(site: str, look: Look, outcome: Outcome) -> Report:
    order_id = look.id.rpartition("/")[0]
    if outcome.failed:
        return Report(
            site=site,
            event="discovered",
            at=moment(outcome.at),
            failure=_failure("discover", outcome),
            detail={"order": order_id, "target": look.target, "message": outcome.message},
        )
    devices = from_json(tuple[FoundDevice, ...], outcome.value or "[]")
    return Report(
        site=site,
        event="discovered",
        at=moment(outcome.at),
        devices=devices,
        detail={"order": order_id, "adapter": look.adapter},
    )


def _failure(verb: str, outcome: Outcome) -> Failure:
    return Failure(
        error=outcome.error,  # type: ignore[arg-type]  # one of BY_NAME, as ErrorName is
        remedy=outcome.remedy.value,
        verb=verb,
        message=outcome.message,
    )
