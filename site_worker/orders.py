"""Takes the hub's orders down in the journal: verified, fenced, and nothing more."""

import json
import logging
import random
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from adapters.contract import LeaseOrder
from adapters.contract.wire import BadSeal, Order, Report, to_json, unseal
from site_worker.errands import take_errand
from site_worker.journal import Journal, add_reports, read_lease, write_lease
from site_worker.lease import OVER, Lease, Wanted
from site_worker.outcomes import current_reports, moment
from site_worker.reshaping import covers_of, cut_id, known_cut, refuse_cut, write_cut

log = logging.getLogger("shary.site")

_WEIGHT = {"held": 0, "closed": 1, "released": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """What became of a batch of orders."""

    taken: int = 0
    repeated: int = 0
    stale: int = 0
    refused: int = 0
    ahead_s: float | None = None
    """By how much the hub's clock was ahead of ours, at the least; None without an order."""


def take_orders(
    *, journal: Journal, site: str, hub_key: Ed25519PublicKey, sealed: Sequence[str], now: float
) -> Intake:
    """Write the orders down in one transaction; on disk when this returns."""
    orders: list[tuple[Order, str]] = []
    refused = 0
    for message in sealed:
        try:
            orders.append((_verified(message, site, hub_key), message))
        except BadSeal as error:
            refused += 1
            log.warning("site=%s order refused: %s", site, error)
    counts = {"taken": 0, "repeated": 0, "stale": 0}
    if orders:
        with journal.write() as db:
            for order, message in orders:
                counts[_take(db, site, order, message, now)] += 1
    ahead = max((order.issued_at.timestamp() - now for order, _ in orders), default=None)
    return Intake(refused=refused, ahead_s=ahead, **counts)


def _verified(message: str, site: str, hub_key: Ed25519PublicKey) -> Order:
    if not isinstance(message, str):
        raise BadSeal("Not a sealed message: no text.")
    order = unseal(Order, message, key=hub_key)
    if order.site != site:
        raise BadSeal(f"The order is for the site “{order.site}”.")
    if order.verb in {"hold", "release"} and order.lease is None:
        raise BadSeal(f"The order to {order.verb} names no lease.")
    if order.verb == "reshape" and (len(order.targets) != 1 or order.epoch is None):
        raise BadSeal("The order to reshape has to name one device and its epoch.")
    if order.verb == "rehearse" and order.lease is None:
        raise BadSeal("The order to rehearse names no lease.")
    if order.verb == "build" and (len(order.targets) != 1 or not order.files):
        raise BadSeal("The order to build has to name one device and bring the source.")
    return order


def _take(db: sqlite3.Connection, site: str, order: Order, message: str, now: float) -> str:
    match order.verb:
        case "watch":
            return _take_watch(db, order, now)
        case "discover":
            _take_search(db, order, now)
            return "taken"
        case "reshape":
            return _take_cut(db, site, order, now)
        case "rehearse" | "build":
            return take_errand(db, order, now)
        case _:
            assert order.lease is not None  # noqa: S101  # checked when it was verified
            wanted: Wanted = "held" if order.verb == "hold" else "released"
            return _take_lease(db, site, order.lease, wanted, message, now)


def _take_lease(
    db: sqlite3.Connection, site: str, order: LeaseOrder, wanted: Wanted, message: str, now: float
) -> str:
    covers = tuple(sorted({order.target.resource_id, *order.covers}))
    highest = _higher_epoch(db, order.lease_id, order.epoch, covers)
    if highest is not None:
        what = f"The device has seen epoch {highest}; the order carries {order.epoch}."
        add_reports(db, [_stale(site, order, now, what, highest_epoch=highest)])
        return "stale"
    known = read_lease(db, order.lease_id)
    if known is not None:
        ours, theirs = (known.revision, _WEIGHT[known.wanted]), (order.revision, _WEIGHT[wanted])
        if known.phase == "clean" and wanted == "held":
            theirs = (-1, 0)  # what was given back clean is over
        if theirs < ours:
            what = f"Revision {known.revision} of the lease is known; the order carries {order.revision}."
            add_reports(db, [_stale(site, order, now, what, revision=known.revision)])
            return "stale"
        if theirs == ours or known.phase in OVER:
            current = replace(known, revision=order.revision)
            write_lease(db, current, now)
            add_reports(db, current_reports(site, current))
            return "repeated"
    _raise_epochs(db, order.lease_id, order.epoch, covers, now)
    write_lease(db, _ordered(known, order, wanted), now)
    db.execute(
        "INSERT OR REPLACE INTO lease_order (lease_id, body, sealed) VALUES (?, ?, ?)",
        (order.lease_id, to_json(order), message),
    )
    db.executemany(
        "INSERT OR IGNORE INTO cover (resource_id, lease_id) VALUES (?, ?)",
        [(resource_id, order.lease_id) for resource_id in covers],
    )
    return "taken"


def _take_cut(db: sqlite3.Connection, site: str, order: Order, now: float) -> str:
    if known_cut(db, order):
        return "repeated"
    name, epoch, covers = cut_id(order), order.epoch or 0, covers_of(order)
    highest = _higher_epoch(db, name, epoch, covers)
    if highest is not None:
        refuse_cut(db, site, order, highest, now)
        return "stale"
    _raise_epochs(db, name, epoch, covers, now)
    write_cut(db, order, now)
    return "taken"


def _higher_epoch(db: sqlite3.Connection, holder: str, epoch: int, covers: Sequence[str]) -> int | None:
    """Return the epoch that refuses the order, or None.

    A whole device and its parts fence each other. Each hand-over has an epoch of its own, so the
    same epoch in the name of another lease is refused as well.
    """
    for resource_id in covers:
        seen = db.execute("SELECT epoch, lease_id FROM epoch WHERE resource_id = ?", (resource_id,)).fetchone()
        if seen and (seen["epoch"] > epoch or (seen["epoch"] == epoch and seen["lease_id"] != holder)):
            found: int = seen["epoch"]
            return found
    return None


def _raise_epochs(db: sqlite3.Connection, holder: str, epoch: int, covers: Sequence[str], now: float) -> None:
    db.executemany(
        "INSERT INTO epoch (resource_id, epoch, lease_id) VALUES (?, ?, ?)"
        " ON CONFLICT (resource_id) DO UPDATE SET epoch = excluded.epoch, lease_id = excluded.lease_id",
        [(resource_id, epoch, holder) for resource_id in covers],
    )
    earlier: set[str] = set()
    for resource_id in covers:
        rows = db.execute(
            "SELECT l.lease_id FROM cover c JOIN lease l USING (lease_id)"
            " WHERE c.resource_id = ? AND l.epoch < ? AND l.phase NOT IN ('clean', 'fenced')",
            (resource_id, epoch),
        )
        earlier.update(row["lease_id"] for row in rows)
    for lease_id in sorted(earlier):
        lease = read_lease(db, lease_id)
        if lease is None or lease.lease_id == holder:
            continue
        log.warning("lease=%s is fenced: its device was handed on to %s with epoch %d", lease_id, holder, epoch)
        shut = lease.phase in {"new", "isolated"} and not lease.may_be_open
        write_lease(db, replace(lease, wanted="closed", phase="fenced" if shut else lease.phase), now)


def _ordered(known: Lease | None, order: LeaseOrder, wanted: Wanted) -> Lease:
    starts_at, ends_at = order.starts_at.timestamp(), order.ends_at.timestamp()
    if known is None:
        return Lease(
            lease_id=order.lease_id,
            epoch=order.epoch,
            revision=order.revision,
            resource_id=order.target.resource_id,
            adapter=order.target.adapter,
            starts_at=starts_at,
            ends_at=ends_at,
            wanted=wanted,
        )
    # What is not yet open is prepared again with what changed; what is open gets it while open.
    again = wanted == "held" and known.phase == "ready"
    return replace(
        known,
        epoch=order.epoch,
        revision=order.revision,
        adapter=order.target.adapter,
        starts_at=starts_at,
        ends_at=ends_at,
        wanted=wanted,
        phase="new" if again else known.phase,
        renew=wanted == "held" and (known.phase in {"open", "isolated"} and known.access is not None),
        gave_up=False,
        attempts=0,
        since=0.0,
        tried="",
        retry_at=0.0,
        drifts=0,
        failure=None,
    )


def _stale(site: str, order: LeaseOrder, now: float, message: str, **detail: int) -> Report:
    return Report(
        site=site,
        event="stale",
        at=moment(now),
        lease_id=order.lease_id,
        epoch=order.epoch,
        revision=order.revision,
        resource_id=order.target.resource_id,
        detail={"message": message, **detail},
    )


def _take_watch(db: sqlite3.Connection, order: Order, now: float) -> str:
    issued = order.issued_at.timestamp()
    last = db.execute("SELECT value FROM note WHERE name = 'watch_issued_at'").fetchone()
    if last and json.loads(last["value"]) > issued:
        return "stale"
    db.execute("INSERT OR REPLACE INTO note VALUES ('watch_issued_at', ?)", (json.dumps(issued),))
    kept = {target.resource_id for target in order.targets}
    for row in db.execute("SELECT resource_id FROM watched").fetchall():
        if row["resource_id"] not in kept:
            db.execute("DELETE FROM watched WHERE resource_id = ?", (row["resource_id"],))
    for target in order.targets:
        # The first looks are spread out; a device that is known keeps its turn.
        db.execute(
            "INSERT INTO watched (resource_id, adapter, target, next_at) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (resource_id) DO UPDATE SET adapter = excluded.adapter, target = excluded.target",
            (target.resource_id, target.adapter, to_json(target), now + random.random()),  # noqa: S311
        )
    for resource_id in order.covers:
        db.execute("UPDATE watched SET next_at = min(next_at, ?) WHERE resource_id = ?", (now, resource_id))
    return "taken"


def _take_search(db: sqlite3.Connection, order: Order, now: float) -> None:
    for number, target in enumerate(order.targets):
        db.execute(
            "INSERT OR IGNORE INTO search (id, adapter, target, next_at) VALUES (?, ?, ?, ?)",
            (f"{order.id}/{number}", target.adapter, to_json(target), now),
        )
