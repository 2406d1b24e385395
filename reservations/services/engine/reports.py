"""What the sites report, made true in the database.

The same report may come many times, late and out of order: each handler asks where the lease
stands and does nothing when that is already beyond what the report says.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from uuid import UUID

import structlog
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Greatest

from adapters.contract.wire import BadSeal, Report, public_key, sender_of, to_json, unseal
from reservations.models import Lease
from reservations.services.cleaning import accept_proof, begin_release, give_up_release, keep_proof
from reservations.services.engine.builds import take_built
from reservations.services.engine.discovery import take_discovered
from reservations.services.engine.geometry import take_reshaped
from reservations.services.engine.health import take_observed
from reservations.services.engine.log import keep_reports
from reservations.services.engine.orders import write_orders
from reservations.services.engine.post import tell_holder, tell_who_wants
from reservations.services.engine.rehearsals import take_rehearsed
from reservations.services.engine.use import take_use
from reservations.services.gate import move_many
from reservations.states import ON_DEVICE, Status
from resources.models import Site

log = structlog.get_logger(__name__)


def take_reports(messages: Iterable[str], *, now: datetime) -> int:
    """Take sealed reports; return how many were believed. Forged and foreign ones are logged and dropped."""
    sites: dict[str, Site | None] = {}
    believed: list[tuple[Site, Report]] = []
    for message in messages:
        try:
            believed.append(_believed(message, sites))
        except (BadSeal, ValueError) as error:
            log.warning("report.refused", error=str(error))
    keep_reports(believed, now=now)
    opened: dict[Site, list[Report]] = {}
    for site, report in believed:
        if report.event == "opened":
            opened.setdefault(site, []).append(report)
    for site, reports in opened.items():
        take_openings(reports, site=site, now=now)
    for site, report in believed:
        if report.event != "opened":
            take_report(report, site=site, now=now)
    if believed:
        Site.objects.filter(pk__in={site.pk for site, _ in believed}).update(last_heard_at=now)
    return len(believed)


def _believed(message: str, sites: dict[str, Site | None]) -> tuple[Site, Report]:
    slug = sender_of(message)
    if slug not in sites:
        sites[slug] = Site.objects.filter(slug=slug).exclude(public_key="").first()
    site = sites[slug]
    if site is None:
        raise BadSeal(f"There is no site “{slug}” with a key.")
    report = unseal(Report, message, key=public_key(site.public_key))
    if report.site != slug:
        raise BadSeal(f"The site “{slug}” speaks for “{report.site}”.")
    for name, key in (("lease", report.lease_id), ("resource", report.resource_id)):
        if key is not None and _key(key) is None:
            raise BadSeal(f"The site “{slug}” speaks of a {name} “{key}”, which is no identifier.")
    return site, report


def _key(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def take_openings(reports: Iterable[Report], *, site: Site, now: datetime) -> None:
    """Take that access was opened, for many leases at once: they all start at the full hour."""
    by_lease = {UUID(report.lease_id): report for report in reports if report.lease_id}
    with transaction.atomic():
        leases = list(
            Lease.objects.select_for_update(of=("self",), no_key=True)
            .filter(pk__in=by_lease, resource__site=site, status__in=[Status.PROVISIONING, Status.ACTIVE])
            .order_by("pk")
        )
        opened = []
        for lease in leases:
            report = by_lease[lease.pk]
            if report.epoch != lease.epoch:
                continue
            if lease.status == Status.PROVISIONING:
                lease.opened_at = report.at
                lease.prepared_at = lease.prepared_at or report.at
                lease.access = to_json(report.access) if report.access else lease.access
                opened.append(lease)
            elif lease.isolated_at is not None and report.at >= lease.isolated_at:
                _keep(lease, isolated_at=None, trouble="")
        Lease.objects.bulk_update(opened, ["opened_at", "prepared_at", "access"])
        move_many(
            lease_ids=[lease.pk for lease in opened],
            source=Status.PROVISIONING,
            to=Status.ACTIVE,
            now=now,
            reason="Access is open",
            next_action_at=Greatest(F("ends_at"), now),
            deadline_at=None,
            trouble="",
        )
        tell_who_wants("ready", {lease.reservation_id for lease in opened}, now=now)


def take_report(report: Report, *, site: Site, now: datetime) -> None:
    """Make one report, known to be the site's own, true in the database."""
    if report.event == "opened":
        take_openings([report], site=site, now=now)
    elif report.event == "observed":
        take_observed(report, site=site, now=now)
    elif report.event == "discovered":
        take_discovered(report, site=site, now=now)
    elif report.event == "reshaped":
        take_reshaped(report, site=site, now=now)
    elif report.event == "rehearsed":
        take_rehearsed(report, site=site, now=now)
    elif report.event == "built":
        take_built(report, site=site, now=now)
    elif report.event == "used":
        take_use(report, site=site, now=now)
    elif handler := _HANDLERS.get(report.event):
        with transaction.atomic():
            lease = _lease_of(report, site)
            if lease is not None:
                handler(lease, report, now)


