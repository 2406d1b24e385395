"""Everything that was ordered, attempted and reported of one lease, on one line of time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _

from reservations.models import Countersign, Lease, LeaseEvent, LeaseReport, OutgoingOrder, Proof

MOST_LINES = 400
"""Of each sort, the latest; a device that cannot be reached for weeks fills a long log."""

ANSWERS = {"prepared": "hold", "opened": "hold", "isolated": "release", "clean": "release"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One thing that happened."""

    at: datetime
    sort: str
    """`move`, `order`, `report`, `proof` or `wish`."""
    who: str
    what: str
    words: str = ""
    took: timedelta | None = None
    """From the order to this answer to it."""
    is_trouble: bool = False
    checks: Sequence[dict[str, Any]] = ()
    to: str = ""
    """For a move: the state that it led to."""


def task_log(lease: Lease) -> list[LogLine]:
    """Return the log of a lease, the latest first, in five statements however long it is."""
    orders = _latest(lease.orders.all())
    lines = [
        *_moves(_latest(lease.events.select_related("actor"))),
        *_orders(orders, str(lease.resource.site)),
        *_reports(_latest(lease.reports.all()), orders, str(lease.resource.site)),
        *_proofs(_latest(lease.proofs.order_by("pk"))),
        *_wishes(_latest(lease.countersigns.select_related("asked_by", "answered_by"))),
    ]
    # Within one moment: what was ordered stands above what led to it, as it came later.
    rank = {"order": 0, "proof": 1, "move": 2, "report": 3, "wish": 4}
    return sorted(lines, key=lambda line: (line.at, -rank[line.sort]), reverse=True)


def _latest(rows: Any) -> list[Any]:
    return list(reversed(rows.order_by("-pk")[:MOST_LINES]))


def _moves(events: Iterable[LeaseEvent]) -> Iterable[LogLine]:
    for event in events:
        yield LogLine(
            at=event.at,
            sort="move",
            who=str(event.actor) if event.actor else "SHARY",
            what=event.get_to_display(),
            words=event.reason,
            to=event.to,
            is_trouble=event.to == "RELEASE_FAILED",
        )


def _orders(orders: Iterable[OutgoingOrder], site: str) -> Iterable[LogLine]:
    told = {
        "hold": _("Told %(site)s to have the device ready, and until when"),
        "release": _("Told %(site)s to close access, clean the device and prove it"),
    }
    for order in orders:
        what = told.get(order.verb, _("Told %(site)s: %(verb)s")) % {"site": site, "verb": order.verb}
        yield LogLine(
            at=order.sent_at or order.created_at,
            sort="order",
            who="SHARY",
            what=what,
            words=_("not sent yet: the message broker does not take it") if order.sent_at is None else "",
            is_trouble=order.sent_at is None,
        )


def _reports(reports: Iterable[LeaseReport], orders: Sequence[OutgoingOrder], site: str) -> Iterable[LogLine]:
    said = {
        "prepared": _("The device is ready; access is still closed"),
        "opened": _("Access is open"),
        "isolated": _("Access is closed"),
        "clean": _("The device is clean"),
        "stale": _("Refused the order: it has seen a later hand-over of the device"),
    }
    for report in reports:
        what = said.get(report.event, report.event)
        if report.event == "failed":
            what = (
                _("%(verb)s failed; the site will not try again by itself")
                if report.final
                else _("%(verb)s failed; the site tries again")
            ) % {"verb": report.verb.capitalize() or _("An attempt")}
        yield LogLine(
            at=report.at,
            sort="report",
            who=site,
            what=what,
            words=f"{report.error}: {report.words}" if report.error else report.words,
            took=_since_order(report, orders),
            is_trouble=report.event in ("failed", "stale"),
        )


def _since_order(report: LeaseReport, orders: Sequence[OutgoingOrder]) -> timedelta | None:
    """Return how long after the latest order that it answers it came."""
    verb = ANSWERS.get(report.event)
    sent = [
        order.sent_at
        for order in orders
        if order.verb == verb and order.sent_at is not None and order.sent_at <= report.at
    ]
    return report.at - sent[-1] if sent else None


def _proofs(proofs: Iterable[Proof]) -> Iterable[LogLine]:
    for proof in proofs:
        yield LogLine(
            at=proof.verified_at,
            sort="proof",
            who=proof.verifier,
            what=_("Proven clean") if proof.is_clean else _("Found not clean"),
            is_trouble=not proof.is_clean,
            checks=proof.checks,
        )


def _wishes(wishes: Iterable[Countersign]) -> Iterable[LogLine]:
    for wish in wishes:
        verb = wish.get_verb_display()
        yield LogLine(
            at=wish.asked_at,
            sort="wish",
            who=str(wish.asked_by),
            what=_("Asked for: %(verb)s; a second person has to confirm it") % {"verb": verb.lower()},
            words=wish.reason,
        )
        if wish.answered_at is not None:
            answer = _("Confirmed") if wish.answer == Countersign.Answer.CONFIRMED else _("Refused")
            yield LogLine(
                at=wish.answered_at,
                sort="wish",
                who=str(wish.answered_by or "SHARY"),
                what=f"{answer}: {verb.lower()}",
                words=wish.words,
            )
