"""What people are told of a device that is kept back: on the board, with their lease, when they book."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from reservations.models import Lease
from reservations.states import Status
from resources.models import Resource
from tests.callers import script_of
from tests.factories import book_lease, make_resource, next_hour

pytestmark = pytest.mark.django_db
ECC = "12 uncorrectable memory errors."


@pytest.fixture
def lease() -> Lease:
    """A lease to come."""
    return book_lease(make_resource(name="Card"), starts_at=next_hour(after_h=3))


def keep_back(resource: Resource) -> None:
    Resource.objects.filter(pk=resource.pk).update(quarantined_at=timezone.now(), quarantine_reason=ECC)


def told(lease: Lease) -> list[str]:
    client = script_of(lease.reservation.holder)
    shown = client.get(f"/api/v1/reservations/{lease.reservation_id}/").json()
    warnings: list[str] = shown["leases"][0]["warnings"]
    return warnings


def row_of(lease: Lease) -> Any:
    start = next_hour() - timedelta(days=1)
    asked = {"from": start.isoformat(), "to": (start + timedelta(days=3)).isoformat()}
    rows = script_of(lease.reservation.holder).get("/api/v1/calendar/", asked).json()["rows"]
    return next(row for row in rows if row["name"] == "Card")


def test_the_board_says_why_a_device_cannot_be_had(lease: Lease) -> None:
    assert row_of(lease)["why"] == ""
    Resource.objects.update(health="unhealthy", health_detail="Too hot.")
    assert row_of(lease)["why"] == "Too hot."
    keep_back(lease.resource)
    assert row_of(lease)["why"] == ECC


def test_who_has_booked_it_is_told_and_who_has_it_is_told_something_else(lease: Lease) -> None:
    assert told(lease) == []
    running = book_lease(
        make_resource(name="Other"),
        status=Status.ACTIVE,
        starts_at=timezone.now() - timedelta(hours=1),
        hours=3,
    )
    for each in (lease, running):
        keep_back(each.resource)
    assert told(lease) == [f"Card is kept back: {ECC} The lease starts if its operator hands it on in time."]
    assert told(running)[0].startswith(f"Other reported an error: {ECC} Your lease goes on")


def test_what_is_over_is_not_warned_of_any_more() -> None:
    over = book_lease(status=Status.RELEASED, starts_at=timezone.now() - timedelta(hours=5))
    keep_back(over.resource)
    assert told(over) == []


def test_an_unhealthy_device_is_said_to_be_so(lease: Lease) -> None:
    Resource.objects.filter(pk=lease.resource_id).update(health="unhealthy", health_detail="Too hot.")
    assert told(lease) == ["Card is unhealthy now: Too hot."]
