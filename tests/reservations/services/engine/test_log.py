"""What sites report of leases is kept, once, and only of their own."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from adapters.contract.wire import Failure, new_key, private_key, public_text, seal
from reservations.models import Lease, LeaseReport, OutgoingOrder
from reservations.policy import KEEP_LOG, KEEP_SENT
from reservations.selectors.task_log import task_log
from reservations.services.engine.reconcile import tidy
from reservations.services.engine.reports import take_reports
from reservations.states import Status
from resources.models import Site
from tests.factories import book_lease, make_resource, make_site, next_hour
from tests.reservations.services.engine.site import ACCESS, says

pytestmark = pytest.mark.django_db

KEY = private_key(new_key())


@pytest.fixture
def lease() -> Lease:
    site = make_site("roma", public_key=public_text(KEY))
    return book_lease(make_resource(site), status=Status.PROVISIONING, starts_at=next_hour())


def test_each_report_is_kept_once_however_often_it_comes(lease: Lease) -> None:
    failure = Failure(error="DeviceUnreachable", remedy="retry", verb="provision", message="no route")
    prepared = says(lease, "prepared")
    messages = [
        seal(report, key=KEY, sender="roma")
        for report in (says(lease, "failed", failure=failure), prepared, prepared)
    ]
    take_reports(messages, now=timezone.now())
    take_reports(messages, now=timezone.now())
    kept = [(row.event, row.error, row.words) for row in lease.reports.all()]
    assert kept == [("failed", "DeviceUnreachable", "no route"), ("prepared", "", "")]


def test_what_opens_the_device_is_not_in_the_log(lease: Lease) -> None:
    take_reports([seal(says(lease, "prepared"), key=KEY, sender="roma")], now=timezone.now())
    assert ACCESS.instructions not in str(LeaseReport.objects.values().get())


def test_a_site_writes_into_no_other_sites_log(lease: Lease) -> None:
    other = private_key(new_key())
    make_site("torino", public_key=public_text(other))
    forged = says(lease, "prepared")
    object.__setattr__(forged, "site", "torino")
    take_reports([seal(forged, key=other, sender="torino")], now=timezone.now())
    assert not LeaseReport.objects.exists()


def test_a_batch_of_reports_is_kept_in_one_statement(lease: Lease) -> None:
    messages = [seal(says(lease, "prepared"), key=KEY, sender="roma") for _ in range(5)]
    with CaptureQueriesContext(connection) as asked:
        take_reports(messages, now=timezone.now())
    assert sum("reservations_leasereport" in query["sql"] for query in asked.captured_queries) == 1


def test_the_log_of_a_lease_stays_when_other_orders_are_dropped(lease: Lease) -> None:
    now = timezone.now()
    old = now - KEEP_SENT - timedelta(days=1)
    site = Site.objects.get()
    kept = OutgoingOrder.objects.create(lease=lease, site=site, verb="hold", sent_at=old)
    OutgoingOrder.objects.create(site=site, verb="watch", sent_at=old)
    tidy(now=now)
    assert list(OutgoingOrder.objects.all()) == [kept]
    tidy(now=now + KEEP_LOG)
    assert not OutgoingOrder.objects.exists()


def test_the_log_is_read_in_five_statements_however_long_it_is(
    lease: Lease, django_assert_num_queries: object
) -> None:
    now = timezone.now()
    for number in range(30):
        OutgoingOrder.objects.create(lease=lease, site=lease.resource.site, verb="hold", sent_at=now)
        LeaseReport.objects.create(lease=lease, report=str(number), event="failed", at=now, received_at=now)
    with django_assert_num_queries(5):  # type: ignore[operator]
        assert len(task_log(lease)) > 60
