"""What a lease makes of its device: the looks at it, as means per minute, until the hub was told.

Each look at a device whose lease is open is added to its minute in the journal. A minute that was told
never changes again, so that reports may come twice, late and out of order. A report holds the hour so far
and takes the place of an unsent one of the same hour: a broker that is away for days leaves one message
for each hour and lease, and after `KEPT_HOURS` none.
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from adapters.contract import Observation
from adapters.contract.values import UseBlock
from adapters.contract.wire import Report
from site_worker.config import Config
from site_worker.journal import Journal, add_reports
from site_worker.outcomes import moment

STEP_S = 60
KEPT_HOURS = 7 * 24
"""How long use waits for a broker that is away."""
COUNTER = "_total"
"""A measurement of such a name only ever rises; its use is the rise per second."""
UTILISATION = "utilisation_percent"
_FIRST_REPORT_S = 90.0
_SETTLED_S = 5.0
"""A look that ended in the last minute may be written down so much later."""
_NEVER = 1e12
_LONGEST_RISE_S = 600.0
_PER_HOUR = 3600 // STEP_S

Minute = dict[str, list[float]]
"""For each measurement: the sum of what was seen, how often, and the highest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Due:
    """A lease whose use is to be told."""

    lease_id: str
    resource_id: str
    epoch: int
    told_until: int
    is_open: bool
    unmeasured: str


