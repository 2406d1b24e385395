"""Who acts on a lease: claims by compare-and-set, and results that count only under one's own claim."""

import logging
import secrets
import sqlite3
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from adapters.contract.wire import Report
from site_worker.config import Policy
from site_worker.journal import FREE, LEASE_COLUMNS, Journal, add_reports, lease_of, read_lease, write_lease
from site_worker.lease import RANK, Lease, Verb, next_step
from site_worker.outcomes import Outcome, apply_outcome, drifted

log = logging.getLogger("shary.site")

ENDS = range(RANK["isolate"] + 1)
"""What closes access."""
STARTS = range(RANK["admit"], RANK["admit"] + 1)
"""What opens it."""
SLOW = range(RANK["admit"] + 1, len(RANK))
_MARGIN_S = 15.0
_BLOCKED_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The right to do one thing for one lease, for a while."""

    token: str
    lease_id: str
    adapter: str
    verb: Verb
    until: float
    body: str
    """The `LeaseOrder` as JSON."""


def claim_due(
    *,
    journal: Journal,
    now: float,
    latest: float,
    limit: int,
    ranks: range,
    deadline_of: Callable[[str, str], float],
    full: Collection[str] = (),
) -> list[Claim]:
    """Claim what is due, ends before starts; `full` names the adapters that can take no more.

    `latest` is the time that ends go by: it never runs backwards.
    """
    marks = ", ".join("?" * len(full))
    due = (
        "FROM lease WHERE due_at <= CASE verb WHEN 'isolate' THEN ? ELSE ? END"
        " AND due_at <= ? AND claim_until <= ? AND rank >= ? AND rank < ?"
        f" AND adapter NOT IN ({marks})"
    )
    values = (latest, now, latest, now, ranks.start, ranks.stop, *full)
    if not journal.db().execute(f"SELECT 1 {due} LIMIT 1", values).fetchone():
        return []
    query = (
        f"SELECT {LEASE_COLUMNS}, lease.verb, lease.token, lease_order.body FROM lease"  # noqa: S608
        " JOIN lease_order USING (lease_id) WHERE lease.lease_id IN"
        f" (SELECT lease_id {due} ORDER BY rank, due_at, lease_id LIMIT ?) ORDER BY rank, due_at, lease_id"
    )
    claims: list[Claim] = []
    with journal.write(durable=False) as db:
        for row in db.execute(query, (*values, limit)).fetchall():
            lease = _interrupted(lease_of(row)) if row["token"] else lease_of(row)
            step = next_step(lease, latest if lease.ends_at <= latest else now)
            if step is None or step.due_at > (latest if step.verb == "isolate" else now):
                write_lease(db, lease, now)
                continue
            if _is_blocked(db, lease, now):
                db.execute("UPDATE lease SET due_at = ? WHERE lease_id = ?", (now + _BLOCKED_S, lease.lease_id))
                continue
            claim = Claim(
                token=secrets.token_hex(8),
                lease_id=lease.lease_id,
                adapter=lease.adapter,
                verb=step.verb,
                until=now + deadline_of(lease.adapter, step.verb) + _MARGIN_S,
                body=row["body"],
            )
            if row["token"] or row["verb"] != step.verb:
                write_lease(db, lease, now)
            # Else the plan stays as it is: that access may be open changes no plan to open it.
            db.execute(
                "UPDATE lease SET token = ?, claim_until = ?, owner = ?, acted_at = ?,"
                " may_be_open = max(may_be_open, ?) WHERE lease_id = ?",
                (claim.token, claim.until, journal.owner, now, step.verb == "admit", lease.lease_id),
            )
            claims.append(claim)
    return claims


def record_outcomes(
    *,
    journal: Journal,
    site: str,
    policy: Policy,
    outcomes: Sequence[tuple[Claim, Outcome]],
) -> int:
    """Write down what came of claimed calls, in one transaction; return how many counted."""
    counted = 0
    if not outcomes:
        return counted
    with journal.write() as db:
        for claim, outcome in outcomes:
            row = db.execute(
                f"SELECT {LEASE_COLUMNS} FROM lease WHERE lease_id = ? AND token = ?",  # noqa: S608
                (claim.lease_id, claim.token),
            ).fetchone()
            if row is None:
                log.warning(
                    "site=%s lease=%s verb=%s outcome is dropped: another process took over",
                    site,
                    claim.lease_id,
                    claim.verb,
                )
                continue
            lease = lease_of(row)
            change = apply_outcome(site=site, lease=lease, verb=claim.verb, outcome=outcome, policy=policy)
            write_lease(db, change.lease, outcome.at, **FREE, acted_at=outcome.at)
            if change.lease.phase in {"clean", "fenced"}:
                db.execute("DELETE FROM cover WHERE lease_id = ?", (claim.lease_id,))
            add_reports(db, change.reports)
            counted += 1
    return counted


def hand_back(*, journal: Journal, claims: Sequence[Claim], now: float, begun: bool) -> None:
    """Give up claims; `begun` says that their calls may have reached the device."""
    if not claims:
        return
    with journal.write() as db:
        for claim in claims:
            row = db.execute(
                f"SELECT {LEASE_COLUMNS} FROM lease WHERE lease_id = ? AND token = ?",  # noqa: S608
                (claim.lease_id, claim.token),
            ).fetchone()
            if row is not None:
                lease = lease_of(row)
                write_lease(db, _interrupted(lease) if begun else lease, now, **FREE)


def note_drift(*, journal: Journal, site: str, policy: Policy, lease_id: str, began: float, at: float) -> bool:
    """Plan a lease anew whose device was found to carry nothing; False when it has moved on since."""
    with journal.write() as db:
        row = db.execute("SELECT token, acted_at FROM lease WHERE lease_id = ?", (lease_id,)).fetchone()
        lease = read_lease(db, lease_id)
        if row is None or lease is None or row["token"] or row["acted_at"] >= began:
            return False
        if lease.wanted != "held" or lease.phase not in {"ready", "open"} or at >= lease.ends_at:
            return False
        if lease.gave_up:
            return False
        change = drifted(site=site, lease=lease, at=at, policy=policy)
        write_lease(db, change.lease, at)
        add_reports(db, change.reports)
    return True


def put_reports(*, journal: Journal, reports: Sequence[Report]) -> None:
    """Write reports into the outgoing box."""
    if reports:
        with journal.write() as db:
            add_reports(db, reports)


def _interrupted(lease: Lease) -> Lease:
    # Closing access comes before looking whatever this says, and once it succeeded it forgets it.
    return replace(lease, unsure=True)


def _is_blocked(db: sqlite3.Connection, lease: Lease, now: float) -> bool:
    """Return whether another lease is acting on one of the same devices, or must first be shut, or a cut goes on."""
    row = db.execute(
        "SELECT 1 FROM cover mine JOIN cover theirs USING (resource_id)"
        " JOIN lease l ON l.lease_id = theirs.lease_id"
        " WHERE mine.lease_id = ? AND l.lease_id != mine.lease_id"
        " AND (l.claim_until > ? OR (l.epoch < ? AND l.wanted = 'closed' AND l.phase != 'fenced')) LIMIT 1",
        (lease.lease_id, now, lease.epoch),
    )
    if row.fetchone() is not None:
        return True
    cut = db.execute(
        "SELECT 1 FROM cover mine JOIN cover theirs USING (resource_id) JOIN cut ON cut.id = theirs.lease_id"
        " WHERE mine.lease_id = ? AND cut.claim_until > ? LIMIT 1",
        (lease.lease_id, now),
    )
    return cut.fetchone() is not None
