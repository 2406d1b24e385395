"""The site's memory: one SQLite file, shared by all its worker processes on this machine.

What is written here survives `kill -9` and power cuts before anything is done about it. Claims
need no such care, since their owner dies with the machine: they are written without fsync.
"""

import hashlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from adapters.contract.wire import Report, to_json
from site_worker.lease import RANK, Lease, next_step

SCHEMA = """
CREATE TABLE IF NOT EXISTS epoch (
  resource_id TEXT PRIMARY KEY, epoch INTEGER NOT NULL, lease_id TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lease (
  lease_id TEXT PRIMARY KEY, epoch INTEGER NOT NULL, revision INTEGER NOT NULL,
  resource_id TEXT NOT NULL, adapter TEXT NOT NULL, starts_at REAL NOT NULL, ends_at REAL NOT NULL,
  wanted TEXT NOT NULL, phase TEXT NOT NULL, may_be_open INTEGER NOT NULL, unsure INTEGER NOT NULL,
  renew INTEGER NOT NULL, gave_up INTEGER NOT NULL, attempts INTEGER NOT NULL, since REAL NOT NULL,
  tried TEXT NOT NULL, retry_at REAL NOT NULL, drifts INTEGER NOT NULL, access TEXT, proof TEXT,
  failure TEXT, ready_at REAL, opened_at REAL, isolated_at REAL,
  verb TEXT, rank INTEGER, due_at REAL,
  token TEXT, claim_until REAL NOT NULL DEFAULT 0, owner TEXT, acted_at REAL NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS lease_due ON lease (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS lease_claimed ON lease (claim_until) WHERE token IS NOT NULL;
CREATE TABLE IF NOT EXISTS lease_order (lease_id TEXT PRIMARY KEY, body TEXT NOT NULL, sealed TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS cover (
  resource_id TEXT NOT NULL, lease_id TEXT NOT NULL, PRIMARY KEY (resource_id, lease_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS cover_lease ON cover (lease_id);
CREATE TABLE IF NOT EXISTS outgoing (
  id INTEGER PRIMARY KEY AUTOINCREMENT, subject TEXT UNIQUE, body TEXT NOT NULL,
  claim_until REAL NOT NULL DEFAULT 0, owner TEXT
);
CREATE TABLE IF NOT EXISTS watched (
  resource_id TEXT PRIMARY KEY, adapter TEXT NOT NULL, target TEXT NOT NULL, next_at REAL NOT NULL,
  last_seen TEXT, reported_at REAL NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS watched_due ON watched (next_at);
CREATE TABLE IF NOT EXISTS search (
  id TEXT PRIMARY KEY, adapter TEXT NOT NULL, target TEXT NOT NULL, next_at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS cut (
  id TEXT PRIMARY KEY, resource_id TEXT NOT NULL, epoch INTEGER NOT NULL, adapter TEXT NOT NULL,
  body TEXT NOT NULL, next_at REAL NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, answer TEXT,
  claim_until REAL NOT NULL DEFAULT 0, owner TEXT
);
CREATE TABLE IF NOT EXISTS errand (
  id TEXT PRIMARY KEY, verb TEXT NOT NULL, adapter TEXT NOT NULL, subject TEXT, body TEXT NOT NULL,
  next_at REAL NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, answer TEXT,
  claim_until REAL NOT NULL DEFAULT 0, owner TEXT
);
CREATE INDEX IF NOT EXISTS errand_due ON errand (next_at) WHERE answer IS NULL;
CREATE TABLE IF NOT EXISTS used (
  lease_id TEXT PRIMARY KEY, resource_id TEXT NOT NULL, epoch INTEGER NOT NULL, told_until INTEGER NOT NULL,
  report_at REAL NOT NULL, is_open INTEGER NOT NULL, unmeasured TEXT NOT NULL, counters TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS used_minute (
  lease_id TEXT NOT NULL, minute INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (lease_id, minute)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS note (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""

_FIELDS = tuple(field.name for field in fields(Lease))
_FLAGS = {"may_be_open", "unsure", "renew", "gave_up"}
LEASE_COLUMNS = ", ".join(f"lease.{name}" for name in _FIELDS)
_NAMES = (*_FIELDS, "verb", "rank", "due_at")
FREE = {"token": None, "claim_until": 0.0, "owner": None}
"""The columns of a lease that nobody has claimed."""


class Journal:
    """The site's memory; one object serves all threads of a process."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = path
        self.owner = own_name()
        self._local = threading.local()
        with self.write() as db:
            for statement in SCHEMA.split(";\n"):
                if statement.strip():
                    db.execute(statement)

    def db(self) -> sqlite3.Connection:
        """Return this thread's connection."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self.path, timeout=15, isolation_level=None, check_same_thread=False)
            self.path.chmod(0o600)
            connection.row_factory = sqlite3.Row
            _write_ahead(connection)
            connection.execute("PRAGMA synchronous = FULL")
            self._local.connection = connection
        return connection

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """Open a write transaction; on disk when it ends, unless it need not be durable."""
        db = self.db()
        if not durable:
            db.execute("PRAGMA synchronous = NORMAL")
        try:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")
        finally:
            if not durable:
                db.execute("PRAGMA synchronous = FULL")

    def close(self) -> None:
        """Close this thread's connection."""
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None

    def lease(self, lease_id: str) -> Lease | None:
        """Return what is known of the lease."""
        return read_lease(self.db(), lease_id)

    def leases(self) -> list[Lease]:
        """Return all that is known of all leases."""
        rows = self.db().execute(f"SELECT {LEASE_COLUMNS} FROM lease ORDER BY starts_at")  # noqa: S608
        return [lease_of(row) for row in rows]

    def epochs(self) -> Mapping[str, int]:
        """Return the highest epoch seen, per device."""
        rows = self.db().execute("SELECT resource_id, epoch FROM epoch ORDER BY resource_id")
        return {row["resource_id"]: row["epoch"] for row in rows}

    def state_of_health(self, now: float) -> dict[str, object]:
        """Return what a heartbeat says of the journal."""
        db = self.db()
        due = db.execute("SELECT count(*) FROM lease WHERE due_at <= ?", (now,)).fetchone()[0]
        waiting = db.execute("SELECT count(*) FROM outgoing").fetchone()[0]
        kept = db.execute("SELECT count(*) FROM lease WHERE due_at IS NOT NULL").fetchone()[0]
        epochs = "\n".join(f"{name}:{epoch}" for name, epoch in self.epochs().items())
        return {
            "leases_due": due,
            "leases_planned": kept,
            "reports_waiting": waiting,
            "epochs_digest": hashlib.sha256(epochs.encode()).hexdigest(),
        }

    def next_due(self, now: float) -> float | None:
        """Return the earliest moment at which something unclaimed is due."""
        row = self.db().execute(
            "SELECT min(at) FROM (SELECT min(due_at) AS at FROM lease"
            " WHERE due_at IS NOT NULL AND claim_until <= ?"
            " UNION ALL SELECT min(next_at) FROM watched UNION ALL SELECT min(next_at) FROM search"
            " UNION ALL SELECT min(next_at) FROM cut WHERE answer IS NULL AND claim_until <= ?"
            " UNION ALL SELECT min(next_at) FROM errand WHERE answer IS NULL AND claim_until <= ?)",
            (now, now, now),
        )
        found: float | None = row.fetchone()[0]
        return found

    def free_claims_of_the_dead(self) -> int:
        """Let go what was claimed by processes that are gone; return how many leases."""
        db = self.db()
        owners = {
            row[0]
            for table in ("lease", "outgoing", "cut", "errand")
            for row in db.execute(f"SELECT DISTINCT owner FROM {table} WHERE claim_until > 0")  # noqa: S608
        }
        gone = [owner for owner in owners if owner and owner != self.owner and not is_alive(owner)]
        freed = 0
        if gone:
            with self.write(durable=False) as db:
                for owner in gone:
                    # The token stays: it tells that a call was interrupted.
                    freed += db.execute(
                        "UPDATE lease SET claim_until = 0 WHERE owner = ? AND claim_until > 0", (owner,)
                    ).rowcount
                    for table in ("outgoing", "cut", "errand"):
                        free = f"UPDATE {table} SET claim_until = 0, owner = NULL WHERE owner = ?"  # noqa: S608
                        db.execute(free, (owner,))
        return freed

    def forget_over(self, before: float) -> None:
        """Remove leases that have been over since before that moment; epochs stay for ever."""
        with self.write() as db:
            db.execute(
                "DELETE FROM lease WHERE phase IN ('clean', 'fenced') AND token IS NULL"
                " AND max(ends_at, coalesce(isolated_at, 0)) < ?",
                (before,),
            )
            for table in ("lease_order", "cover"):
                db.execute(
                    f"DELETE FROM {table} WHERE lease_id NOT IN"  # noqa: S608
                    " (SELECT lease_id FROM lease UNION ALL SELECT id FROM cut WHERE answer IS NULL)"
                )


