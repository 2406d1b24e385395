"""What sites measured of leases: kept once, however often it is told, and folded when it is old."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F

from adapters.contract.values import UseBlock
from adapters.contract.wire import Report
from reservations.measured import DAY_S, HIGHEST, coarser, is_utilisation
from reservations.models import Lease, LeaseUse, Reservation
from reservations.packing import pack, unpack
from resources.models import Site

log = structlog.get_logger(__name__)

STEP_S = 60
FOLDED_STEP_S = 3600
_PER_DAY = DAY_S // STEP_S
MOST_COLUMNS = 256
MOST_STEPS = 2 * _PER_DAY
_LONGEST_NAME = 80
_AHEAD = timedelta(minutes=5)
"""So far may a site's clock be ahead of ours."""
_FOLD_AT_ONCE = 500

Columns = dict[str, list[float | None]]


def take_use(report: Report, *, site: Site, now: datetime) -> None:
    """Keep what a site measured. A minute that is known stays as it is: the same again changes nothing."""
    block, key = report.use, report.lease_id
    if block is None or key is None:
        return
    lease = Lease.objects.filter(pk=UUID(key), resource__site=site, epoch=report.epoch).first()
    if lease is None:
        log.info("report.of_the_past", report_event="used", lease=key, epoch=report.epoch)
        return
    wrong = _what_is_wrong(block)
    if wrong:
        log.warning("report.unusable", report_event="used", lease=key, problem=wrong)
        return
    unmeasured = str(report.detail.get("unmeasured", ""))[:500]
    changed = False
    for day, columns in _days_of(block, earliest=lease.starts_at, latest=now + _AHEAD).items():
        changed |= _keep(lease, day, columns, unmeasured, now)
    if changed:
        # Pages that watch the reservation hear of it.
        Reservation.objects.filter(pk=lease.reservation_id).update(version=F("version") + 1)


def fold_use(*, now: datetime) -> int:
    """Make hours of the minutes that are older than is kept by the minute; return how many rows."""
    before = (now - timedelta(days=settings.SHARY_USE_MINUTES_DAYS)).date()
    folded = 0
    while True:
        with transaction.atomic():
            rows = list(
                LeaseUse.objects.select_for_update(skip_locked=True)
                .filter(day__lt=before, step_s=STEP_S)
                .order_by("day", "pk")[:_FOLD_AT_ONCE]
            )
            for row in rows:
                by = FOLDED_STEP_S // STEP_S
                row.packed = pack(
                    {
                        name: coarser(column, by=by, highest=name.endswith(HIGHEST))
                        for name, column in unpack(bytes(row.packed)).items()
                    }
                )
                row.step_s = FOLDED_STEP_S
            LeaseUse.objects.bulk_update(rows, ["packed", "step_s"])
        folded += len(rows)
        if len(rows) < _FOLD_AT_ONCE:
            break
    if settings.SHARY_USE_HOURS_DAYS:
        last = (now - timedelta(days=settings.SHARY_USE_HOURS_DAYS)).date()
        LeaseUse.objects.filter(day__lt=last).delete()
    return folded


def _what_is_wrong(block: UseBlock) -> str:
    lengths = {len(column) for column in block.columns.values()}
    if block.step_s != STEP_S or block.began_at.timestamp() % STEP_S:
        return f"steps of {block.step_s} s from {block.began_at.isoformat()} are no full minutes"
    if len(lengths) > 1 or any(length > MOST_STEPS for length in lengths):
        return f"columns of {sorted(lengths)} steps"
    if len(block.columns) > MOST_COLUMNS or any(len(name) > _LONGEST_NAME for name in block.columns):
        return f"{len(block.columns)} columns, or names that are too long"
    return ""


def _days_of(block: UseBlock, *, earliest: datetime, latest: datetime) -> Mapping[date, Columns]:
    """Return the block's columns by day, each as long as the day; what lies outside the times is left out."""
    days: dict[date, Columns] = {}
    began = block.began_at.astimezone(UTC)
    earliest -= timedelta(seconds=STEP_S)
    length = max((len(column) for column in block.columns.values()), default=1)
    for step in range(length):
        at = began + timedelta(seconds=step * STEP_S)
        if not earliest <= at <= latest:
            continue
        columns = days.setdefault(at.date(), {})
        place = (at.hour * 3600 + at.minute * 60) // STEP_S
        for name, values in block.columns.items():
            number = values[step]
            if number is not None and math.isfinite(number):
                columns.setdefault(name, [None] * _PER_DAY)[place] = number
    return days


def _keep(lease: Lease, day: date, new: Columns, unmeasured: str, now: datetime) -> bool:
    with transaction.atomic():
        LeaseUse.objects.bulk_create([LeaseUse(lease=lease, day=day, updated_at=now)], ignore_conflicts=True)
        row = LeaseUse.objects.select_for_update().get(lease=lease, day=day)
        if row.step_s != STEP_S:
            log.info("use.too_late", lease=str(lease.pk), day=str(day))
            return False
        kept = unpack(bytes(row.packed))
        added = _fill(kept, new)
        if not added and row.unmeasured == unmeasured:
            return False
        row.unmeasured, row.updated_at = unmeasured, now
        if added:
            row.packed = pack(kept)
            loads = [column for name, column in kept.items() if is_utilisation(name)]
            seen = [load for column in loads for load in column if load is not None]
            row.devices = len(loads)
            row.measured_s = float(len(seen) * STEP_S)
            row.busy_s = sum(seen) / 100 * STEP_S
        row.save()
        return True


def _fill(kept: Columns, new: Mapping[str, Sequence[float | None]]) -> bool:
    """Add what is not known yet; return whether there was any."""
    added = False
    for name, column in new.items():
        known = kept.setdefault(name, [None] * _PER_DAY)
        for place, number in enumerate(column):
            if number is not None and known[place] is None:
                known[place] = number
                added = True
    return added
