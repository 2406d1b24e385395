"""Maintenance at the desk: whom it displaces is said before it does, and it can be taken back."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from reservations.models import Lease, MaintenancePlan
from reservations.states import Status
from resources.models import MaintenanceWindow, Resource, Site
from tests.factories import book_lease, make_resource, make_site, make_user, next_hour

ROME = ZoneInfo("Europe/Rome")
PAGE = "/admin/maintenance/plan/roma/"


@pytest.fixture
def site(db: None) -> Site:
    return make_site("roma", name="Roma", time_zone="Europe/Rome")


@pytest.fixture
def operator(site: Site) -> User:
    return make_user("operator", operates=[site])


@pytest.fixture
def desk(operator: User) -> Client:
    client = Client()
    client.force_login(operator)
    return client


def asked(starts_at: datetime, *devices: Resource, hours: float = 2, **fields: Any) -> dict[str, Any]:
    """Return the form as it is sent, in the site's time."""
    ends_at = starts_at + timedelta(hours=hours)
    form = {
        "what": "devices",
        "device": [str(device.pk) for device in devices],
        "starts_at": f"{starts_at.astimezone(ROME):%Y-%m-%dT%H:%M}",
        "ends_at": f"{ends_at.astimezone(ROME):%Y-%m-%dT%H:%M}",
        "reason": "New fan",
        "do": "preview",
    }
    return form | fields


def test_the_preview_names_whom_it_displaces_and_changes_nothing(desk: Client, site: Site):
    lease = book_lease(make_resource(site, name="L40S 1"), starts_at=next_hour(after_h=30))
    make_resource(site, name="L40S 2")
    response = desk.post(PAGE, asked(lease.starts_at, lease.resource))
    text = response.content.decode()
    assert str(lease.reservation.project) in text
    assert "Moves to Roma · L40S 2" in text
    assert not MaintenanceWindow.objects.exists()
    lease.refresh_from_db()
    assert lease.resource.name == "L40S 1"


def test_one_confirm_plans_it_moves_the_lease_and_leads_to_the_plan(desk: Client, site: Site, operator: User):
    lease = book_lease(make_resource(site, name="L40S 1"), starts_at=next_hour(after_h=30))
    other = make_resource(site, name="L40S 2")
    response = desk.post(PAGE, asked(lease.starts_at, lease.resource, do="carry out"), follow=True)
    window = MaintenanceWindow.objects.get()
    plan = MaintenancePlan.objects.get()
    assert (window.starts_at, window.reason, window.created_by) == (lease.starts_at, "New fan", operator)
    assert response.redirect_chain[0][0] == f"/admin/maintenance/plans/{plan.pk}/"
    lease.refresh_from_db()
    assert lease.resource == other
    desk.post(f"/admin/maintenance/plans/{plan.pk}/call-off/")
    lease.refresh_from_db()
    assert lease.resource.name == "L40S 1"
    assert not MaintenanceWindow.objects.exists()


def test_the_operator_may_cancel_rather_than_move(desk: Client, site: Site):
    lease = book_lease(make_resource(site), starts_at=next_hour(after_h=30))
    make_resource(site)
    form = asked(lease.starts_at, lease.resource, do="carry out") | {f"goes-{lease.pk}": "cancel"}
    assert desk.post(PAGE, form).status_code == 302
    lease.refresh_from_db()
    assert lease.status == Status.CANCELLED


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"ends_at": "2020-01-01T10:00"}, "The end must come after the start"),
        ({"reason": " "}, "Say in a few words what is done"),
        ({"device": []}, "Choose at least one device"),
        ({"starts_at": "2027-03-28T02:30", "ends_at": "2027-03-28T05:00"}, "skip this hour"),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(desk: Client, site: Site, fields: dict[str, Any], words: str):
    form = asked(next_hour(after_h=9), make_resource(site), do="carry out") | fields
    response = desk.post(PAGE, form)
    assert response.status_code == 200
    assert words in response.content.decode()
    assert not MaintenanceWindow.objects.exists()


