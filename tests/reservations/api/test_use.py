"""A lease's use by the REST API: for those who may see the lease, and nobody else."""

import csv
import io
from datetime import datetime, timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from adapters.contract.values import UseBlock
from adapters.contract.wire import Report
from reservations.models import Lease
from reservations.services.engine.reports import take_report
from reservations.states import Status
from tests.callers import codes, script_of, stranger
from tests.factories import (
    book_lease,
    make_project,
    make_resource,
    make_site,
    make_superuser,
    make_user,
    next_hour,
)

pytestmark = pytest.mark.django_db

LOAD = "utilisation_percent"


@pytest.fixture
def lease() -> Lease:
    starts_at = next_hour() - timedelta(hours=3)
    lease = book_lease(
        make_resource(make_site()), project=make_project(), status=Status.ACTIVE, starts_at=starts_at, hours=4
    )
    Lease.objects.filter(pk=lease.pk).update(opened_at=starts_at)
    lease.refresh_from_db()
    return lease


@pytest.fixture
def holder(lease: Lease) -> APIClient:
    return script_of(lease.reservation.holder)


def measure(lease: Lease, columns: dict[str, Any], *, after: timedelta = timedelta(0), **facts: Any) -> None:
    block = UseBlock(
        began_at=lease.starts_at + after,
        step_s=60,
        columns={name: tuple(values) for name, values in columns.items()},
    )
    report = Report(
        site=lease.resource.site.slug,
        event="used",
        at=lease.ends_at,
        lease_id=str(lease.pk),
        epoch=lease.epoch,
        use=block,
        **facts,
    )
    take_report(report, site=lease.resource.site, now=lease.ends_at)


def url(lease: Lease, suffix: str = "use/") -> str:
    return f"/api/v1/leases/{lease.pk}/{suffix}"


@pytest.mark.parametrize("suffix", ["use/", "use.csv"])
def test_members_of_the_project_and_operators_of_the_site_see_it_and_nobody_else(
    lease: Lease, suffix: str
) -> None:
    measure(lease, {LOAD: [10.0]})
    site, project = lease.resource.site, lease.reservation.project
    allowed = [
        lease.reservation.holder,
        make_user(projects=[project]),
        make_user(operates=[site]),
        make_superuser(),
    ]
    for person in allowed:
        assert codes(script_of(person).get(url(lease, suffix))) == (200, None), person
    for person in (make_user(), make_user(projects=[make_project()]), make_user(operates=[make_site()])):
        assert codes(script_of(person).get(url(lease, suffix))) == (404, "not_found"), person
    assert stranger().get(url(lease, suffix)).status_code == 401


def test_numbers_over_time_with_what_they_come_to(lease: Lease, holder: APIClient) -> None:
    measure(
        lease, {LOAD: [10.0, None, 30.0], f"{LOAD}_max": [20.0, None, 90.0], "power_w": [61.25, None, 75.0]}
    )
    answer = holder.get(url(lease)).json()
    assert datetime.fromisoformat(answer["began_at"]) == lease.starts_at
    assert answer["step_s"] == 60
    assert answer["columns"] == {
        LOAD: [10, None, 30],
        f"{LOAD}_max": [20, None, 90],
        "power_w": [61.25, None, 75],
    }
    assert answer["cards"] == {}
    assert answer["mean_utilisation_percent"] == 20
    assert answer["measured_h"] == pytest.approx(2 / 60, rel=1e-3)
    assert answer["used_h"] == pytest.approx(0.4 / 60, rel=1e-3)


def test_coarser_steps_are_means(lease: Lease, holder: APIClient) -> None:
    measure(lease, {LOAD: [10.0] * 5 + [30.0] * 5})
    assert holder.get(url(lease), {"step": 300}).json()["columns"][LOAD] == [10, 30]
    assert codes(holder.get(url(lease), {"step": 61})) == (400, "invalid")


def test_a_hosts_cards_are_shown_together_and_each(lease: Lease, holder: APIClient) -> None:
    measure(lease, {f"0000:65:00.0 {LOAD}": [20.0], f"0000:b1:00.0 {LOAD}": [60.0]})
    answer = holder.get(url(lease)).json()
    assert answer["columns"] == {LOAD: [40]}
    assert answer["cards"] == {"0000:65:00.0": {LOAD: [20]}, "0000:b1:00.0": {LOAD: [60]}}


def test_nothing_measured_is_said_and_why(lease: Lease, holder: APIClient) -> None:
    answer = holder.get(url(lease)).json()
    assert (answer["began_at"], answer["columns"], answer["mean_utilisation_percent"]) == (None, {}, None)
    measure(lease, {}, detail={"unmeasured": "The card is inside a virtual machine."})
    assert holder.get(url(lease)).json()["unmeasured"] == "The card is inside a virtual machine."


def test_an_idle_lease_says_since_when(lease: Lease, holder: APIClient, time_machine: Any) -> None:
    measure(lease, {LOAD: [90.0] * 20 + [1.0] * 60})
    time_machine.move_to(lease.starts_at + timedelta(minutes=82))
    since = holder.get(url(lease)).json()["idle_since"]
    assert datetime.fromisoformat(since) == lease.starts_at + timedelta(minutes=20)


def test_the_table_has_a_line_for_each_minute(lease: Lease, holder: APIClient) -> None:
    measure(lease, {LOAD: [10.0, None, 12.5], "memory_used_mib": [81559.0, 81559.0, None]})
    answer = holder.get(url(lease, "use.csv"), HTTP_ACCEPT="text/csv")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"] == f'attachment; filename="use-{lease.pk}.csv"'
    head, *lines = csv.reader(io.StringIO(answer.content.decode()))
    assert head == ["began_at", "memory_used_mib", LOAD]
    assert [datetime.fromisoformat(line[0]) for line in lines] == [
        lease.starts_at + timedelta(minutes=minute) for minute in range(3)
    ]
    assert [line[2] for line in lines] == ["10", "", "12.5"]
    assert float(lines[0][1]) == pytest.approx(81559, rel=1e-3)
    assert lines[2][1] == ""


def test_two_weeks_of_use_are_shown_in_few_statements_and_points(
    lease: Lease, holder: APIClient, django_assert_max_num_queries: Any
) -> None:
    Lease.objects.filter(pk=lease.pk).update(ends_at=lease.starts_at + timedelta(days=20))
    lease.refresh_from_db()
    for day in range(14):
        measure(lease, {LOAD: [50.0] * 1440}, after=timedelta(days=day))
    with django_assert_max_num_queries(7):
        answer = holder.get(url(lease)).json()
    assert answer["step_s"] == 3600
    assert len(answer["columns"][LOAD]) == 14 * 24