def note_use(db: sqlite3.Connection, *, config: Config, resource_id: str, seen: Observation, at: float) -> None:
    """Add what a look showed to the minute of the lease that has the device open; else do nothing."""
    if seen.carries is None or not (seen.measurements or seen.unmeasured):
        return
    lease = db.execute(
        "SELECT epoch FROM lease WHERE lease_id = ? AND resource_id = ? AND phase = 'open'"
        " AND opened_at <= ? AND ends_at > ?",
        (seen.carries, resource_id, at, at),
    ).fetchone()
    if lease is None:
        return
    row = db.execute(
        "SELECT told_until, counters, report_at FROM used WHERE lease_id = ?", (seen.carries,)
    ).fetchone()
    minute = int(at // STEP_S)
    if row is not None and minute < row["told_until"]:
        return
    counters = json.loads(row["counters"]) if row else {}
    numbers = _rates(seen.measurements, counters, at)
    _add(db, seen.carries, minute, numbers)
    first = min(config.use_report_s, _FIRST_REPORT_S)
    report_at = min(row["report_at"], at + config.use_report_s) if row else at + first
    db.execute(
        "INSERT OR REPLACE INTO used (lease_id, resource_id, epoch, told_until, report_at, is_open,"
        " unmeasured, counters) VALUES (?, ?, ?, ?, ?, 1, ?, ?)",
        (
            seen.carries,
            resource_id,
            lease["epoch"],
            row["told_until"] if row else 0,
            report_at,
            seen.unmeasured,
            json.dumps(counters),
        ),
    )


def tell_use(*, journal: Journal, config: Config, now: float) -> int:
    """Put into the outgoing box what is to be told by now; return how many reports.

    Of an open lease all minutes that are over, every `use_report_s`; of one that is closed, the rest.
    """
    query = (
        "SELECT used.*, coalesce(lease.phase = 'open', 0) AS still FROM used LEFT JOIN lease USING (lease_id)"
        " WHERE used.is_open AND (used.report_at <= ? OR coalesce(lease.phase, '') != 'open')"
    )
    if not journal.db().execute(query, (now,)).fetchone():
        return 0
    told = 0
    with journal.write() as db:
        for row in db.execute(query, (now,)).fetchall():
            due = _Due(
                lease_id=row["lease_id"],
                resource_id=row["resource_id"],
                epoch=row["epoch"],
                told_until=row["told_until"],
                is_open=bool(row["still"]),
                unmeasured=row["unmeasured"],
            )
            until = int((now - _SETTLED_S) // STEP_S) if due.is_open else int(now // STEP_S) + 1
            reports = _reports(db, config.site, due, until, now)
            add_reports(db, reports)
            told += len(reports)
            db.execute(
                "UPDATE used SET told_until = max(told_until, ?), report_at = ?, is_open = ? WHERE lease_id = ?",
                (until, now + config.use_report_s if due.is_open else _NEVER, due.is_open, due.lease_id),
            )
            # The hour that is not over is told again, with what will have come by then.
            db.execute(
                "DELETE FROM used_minute WHERE lease_id = ? AND minute < ?",
                (due.lease_id, until - until % _PER_HOUR),
            )
    return told


def hasten_looks(*, journal: Journal, config: Config, now: float) -> None:
    """Bring the next look at each device in use forward, where it is further off than use wants."""
    latest = now + config.use_period_s * 1.2
    in_use = (
        "FROM watched WHERE next_at > ? AND resource_id IN (SELECT resource_id FROM lease WHERE phase = 'open')"
    )
    if journal.db().execute(f"SELECT 1 {in_use} LIMIT 1", (latest,)).fetchone():
        with journal.write(durable=False) as db:
            db.execute(
                f"UPDATE watched SET next_at = ? WHERE resource_id IN (SELECT resource_id {in_use})",  # noqa: S608
                (now + config.use_period_s, latest),
            )


def forget_use(*, journal: Journal, now: float) -> None:
    """Remove what was told of leases that are over, and what nobody fetched for a week."""
    hour = int(now // 3600)
    with journal.write() as db:
        db.execute("DELETE FROM used WHERE NOT is_open AND lease_id NOT IN (SELECT lease_id FROM lease)")
        db.execute(
            "DELETE FROM used_minute WHERE minute < ? OR lease_id NOT IN (SELECT lease_id FROM used)"
            " OR (minute < ? AND lease_id IN (SELECT lease_id FROM used WHERE NOT is_open))",
            ((hour - KEPT_HOURS) * _PER_HOUR, (hour - 1) * _PER_HOUR),
        )
        old = [
            (row["id"],)
            for row in db.execute("SELECT id, subject FROM outgoing WHERE subject LIKE 'used %'").fetchall()
            if int(row["subject"].rpartition(" ")[2]) < hour - KEPT_HOURS
        ]
        db.executemany("DELETE FROM outgoing WHERE id = ?", old)


def _rates(measurements: Mapping[str, float], counters: dict[str, list[float]], at: float) -> dict[str, float]:
    """Return what counts as use; a counter gives its rise since the last look, which is noted."""
    numbers: dict[str, float] = {}
    for name, number in measurements.items():
        if not name.endswith(COUNTER):
            numbers[name] = number
            continue
        before = counters.get(name)
        counters[name] = [at, number]
        # One that fell has begun anew, as after a restart.
        if before and 0 < at - before[0] <= _LONGEST_RISE_S and number >= before[1]:
            numbers[f"{name.removesuffix(COUNTER)}_per_s"] = (number - before[1]) / (at - before[0])
    return numbers


def _add(db: sqlite3.Connection, lease_id: str, minute: int, numbers: Mapping[str, float]) -> None:
    row = db.execute(
        "SELECT body FROM used_minute WHERE lease_id = ? AND minute = ?", (lease_id, minute)
    ).fetchone()
    body: Minute = json.loads(row["body"]) if row else {}
    for name, number in numbers.items():
        total, looks, top = body.get(name, [0.0, 0, number])
        body[name] = [total + number, looks + 1, max(top, number)]
    db.execute("INSERT OR REPLACE INTO used_minute VALUES (?, ?, ?)", (lease_id, minute, json.dumps(body)))


def _reports(db: sqlite3.Connection, site: str, due: _Due, until: int, now: float) -> list[Report]:
    hours: dict[int, dict[int, Minute]] = defaultdict(dict)
    rows = db.execute(
        "SELECT minute, body FROM used_minute WHERE lease_id = ? AND minute < ? ORDER BY minute",
        (due.lease_id, until),
    )
    for row in rows.fetchall():
        hours[row["minute"] // _PER_HOUR][row["minute"]] = json.loads(row["body"])
    return [
        Report(
            site=site,
            event="used",
            at=moment(now),
            lease_id=due.lease_id,
            epoch=due.epoch,
            resource_id=due.resource_id,
            use=_block(minutes),
            detail={"unmeasured": due.unmeasured} if due.unmeasured else {},
        )
        for minutes in hours.values()
        if max(minutes) >= due.told_until
    ]


def _block(minutes: Mapping[int, Minute]) -> UseBlock:
    """Return the minutes as columns: means, and of each utilisation also the highest."""
    first, last = min(minutes), max(minutes)
    names = sorted({name for minute in minutes.values() for name in minute})
    span = [minutes.get(number, {}) for number in range(first, last + 1)]
    columns = {name: _means(name, span) for name in names}
    columns |= {f"{name}_max": _tops(name, span) for name in names if name.endswith(UTILISATION)}
    return UseBlock(began_at=moment(first * STEP_S), step_s=STEP_S, columns=columns)


def _means(name: str, span: Iterable[Minute]) -> tuple[float | None, ...]:
    return tuple(_short(entry[0] / entry[1]) if (entry := minute.get(name)) else None for minute in span)


def _tops(name: str, span: Iterable[Minute]) -> tuple[float | None, ...]:
    return tuple(_short(entry[2]) if (entry := minute.get(name)) else None for minute in span)


def _short(number: float) -> float:
    # More digits than a device measures only make the message longer.
    return float(f"{number:.5g}")