def _write_ahead(connection: sqlite3.Connection) -> None:
    # Two processes that make the same new journal collide here, and SQLite does not wait for this one.
    for attempt in range(50):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if attempt == 49:
                raise
            time.sleep(0.1)
        else:
            return


def read_lease(db: sqlite3.Connection, lease_id: str) -> Lease | None:
    """Return what is known of the lease, within the transaction."""
    row = db.execute(f"SELECT {LEASE_COLUMNS} FROM lease WHERE lease_id = ?", (lease_id,)).fetchone()  # noqa: S608
    return lease_of(row) if row else None


def write_lease(db: sqlite3.Connection, lease: Lease, now: float, **claim: object) -> None:
    """Write down the lease and its next step; a claim on it stays as it is unless it is given."""
    names = ", ".join((*_NAMES, *claim))
    values = (*_values_of(lease, now), *claim.values())
    setters = ", ".join(f"{name} = ?" for name in (*_NAMES, *claim))
    changed = db.execute(f"UPDATE lease SET {setters} WHERE lease_id = ?", (*values, lease.lease_id))  # noqa: S608
    if not changed.rowcount:
        marks = ", ".join("?" * len(values))
        db.execute(f"INSERT INTO lease ({names}) VALUES ({marks})", values)  # noqa: S608


