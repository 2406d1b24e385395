"""Maintenance that displaces: moved, cancelled or ended in order, all or nothing, and taken back."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts.models import User
from reservations.errors import IllegalMove, LeasesInTheWay, NotAllowed
from reservations.models import Displacement, Lease, MaintenancePlan, OutgoingMail, OutgoingOrder
from reservations.services.displacement import call_off, confirm_plan, plan_displacing
from reservations.states import Status
from resources.models import MaintenanceWindow, Resource, Site
from tests.factories import (
    book_lease,
    make_project,
    make_reservation,
    make_resource,
    make_site,
    make_user,
    next_hour,
)

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


@pytest.fixture
def site() -> Site:
    return make_site("roma", name="Roma")


@pytest.fixture
def operator(site: Site) -> User:
    return make_user("operator", operates=[site])


def plan(
    site: Site, operator: User, *devices: Resource, starts_at: datetime, hours: float = 2, **fields: Any
) -> MaintenancePlan:
    asked: dict[str, Any] = {"ends_running": False, "choices": {}, "now": datetime.now(UTC)} | fields
    return plan_displacing(
        site=site,
        resource_ids=[device.pk for device in devices],
        starts_at=starts_at,
        ends_at=starts_at + timedelta(hours=hours),
        reason="New fan",
        actor=operator,
        **asked,
    )


def fate_of(lease: Lease) -> str:
    return Displacement.objects.get(lease=lease).fate


def test_two_leases_never_go_to_the_same_device(site: Site, operator: User) -> None:
    first, second = (book_lease(make_resource(site), starts_at=next_hour(after_h=9)) for _ in range(2))
    spare = make_resource(site, name="Spare")
    plan(site, operator, first.resource, second.resource, starts_at=next_hour(after_h=8), hours=4)
    for lease in (first, second):
        lease.refresh_from_db()
    assert {first.resource == spare, second.resource == spare} == {True, False}
    assert {first.status, second.status} == {Status.SCHEDULED, Status.CANCELLED}
    assert MaintenanceWindow.objects.count() == 2


def test_a_reservation_that_loses_one_device_loses_all_and_its_holder_is_told(
    site: Site, operator: User
) -> None:
    alone = make_resource(site, name="Only one", attributes={"model": "H100"})
    common = make_resource(site, name="L40S a")
    make_resource(site, name="L40S b")
    reservation = make_reservation([alone, common], starts_at=next_hour(after_h=9))
    plan(site, operator, alone, common, starts_at=next_hour(after_h=9))
    assert {lease.status for lease in reservation.leases.all()} == {Status.CANCELLED}
    assert OutgoingMail.objects.filter(to=reservation.holder).exists()


def test_a_running_lease_is_in_the_way_unless_it_may_be_ended(site: Site, operator: User) -> None:
    lease = book_lease(make_resource(site), starts_at=next_hour() - 2 * HOUR, hours=9, status=Status.ACTIVE)
    starts_at = next_hour(after_h=3)
    with pytest.raises(LeasesInTheWay, match="tick that running leases are ended"):
        plan(site, operator, lease.resource, starts_at=starts_at)
    assert not MaintenancePlan.objects.exists()
    plan(site, operator, lease.resource, starts_at=starts_at, ends_running=True)
    lease.refresh_from_db()
    assert fate_of(lease) == Displacement.Fate.SHORTENED
    assert lease.status == Status.ACTIVE
    assert lease.ends_at == lease.next_action_at == starts_at - timedelta(seconds=lease.cleanup_s)
    assert OutgoingOrder.objects.filter(lease=lease, verb="hold").exists()


def test_one_that_begins_now_ends_the_lease_and_begins_when_the_device_is_clean(
    site: Site, operator: User
) -> None:
    now = datetime.now(UTC)
    lease = book_lease(make_resource(site), starts_at=now - HOUR, hours=9, status=Status.ACTIVE)
    plan(site, operator, lease.resource, starts_at=now, ends_running=True, now=now)
    lease.refresh_from_db()
    assert (lease.status, lease.ends_at) == (Status.RELEASING, now)
    assert MaintenanceWindow.objects.get().starts_at == now + timedelta(seconds=lease.cleanup_s)


def test_the_parts_of_a_device_are_displaced_with_it(site: Site, operator: User) -> None:
    host = make_resource(site, name="Host")
    card = make_resource(parent=host, name="Card")
    lease = book_lease(card, starts_at=next_hour(after_h=9))
    plan(site, operator, host, card, starts_at=next_hour(after_h=9))
    lease.refresh_from_db()
    assert lease.status == Status.CANCELLED
    assert [window.resource for window in MaintenanceWindow.objects.all()] == [host]


def test_called_off_everything_goes_back_as_far_as_it_can(site: Site, operator: User) -> None:
    now = datetime.now(UTC)
    project = make_project()
    holder = make_user(projects=[project])
    mine: dict[str, Any] = {"holder": holder, "project": project}
    moved = book_lease(make_resource(site, name="A 1"), starts_at=next_hour(after_h=9), **mine)
    make_resource(site, name="A 2")
    lonely = make_resource(site, name="H100", attributes={"model": "H100"})
    cancelled = book_lease(lonely, starts_at=next_hour(after_h=9), **mine)
    running = book_lease(
        make_resource(site, attributes={"model": "T4"}),
        starts_at=now - HOUR,
        hours=20,
        status=Status.ACTIVE,
        **mine,
    )
    old_end = running.ends_at
    made = plan(
        site,
        operator,
        moved.resource,
        lonely,
        running.resource,
        starts_at=next_hour(after_h=8),
        hours=5,
        ends_running=True,
    )
    call_off(plan_id=made.pk, actor=operator, now=now)
    for lease in (moved, running):
        lease.refresh_from_db()
    assert moved.resource.name == "A 1"
    assert running.ends_at == old_end
    again = Lease.objects.exclude(pk=cancelled.pk).get(resource=lonely)
    assert (again.status, again.reservation.holder) == (Status.SCHEDULED, holder)
    assert {row.taken_back for row in made.displacements.all()} == {
        "moved back",
        "has its old end again",
        "booked again",
    }
    assert not MaintenanceWindow.objects.exists()
    with pytest.raises(IllegalMove, match="called off already"):
        call_off(plan_id=made.pk, actor=operator, now=now)


def test_what_has_begun_is_not_called_off(site: Site, operator: User) -> None:
    made = plan(site, operator, make_resource(site), starts_at=next_hour())
    with pytest.raises(IllegalMove, match="It has begun"):
        call_off(plan_id=made.pk, actor=operator, now=made.starts_at + HOUR)
    assert MaintenanceWindow.objects.exists()


def test_other_maintenance_and_strangers_are_refused(site: Site, operator: User) -> None:
    device = make_resource(site)
    plan(site, operator, device, starts_at=next_hour(after_h=9))
    with pytest.raises(LeasesInTheWay, match="in maintenance already"):
        plan(site, operator, device, starts_at=next_hour(after_h=10))
    with pytest.raises(NotAllowed):
        plan(site, make_user(), device, starts_at=next_hour(after_h=30))


def test_what_was_booked_between_preview_and_confirmation_is_seen(site: Site, operator: User) -> None:
    Site.objects.filter(pk=site.pk).update(second_person=True)
    site.refresh_from_db()
    lease = book_lease(make_resource(site), starts_at=next_hour() - HOUR, hours=4, status=Status.ACTIVE)
    made = plan(site, operator, lease.resource, starts_at=next_hour(after_h=2), hours=9, ends_running=True)
    later = book_lease(lease.resource, starts_at=next_hour(after_h=6))
    confirm_plan(plan_id=made.pk, actor=make_user(operates=[site]), now=datetime.now(UTC))
    later.refresh_from_db()
    assert later.status == Status.CANCELLED
    assert made.displacements.count() == 2
