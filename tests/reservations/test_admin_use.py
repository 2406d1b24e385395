"""The desk of operators says how a lease uses its device, and since when it does not."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from adapters.contract.values import UseBlock
from adapters.contract.wire import Report
from reservations.measured import UseSummary
from reservations.models import Lease
from reservations.services.engine.use import take_use
from reservations.states import Status
from reservations.words import say_use
from tests.factories import book_lease, make_resource, make_site, make_user, next_hour


def summary(**facts: object) -> UseSummary:
    nothing = {"devices": 0, "measured_s": 0.0, "busy_s": 0.0, "unmeasured": "", "updated_at": None}
    return UseSummary(**(nothing | facts))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (summary(), "Not measured"),
        (summary(unmeasured="NVML is absent."), "Not measured: NVML is absent."),
        (summary(devices=1, measured_s=7200, busy_s=1800), "25 % busy on average, over 2 h"),
        (summary(devices=2, measured_s=7200, busy_s=3600), "50 % busy on average, over 1 h on 2 cards"),
    ],
)
def test_use_is_said_in_words(found: UseSummary, words: str) -> None:
    assert say_use(found) == words


def test_a_leases_page_says_how_it_is_used_and_since_when_it_is_idle(db: None, time_machine: object) -> None:
    site = make_site()
    starts_at = next_hour() - timedelta(hours=3)
    lease = book_lease(make_resource(site), status=Status.ACTIVE, starts_at=starts_at, hours=6)
    Lease.objects.filter(pk=lease.pk).update(opened_at=starts_at)
    block = UseBlock(began_at=starts_at, step_s=60, columns={"utilisation_percent": (90.0,) * 30 + (0.0,) * 60})
    now = starts_at + timedelta(minutes=90)
    report = Report(site=site.slug, event="used", at=now, lease_id=str(lease.pk), epoch=lease.epoch, use=block)
    take_use(report, site=site, now=now)
    desk = Client()
    desk.force_login(make_user(operates=[site]))
    time_machine.move_to(now)  # type: ignore[attr-defined]
    page = desk.get(reverse("admin:reservations_lease_change", args=[lease.pk])).content.decode()
    assert "30 % busy on average, over 1 h 30 min" in page
    assert f"since {starts_at + timedelta(minutes=30):%Y-%m-%d %H:%M} UTC" in page
