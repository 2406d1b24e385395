"""Tries files before a lease, and builds files from source: errands that touch no device.

They are not fenced, since they change nothing; one at a time runs in a worker process, and only while no
lease needs the room. The answer is kept for a while: the same order sent again is answered, not run again.
"""

import logging
import sqlite3
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from adapters.contract import Rehearsal
from adapters.contract.wire import Failure, Order, Report, from_json, to_json
from adapters.errors import Remedy
from site_worker.journal import Journal, add_reports
from site_worker.outcomes import Outcome, moment

log = logging.getLogger("shary.site")

_ATTEMPTS = 3
_PAUSE_S = 2.0
_MARGIN_S = 15.0
_KEPT_S = 2 * 86400.0

_EVENTS: dict[str, Literal["rehearsed", "built"]] = {"rehearse": "rehearsed", "build": "built"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """One order that is being carried out."""

    id: str
    """The id of the order."""
    verb: str
    adapter: str
    body: str
    """The order, as JSON."""


def take_errand(db: sqlite3.Connection, order: Order, now: float) -> str:
    """Write the errand down; one that is known is answered again if its answer is there."""
    row = db.execute("SELECT answer FROM errand WHERE id = ?", (order.id,)).fetchone()
    if row is not None:
        if row["answer"] is not None:
            add_reports(db, [from_json(Report, row["answer"])])
        return "repeated"
    target = order.lease.target if order.lease is not None else order.targets[0]
    subject = order.lease.lease_id if order.lease is not None else None
    if subject is not None:
        # Newer files for the same lease: the trial of the older ones tells nobody anything.
        db.execute(
            "DELETE FROM errand WHERE subject = ? AND answer IS NULL AND claim_until <= ?", (subject, now)
        )
    db.execute(
        "INSERT INTO errand (id, verb, adapter, subject, body, next_at) VALUES (?, ?, ?, ?, ?, ?)",
        (order.id, order.verb, target.adapter, subject, to_json(order), now),
    )
    return "taken"


def due_errand(
    *,
    journal: Journal,
    now: float,
    is_only_room: bool,
    deadline_of: Callable[[str, str], float],
    full: Collection[str] = (),
) -> Errand | None:
    """Claim the errand that has waited longest; none while leases may need the only room there is."""
    marks = ", ".join("?" * len(full))
    query = (
        "SELECT id, verb, adapter, body FROM errand WHERE answer IS NULL AND next_at <= ? AND claim_until <= ?"  # noqa: S608
        f" AND adapter NOT IN ({marks}) ORDER BY next_at, id LIMIT 1"
    )
    row = journal.db().execute(query, (now, now, *full)).fetchone()
    if row is None:
        return None
    deadline_s = deadline_of(row["adapter"], row["verb"])
    if is_only_room and _is_due_within(journal.db(), now + deadline_s):
        _put_off(journal, row["id"], now)
        return None
    with journal.write(durable=False) as db:
        row = db.execute(query, (now, now, *full)).fetchone()
        if row is None:
            return None
        db.execute(
            "UPDATE errand SET claim_until = ?, owner = ? WHERE id = ?",
            (now + deadline_s + _MARGIN_S, journal.owner, row["id"]),
        )
    return Errand(**dict(row))


def record_errands(*, journal: Journal, site: str, errands: Sequence[tuple[Errand, Outcome]]) -> None:
    """Write down and report what came of each errand; try again what may work yet."""
    if not errands:
        return
    with journal.write() as db:
        for errand, outcome in errands:
            row = db.execute(
                "SELECT attempts FROM errand WHERE id = ? AND answer IS NULL", (errand.id,)
            ).fetchone()
            if row is None:
                continue
            attempts = row["attempts"] + 1
            final = not outcome.failed or outcome.remedy is Remedy.STOP or attempts >= _ATTEMPTS
            if not final:
                db.execute(
                    "UPDATE errand SET attempts = ?, next_at = ?, claim_until = 0, owner = NULL WHERE id = ?",
                    (attempts, outcome.at + _PAUSE_S * attempts, errand.id),
                )
                continue
            report = _answer(site, errand, outcome)
            # The files are as large as files are: what is answered needs them no more.
            db.execute(
                "UPDATE errand SET attempts = ?, answer = ?, body = '', next_at = ?, claim_until = 0, owner = NULL"
                " WHERE id = ?",
                (attempts, to_json(report), outcome.at, errand.id),
            )
            add_reports(db, [report])


def forget_errands(*, journal: Journal, now: float) -> None:
    """Drop the answers that nobody asks for any more, and what could not be done for days."""
    with journal.write() as db:
        db.execute("DELETE FROM errand WHERE next_at < ? AND claim_until <= ?", (now - _KEPT_S, now))


def _is_due_within(db: sqlite3.Connection, until: float) -> bool:
    query = "SELECT 1 FROM lease WHERE due_at IS NOT NULL AND due_at <= ? LIMIT 1"
    return db.execute(query, (until,)).fetchone() is not None


def _put_off(journal: Journal, errand: str, now: float) -> None:
    with journal.write(durable=False) as db:
        db.execute("UPDATE errand SET next_at = ? WHERE id = ?", (now + 1.0, errand))


def _answer(site: str, errand: Errand, outcome: Outcome) -> Report:
    order = from_json(Order, errand.body)
    target = order.lease.target if order.lease is not None else order.targets[0]
    lease_id = order.lease.lease_id if order.lease is not None else None
    failure, rehearsal, made = None, None, order.files
    if outcome.failed:
        failure = _failure(errand.verb, outcome.error, outcome.remedy, outcome.message)
    else:
        try:
            if errand.verb == "rehearse":
                rehearsal = from_json(Rehearsal, outcome.value or "")
            else:
                made = from_json(Order, outcome.value or "").files
        except ValueError as error:
            message = f"The adapter gave no valid answer to “{errand.verb}”: {error}"
            failure = _failure(errand.verb, "OutcomeUnknown", Remedy.LOOK, message)
    return Report(
        site=site,
        event=_EVENTS[errand.verb],
        at=moment(outcome.at),
        lease_id=lease_id,
        resource_id=target.resource_id,
        failure=failure,
        rehearsal=rehearsal,
        files=() if failure is not None or errand.verb == "rehearse" else made,
        final=True,
        detail={"order": errand.id},
    )


def _failure(verb: str, error: str, remedy: Remedy, message: str) -> Failure:
    return Failure(
        error=error,  # type: ignore[arg-type]  # one of BY_NAME, as ErrorName is
        remedy=remedy.value,
        verb=verb,
        message=message,
    )