def add_reports(db: sqlite3.Connection, reports: Iterable[Report]) -> None:
    """Put reports into the outgoing box; a newer one about the same passing thing takes its place."""
    db.executemany(
        "INSERT OR REPLACE INTO outgoing (subject, body) VALUES (?, ?)",
        [(_subject_of(report), to_json(report)) for report in reports],
    )


def _subject_of(report: Report) -> str | None:
    if report.event == "observed":
        return f"observed {report.resource_id}"
    if report.event == "failed" and not report.final:
        return f"failed {report.lease_id}"
    if report.event == "used" and report.use:
        return f"used {report.lease_id} {int(report.use.began_at.timestamp() // 3600)}"
    return None


def lease_of(row: sqlite3.Row) -> Lease:
    """Return the lease in a row that holds all its columns."""
    values: dict[str, Any] = {name: bool(row[name]) if name in _FLAGS else row[name] for name in _FIELDS}
    return Lease(**values)


def _values_of(lease: Lease, now: float) -> Sequence[object]:
    step = next_step(lease, now)
    plan = (step.verb, RANK[step.verb], step.due_at) if step else (None, None, None)
    return (*(getattr(lease, name) for name in _FIELDS), *plan)


def own_name() -> str:
    """Return this process's name in claims: its id cannot be mistaken for a later process's."""
    pid = os.getpid()
    return f"{_namespace()} {pid} {_started(pid)}"


def is_alive(owner: str) -> bool:
    """Return whether the process of that name still runs; in doubt, it does."""
    namespace, pid, started = owner.split(" ")
    if namespace != _namespace():
        return True
    return _started(int(pid)) == started


def _namespace() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return "-"


def _started(pid: int) -> str:
    try:
        fields_after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        if Path("/proc/self/stat").exists():
            return "gone"
        return _answers(pid)
    # A zombie does nothing any more.
    return "gone" if fields_after_name[0] in "ZX" else fields_after_name[19]


def _answers(pid: int) -> str:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return "gone"
    except PermissionError:
        pass
    return "running"
