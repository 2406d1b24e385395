"""Cuts a device into other parts when the hub orders it: fenced like a hand-over, done once, answered often."""

import json
import logging
import sqlite3
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from adapters.contract import FoundDevice
from adapters.contract.wire import Failure, Order, Report, from_json, to_json
from adapters.errors import Remedy
from site_worker.journal import Journal, add_reports
from site_worker.outcomes import Outcome, moment

log = logging.getLogger("shary.site")

_ATTEMPTS = 4
_PAUSE_S = 1.0
_MARGIN_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """One device that is being cut."""

    id: str
    """`<resource>/<epoch>`: the same order sent again is the same cut."""
    adapter: str
    body: str
    """The `Target` and the geometry, as JSON."""
    resource_id: str
    epoch: int


def cut_id(order: Order) -> str:
    """Return the name of the cut that an order asks for."""
    return f"{order.targets[0].resource_id}/{order.epoch}"


def covers_of(order: Order) -> tuple[str, ...]:
    """Return the device and its parts as they are now."""
    return tuple(sorted({order.targets[0].resource_id, *order.covers}))


def known_cut(db: sqlite3.Connection, order: Order) -> bool:
    """Return whether the cut was ordered before; what came of it is reported again."""
    row = db.execute("SELECT answer FROM cut WHERE id = ?", (cut_id(order),)).fetchone()
    if row is not None and row["answer"] is not None:
        add_reports(db, [from_json(Report, row["answer"])])
    return row is not None


def write_cut(db: sqlite3.Connection, order: Order, now: float) -> None:
    """Write the cut down; the epochs of its devices have been raised."""
    target = order.targets[0]
    body = json.dumps({"target": json.loads(to_json(target)), "geometry": list(order.geometry)})
    db.execute(
        "INSERT INTO cut (id, resource_id, epoch, adapter, body, next_at) VALUES (?, ?, ?, ?, ?, ?)",
        (cut_id(order), target.resource_id, order.epoch, target.adapter, body, now),
    )
    db.executemany(
        "INSERT OR IGNORE INTO cover (resource_id, lease_id) VALUES (?, ?)",
        [(resource_id, cut_id(order)) for resource_id in covers_of(order)],
    )


def refuse_cut(db: sqlite3.Connection, site: str, order: Order, highest: int, now: float) -> None:
    """Tell the hub that the device has been handed on since."""
    add_reports(db, [_stale(site, order.targets[0].resource_id, order.epoch or 0, highest, now)])


def due_cuts(
    *,
    journal: Journal,
    site: str,
    now: float,
    limit: int,
    deadline_of: Callable[[str, str], float],
    full: Collection[str] = (),
) -> list[Cut]:
    """Claim the cuts whose devices nobody has any more."""
    marks = ", ".join("?" * len(full))
    query = (
        "SELECT id, resource_id, epoch, adapter, body FROM cut WHERE answer IS NULL AND next_at <= ?"  # noqa: S608
        f" AND claim_until <= ? AND adapter NOT IN ({marks}) ORDER BY next_at LIMIT ?"
    )
    values = (now, now, *full, limit)
    if not journal.db().execute(query, values).fetchone():
        return []
    cuts: list[Cut] = []
    with journal.write(durable=False) as db:
        for row in db.execute(query, values).fetchall():
            if later := _later_epoch(db, row):
                _give_up(db, site, row, later, now)
                continue
            if _in_use(db, row["id"]):
                db.execute("UPDATE cut SET next_at = ? WHERE id = ?", (now + 1.0, row["id"]))
                continue
            until = now + deadline_of(row["adapter"], "reshape") + _MARGIN_S
            db.execute(
                "UPDATE cut SET claim_until = ?, owner = ? WHERE id = ?", (until, journal.owner, row["id"])
            )
            cuts.append(Cut(**dict(row)))
    return cuts


def record_cuts(*, journal: Journal, site: str, cuts: Sequence[tuple[Cut, Outcome]]) -> None:
    """Write down and report what came of each cut; try again what may work yet."""
    if not cuts:
        return
    with journal.write() as db:
        for cut, outcome in cuts:
            row = db.execute("SELECT attempts FROM cut WHERE id = ? AND answer IS NULL", (cut.id,)).fetchone()
            if row is None:
                continue
            attempts = row["attempts"] + 1
            final = not outcome.failed or outcome.remedy is Remedy.STOP or attempts >= _ATTEMPTS
            if not final:
                # Cutting is idempotent: after an outcome that is not known, the next try looks first.
                db.execute(
                    "UPDATE cut SET attempts = ?, next_at = ?, claim_until = 0, owner = NULL WHERE id = ?",
                    (attempts, outcome.at + _PAUSE_S * attempts, cut.id),
                )
                continue
            report = _answer(site, cut, outcome)
            db.execute(
                "UPDATE cut SET attempts = ?, answer = ?, claim_until = 0, owner = NULL WHERE id = ?",
                (attempts, to_json(report), cut.id),
            )
            db.execute("DELETE FROM cover WHERE lease_id = ?", (cut.id,))
            add_reports(db, [report])


def _in_use(db: sqlite3.Connection, cut: str) -> bool:
    row = db.execute(
        "SELECT 1 FROM cover mine JOIN cover theirs USING (resource_id)"
        " JOIN lease l ON l.lease_id = theirs.lease_id"
        " WHERE mine.lease_id = ? AND l.phase NOT IN ('clean', 'fenced') LIMIT 1",
        (cut,),
    )
    return row.fetchone() is not None


def _later_epoch(db: sqlite3.Connection, row: sqlite3.Row) -> int | None:
    seen = db.execute("SELECT epoch FROM epoch WHERE resource_id = ?", (row["resource_id"],)).fetchone()
    later: int | None = seen["epoch"] if seen and seen["epoch"] > row["epoch"] else None
    return later


def _give_up(db: sqlite3.Connection, site: str, row: sqlite3.Row, later: int, now: float) -> None:
    report = _stale(site, row["resource_id"], row["epoch"], later, now)
    db.execute("UPDATE cut SET answer = ? WHERE id = ?", (to_json(report), row["id"]))
    db.execute("DELETE FROM cover WHERE lease_id = ?", (row["id"],))
    add_reports(db, [report])


def _stale(site: str, resource_id: str, epoch: int, highest: int, now: float) -> Report:
    message = f"The device has seen epoch {highest}; the order to cut it carries {epoch}."
    failure = Failure(error="DeviceRefused", remedy="stop", verb="reshape", message=message)
    return _report(site, resource_id, epoch, now, failure, {"highest_epoch": highest})


def _answer(site: str, cut: Cut, outcome: Outcome) -> Report:
    if outcome.failed:
        failure = Failure(
            error=outcome.error,  # type: ignore[arg-type]  # one of BY_NAME, as ErrorName is
            remedy=outcome.remedy.value,
            verb="reshape",
            message=outcome.message,
        )
        return _report(site, cut.resource_id, cut.epoch, outcome.at, failure, {})
    found = from_json(FoundDevice, outcome.value or "{}")
    return Report(
        site=site,
        event="reshaped",
        at=moment(outcome.at),
        resource_id=cut.resource_id,
        epoch=cut.epoch,
        devices=(found,),
        final=True,
    )


def _report(
    site: str, resource_id: str, epoch: int, now: float, failure: Failure, detail: dict[str, object]
) -> Report:
    return Report(
        site=site,
        event="reshaped",
        at=moment(now),
        resource_id=resource_id,
        epoch=epoch,
        failure=failure,
        final=True,
        detail=detail,
    )