def _lease_of(report: Report, site: Site) -> Lease | None:
    key = _key(report.lease_id or "")
    lease = (
        None
        if key is None
        else (
            Lease.objects.select_related("resource__site", "reservation__holder")
            .select_for_update(of=("self",), no_key=True)
            .filter(pk=key, resource__site=site, status__in=ON_DEVICE)
            .first()
        )
    )
    if lease is None or lease.epoch != report.epoch:
        log.info("report.of_the_past", report_event=report.event, lease=report.lease_id, epoch=report.epoch)
        return None
    return lease


def _prepared(lease: Lease, report: Report, now: datetime) -> None:
    if lease.status not in (Status.PROVISIONING, Status.ACTIVE):
        return
    facts: dict[str, object] = {}
    if report.access is not None and not lease.access:
        facts["access"] = to_json(report.access)
    if lease.prepared_at is None:
        facts |= {"prepared_at": report.at, "trouble": ""}
    if lease.status == Status.PROVISIONING and lease.deadline_at is not None:
        facts["next_action_at"] = lease.deadline_at
    if facts:
        _keep(lease, **facts)


def _isolated(lease: Lease, report: Report, now: datetime) -> None:
    _keep(lease, isolated_at=report.at)
    if lease.status == Status.ACTIVE and report.revision == lease.revision and report.at < lease.ends_at:
        # The site closed by an end that was extended since; it has not heard of the new one.
        write_orders([lease], verb="hold")


def _clean(lease: Lease, report: Report, now: datetime) -> None:
    if report.proof is not None and lease.status in (Status.RELEASING, Status.RELEASE_FAILED):
        accept_proof(lease, report.proof, now=now)


def _failed(lease: Lease, report: Report, now: datetime) -> None:
    words = report.failure.message if report.failure else "The site gave no reason."
    if report.revision is not None and report.revision < lease.revision:
        return
    if report.proof is not None:
        keep_proof(lease, report.proof)
    if lease.status == Status.PROVISIONING and report.final:
        begin_release([lease], source=Status.PROVISIONING, reason=f"Could not be made ready: {words}", now=now)
        tell_holder(lease, "failed", why=words, now=now)
    elif lease.status == Status.RELEASING and report.final:
        give_up_release(lease, reason=words, now=now)
    else:
        _keep(lease, trouble=words)


def _stale(lease: Lease, report: Report, now: datetime) -> None:
    """The site has seen a later hand-over than we know of, as after a restore from a backup: fail closed."""
    highest = report.detail.get("highest_epoch")
    if isinstance(highest, int) and lease.epoch is not None and highest > lease.epoch:
        with connection.cursor() as cursor:
            cursor.execute("SELECT setval('shary_epoch', greatest(%s, nextval('shary_epoch')))", [highest])
        reason = f"The site has seen hand-over {highest} of this device, later than ours ({lease.epoch})"
        if lease.status == Status.PROVISIONING:
            begin_release([lease], source=Status.PROVISIONING, reason=reason, now=now)
        elif lease.status == Status.RELEASING:
            give_up_release(lease, reason=reason, now=now)


_HANDLERS: dict[str, Callable[[Lease, Report, datetime], None]] = {
    "prepared": _prepared,
    "isolated": _isolated,
    "clean": _clean,
    "failed": _failed,
    "stale": _stale,
}


def _keep(lease: Lease, **facts: object) -> None:
    Lease.objects.filter(pk=lease.pk).update(**facts)