def test_the_whole_site_and_a_kind_are_one_click(desk: Client, site: Site):
    make_resource(site, name="Card")
    switch = make_resource(site, name="Switch", kind="p4_switch", adapter="p4_switch", attributes={})
    form = asked(next_hour(after_h=9), what="kind:p4_switch", do="carry out")
    desk.post(PAGE, form)
    assert [window.resource for window in MaintenanceWindow.objects.all()] == [switch]
    desk.post(PAGE, asked(next_hour(after_h=40), what="site", do="carry out"))
    assert MaintenanceWindow.objects.count() == 3


def test_another_sites_devices_pages_and_plans_are_not_there(desk: Client, site: Site):
    torino = make_site("torino")
    theirs = make_resource(torino)
    assert desk.get("/admin/maintenance/plan/torino/").status_code == 404
    response = desk.post(PAGE, asked(next_hour(after_h=9), theirs, do="carry out"))
    assert "Choose at least one device" in response.content.decode()
    plan = MaintenancePlan.objects.create(
        site=torino,
        starts_at=next_hour(),
        ends_at=next_hour(after_h=3),
        reason="Theirs",
        state="planned",
        planned_by=make_user(),
        planned_at=next_hour(),
    )
    for name in ("maintenance_plan", "confirm_maintenance_plan", "call_off_maintenance_plan"):
        address = reverse(f"admin:{name}", args=[plan.pk])
        answer = desk.get(address) if name == "maintenance_plan" else desk.post(address)
        assert answer.status_code == 404
    plan.refresh_from_db()
    assert plan.state == "planned"


def test_the_page_begins_with_the_device_that_was_asked_about(desk: Client, site: Site):
    device = make_resource(site)
    response = desk.get(f"/admin/resources/maintenancewindow/add/?resource={device.pk}", follow=True)
    assert [line.resource for line in response.context["lines"] if line.is_chosen] == [device]


def test_ending_anothers_running_lease_waits_for_a_second_person(desk: Client, site: Site):
    Site.objects.filter(pk=site.pk).update(second_person=True)
    starts_at = next_hour() - timedelta(hours=2)
    lease = book_lease(make_resource(site), starts_at=starts_at, hours=9, status=Status.ACTIVE)
    form = asked(next_hour(after_h=3), lease.resource, do="carry out", ends_running="on")
    response = desk.post(PAGE, form, follow=True)
    plan = MaintenancePlan.objects.get()
    assert plan.state == MaintenancePlan.State.WAITING
    assert "has to confirm it" in response.content.decode()
    confirm = f"/admin/maintenance/plans/{plan.pk}/confirm/"
    desk.post(confirm)
    plan.refresh_from_db()
    assert plan.state == MaintenancePlan.State.WAITING, "nobody confirms themselves"
    second = Client()
    second.force_login(make_user("second", operates=[site]))
    assert "Confirm: do it" in second.get(f"/admin/maintenance/plans/{plan.pk}/").content.decode()
    second.post(confirm)
    plan.refresh_from_db()
    lease.refresh_from_db()
    assert plan.state == MaintenancePlan.State.PLANNED
    assert lease.ends_at == plan.starts_at - timedelta(seconds=lease.cleanup_s)
    assert Lease.objects.get(pk=lease.pk).status == Status.ACTIVE


def test_deleting_windows_gives_the_time_back(desk: Client, site: Site):
    device = make_resource(site)
    for after_h in (9, 30):
        desk.post(PAGE, asked(next_hour(after_h=after_h), device, do="carry out"))
    first, second = MaintenanceWindow.objects.order_by("starts_at")
    windows = "/admin/resources/maintenancewindow/"
    assert "Planned" in desk.get(windows).content.decode()
    desk.post(f"{windows}{first.pk}/delete/", {"post": "yes"})
    desk.post(windows, {"action": "delete_selected", "_selected_action": [second.pk], "post": "yes"})
    assert not MaintenanceWindow.objects.exists()
    assert not device.calendar_entries.exists()
