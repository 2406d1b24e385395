"""What sites measured of leases: stored once, whatever comes how often and when; asked in few statements."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries, Settings

from adapters.contract.values import UseBlock
from adapters.contract.wire import Report
from reservations.models import Lease, LeaseUse, Reservation
from reservations.packing import unpack
from reservations.selectors.use import idle_leases, idle_since_of, use_by_project, use_of, use_summary
from reservations.services.cleaning import begin_release
from reservations.services.engine.reports import take_report
from reservations.services.engine.use import fold_use
from reservations.states import Status
from tests.factories import book_lease, make_project, make_resource, make_site, next_hour

pytestmark = pytest.mark.django_db

LOAD = "utilisation_percent"


@pytest.fixture
def lease() -> Lease:
    return running()


def running(*, hours_ago: float = 3, hours: float = 6, **more: Any) -> Lease:
    """A lease whose access was opened at its start, on a full minute."""
    starts_at = next_hour() - timedelta(hours=hours_ago + 1)
    lease = book_lease(status=Status.ACTIVE, starts_at=starts_at, hours=hours, **more)
    Lease.objects.filter(pk=lease.pk).update(opened_at=starts_at)
    lease.refresh_from_db()
    return lease


def used(
    lease: Lease, columns: Mapping[str, Sequence[float | None]], *, after_min: int = 0, **changes: Any
) -> Report:
    block = UseBlock(
        began_at=lease.starts_at + timedelta(minutes=after_min),
        step_s=60,
        columns={name: tuple(column) for name, column in columns.items()},
    )
    facts = {
        "site": lease.resource.site.slug,
        "event": "used",
        "at": lease.ends_at,
        "lease_id": str(lease.pk),
        "epoch": lease.epoch,
        "use": block,
    }
    return Report(**(facts | changes))


def tell(lease: Lease, *reports: Report, now: datetime | None = None) -> None:
    for report in reports:
        take_report(report, site=lease.resource.site, now=now or lease.ends_at)


def loads_of(lease: Lease) -> Sequence[float | None]:
    return use_of(lease.pk, step_s=60).columns.get(LOAD, [])


def test_overlapping_blocks_in_any_order_and_twice_are_stored_once(lease: Lease) -> None:
    blocks = [
        used(lease, {LOAD: [10, 20, 30]}),
        used(lease, {LOAD: [10, 20, 30, None, 50]}),
        used(lease, {LOAD: [50, 60]}, after_min=4),
    ]
    for order in permutations(blocks):
        LeaseUse.objects.all().delete()
        tell(lease, *order, *order)
        assert loads_of(lease) == [10, 20, 30, None, 50, 60]
        summary = use_summary(lease.pk)
        assert (summary.measured_s, summary.mean_percent) == (300, pytest.approx(34))


def test_a_minute_that_is_known_stays_as_it_is(lease: Lease) -> None:
    tell(lease, used(lease, {LOAD: [10, None]}), used(lease, {LOAD: [90, 20], "power_w": [300, 310]}))
    assert loads_of(lease) == [10, 20]
    assert use_of(lease.pk).columns["power_w"] == [300, 310]


def test_the_page_hears_of_what_is_new_and_of_nothing_else(lease: Lease) -> None:
    def version() -> int:
        return Reservation.objects.values_list("version", flat=True).get(pk=lease.reservation_id)

    before = version()
    report = used(lease, {LOAD: [10]})
    tell(lease, report)
    after = version()
    tell(lease, report)
    assert (after, version()) == (before + 1, before + 1)


def test_what_comes_after_the_lease_is_over_is_kept_all_the_same() -> None:
    lease = book_lease(status=Status.RELEASED, starts_at=next_hour() - timedelta(hours=3))
    tell(lease, used(lease, {LOAD: [10]}))
    assert loads_of(lease) == [10]


def test_another_epoch_another_site_and_other_times_are_not_believed(lease: Lease) -> None:
    good = {LOAD: [10.0]}
    tell(lease, used(lease, good, epoch=(lease.epoch or 0) - 1))
    take_report(used(lease, good), site=make_site(), now=lease.ends_at)
    tell(lease, used(lease, good, after_min=-600))
    tell(lease, used(lease, good, after_min=600), now=lease.starts_at + timedelta(hours=1))
    tell(lease, used(lease, good, use=None))
    assert not LeaseUse.objects.exists()


@pytest.mark.parametrize(
    "block",
    [
        {"step_s": 61},
        {"columns": {"a": (1.0,), "b": (1.0, 2.0)}},
        {"columns": {"a": (1.0,) * 3000}},
        {"columns": {f"column {n}": (1.0,) for n in range(300)}},
        {"columns": {"a" * 100: (1.0,)}},
    ],
    ids=["no minutes", "of two lengths", "too long", "too many", "a name too long"],
)
def test_a_block_that_makes_no_sense_changes_nothing(lease: Lease, block: dict[str, Any]) -> None:
    facts = {"began_at": lease.starts_at, "step_s": 60, "columns": {LOAD: (1.0,)}}
    tell(lease, used(lease, {}, use=UseBlock(**(facts | block))))
    assert not LeaseUse.objects.exists()


def test_a_lease_over_midnight_has_a_row_for_each_day_and_one_line(lease: Lease) -> None:
    midnight = (lease.starts_at + timedelta(days=1)).replace(hour=0)
    Lease.objects.filter(pk=lease.pk).update(ends_at=midnight + timedelta(days=1))
    lease.refresh_from_db()
    to_midnight = int((midnight - lease.starts_at) / timedelta(minutes=1))
    tell(lease, used(lease, {LOAD: [10, 20, 30, 40]}, after_min=to_midnight - 2))
    assert LeaseUse.objects.count() == 2
    assert loads_of(lease) == [10, 20, 30, 40]
    assert use_summary(lease.pk).mean_percent == pytest.approx(25)


def test_why_nothing_was_measured_is_kept(lease: Lease) -> None:
    why = "The card is inside a virtual machine."
    tell(lease, used(lease, {}, detail={"unmeasured": why}))
    summary = use_summary(lease.pk)
    assert (summary.unmeasured, summary.mean_percent, summary.devices) == (why, None, 0)


def test_old_minutes_become_hours_and_the_mean_stays(lease: Lease, settings: Settings) -> None:
    settings.SHARY_USE_MINUTES_DAYS = 30
    columns = {LOAD: [10.0] * 20 + [None] * 20 + [40.0] * 20 + [100.0], f"{LOAD}_max": [15.0] * 60 + [100.0]}
    tell(lease, used(lease, columns))
    before, size = use_summary(lease.pk), len(LeaseUse.objects.get().packed)
    assert fold_use(now=lease.starts_at + timedelta(days=30)) == 0
    later = lease.starts_at + timedelta(days=32)
    assert fold_use(now=later) == 1
    assert fold_use(now=later) == 0
    row = LeaseUse.objects.get()
    assert row.step_s == 3600
    assert len(row.packed) < size
    assert [value for value in unpack(bytes(row.packed))[LOAD] if value is not None] == [25, 100]
    assert use_of(lease.pk).columns[f"{LOAD}_max"] == [15, 100]
    assert use_summary(lease.pk) == before
    tell(lease, used(lease, {LOAD: [50.0] * 120}))
    assert use_summary(lease.pk) == before, "what comes a month late is too late"


def test_hours_are_dropped_when_the_settings_say_so(lease: Lease, settings: Settings) -> None:
    settings.SHARY_USE_HOURS_DAYS = 100
    tell(lease, used(lease, {LOAD: [10]}))
    fold_use(now=lease.starts_at + timedelta(days=99))
    assert LeaseUse.objects.count() == 1
    fold_use(now=lease.starts_at + timedelta(days=102))
    assert LeaseUse.objects.count() == 0


def test_a_long_lease_is_shown_in_steps_that_can_be_read(lease: Lease) -> None:
    Lease.objects.filter(pk=lease.pk).update(ends_at=lease.starts_at + timedelta(days=30))
    lease.refresh_from_db()
    tell(lease, used(lease, {LOAD: [10]}), used(lease, {LOAD: [30]}, after_min=7 * 1440))
    measured = use_of(lease.pk)
    assert measured.step_s == 3600
    assert measured.length <= 480
    assert (measured.columns[LOAD][0], measured.columns[LOAD][-1]) == (10, 30)


def test_idle_leases_are_found_in_one_statement(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    idle, busy, unknown, blind = (running() for _ in range(4))
    now = idle.starts_at + timedelta(minutes=100)
    tell(idle, used(idle, {LOAD: [90.0] * 20 + [0.0] * 80}), now=now)
    tell(busy, used(busy, {LOAD: [0.0] * 95 + [80.0] * 5}), now=now)
    tell(unknown, used(unknown, {LOAD: [0.0] * 60}), now=now)
    tell(blind, used(blind, {"memory_used_mib": [1.0] * 100}), now=now)
    with django_assert_num_queries(1):
        (found,) = idle_leases(now)
    assert (found.lease_id, found.since) == (idle.pk, idle.starts_at + timedelta(minutes=20))
    assert idle_since_of(idle, now=now) == found.since
    assert idle_since_of(busy, now=now) is None
    assert idle_leases(now, at_least=timedelta(minutes=90)) == []
    assert len(idle_leases(now, below_percent=95)) == 2


def test_a_lease_that_is_over_is_not_idle() -> None:
    lease = running()
    now = lease.starts_at + timedelta(minutes=60)
    tell(lease, used(lease, {LOAD: [0.0] * 60}), now=now)
    assert len(idle_leases(now)) == 1
    begin_release([lease], source=Status.ACTIVE, reason="Ended", now=now)
    assert idle_leases(now) == []


def test_hours_used_and_booked_are_added_up_by_project(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    project, other = make_project(), make_project()
    site = make_site()
    card = running(hours_ago=30, hours=4, project=project, resource=make_resource(site))
    host = running(hours_ago=30, hours=4, project=project)
    elsewhere = running(hours_ago=30, hours=2, project=other)
    tell(card, used(card, {LOAD: [50.0] * 120}))
    tell(host, used(host, {f"a {LOAD}": [100.0] * 60, f"b {LOAD}": [0.0] * 60}))
    since, until = card.starts_at - timedelta(days=2), card.starts_at + timedelta(days=2)
    with django_assert_num_queries(1):
        found = use_by_project(since=since, until=until)
    assert [each.project_id for each in found] == [project.pk, other.pk]
    first = found[0]
    # Four hours of one card, and four of a host with two.
    assert (first.booked_h, first.measured_h, first.used_h) == pytest.approx((12, 4, 2))
    assert (found[1].booked_h, found[1].used_h) == pytest.approx((2, 0))
    assert elsewhere.reservation.project_id == other.pk
    (only,) = use_by_project(since=since, until=until, site_id=site.pk)
    assert (only.booked_h, only.used_h) == pytest.approx((4, 1))
    assert use_by_project(since=until, until=until + timedelta(days=1)) == []
