"""The policy of a site at the desk: seen before it counts, and kept with who changed it."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from reservations.models import Reservation
from reservations.selectors import policy_preview
from resources.models import PolicyChange, Site
from tests.factories import book_lease, make_project, make_resource, make_site, make_user, next_hour

PAGE = "/admin/policy/roma/"


@pytest.fixture
def site(db: None) -> Site:
    return make_site("roma", name="Roma", most_hours=500)


@pytest.fixture
def operator(site: Site) -> User:
    return make_user("operator", operates=[site])


@pytest.fixture
def desk(operator: User) -> Client:
    client = Client()
    client.force_login(operator)
    return client


def form(**fields: Any) -> dict[str, Any]:
    return {
        "approval": "automatic",
        "longest_lease": "",
        "look_ahead": "",
        "most_open_reservations": "",
        "most_hours": "500",
        "start_grace": "00:10:00",
        "vlan_pool": "",
        "do": "preview",
    } | fields


def test_the_preview_says_how_many_would_have_been_refused_and_why(desk: Client, site: Site):
    project = make_project("telemetry", name="Telemetry")
    for number in range(5):
        hours = 30 if number < 2 else 2
        book_lease(make_resource(site), project=project, starts_at=next_hour(after_h=3), hours=hours)
    book_lease(make_resource(make_site("torino")), starts_at=next_hour(after_h=3), hours=90)
    old = book_lease(make_resource(site), starts_at=next_hour(after_h=3), hours=90).reservation
    Reservation.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=40))
    text = desk.post(PAGE, form(longest_lease="1 00:00:00")).content.decode()
    assert "This would have refused 2 of last month’s 5 bookings." in text
    assert "Telemetry: 2" in text
    assert "Roma allows leases of at most 1 day; end it earlier." in text
    site.refresh_from_db()
    assert site.longest_lease is None
    assert not PolicyChange.objects.exists()


def test_saving_keeps_who_changed_what_and_what_was_foreseen(desk: Client, site: Site, operator: User):
    response = desk.post(
        PAGE, form(longest_lease="2 00:00:00", approval="operator", why="Exams", do="save"), follow=True
    )
    site.refresh_from_db()
    assert (site.longest_lease, site.approval) == (timedelta(days=2), "operator")
    change = site.policy_changes.get()
    assert (change.by, change.reason) == (operator, "Exams")
    assert change.changes == {"approval": ["Automatic", "By an operator"], "longest_lease": ["no limit", "2 d"]}
    text = response.content.decode()
    assert "Longest lease: no limit → 2 d" in text
    assert "Exams" in text


def test_nothing_changed_is_nothing_kept(desk: Client, site: Site):
    desk.post(PAGE, form(do="save"))
    assert not PolicyChange.objects.exists()


def test_a_large_month_is_sampled_and_said_to_be(desk: Client, site: Site, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(policy_preview, "MOST_BOOKINGS", 3)
    for _ in range(5):
        book_lease(make_resource(site), starts_at=next_hour(after_h=3))
    text = desk.post(PAGE, form(longest_lease="00:30:00")).content.decode()
    assert "This would have refused 3 of last month’s 3 bookings." in text
    assert "There were more" in text


def test_another_sites_policy_is_not_there(desk: Client):
    make_site("torino")
    assert desk.get("/admin/policy/torino/").status_code == 404
    assert desk.post("/admin/policy/torino/", form(do="save")).status_code == 404


def test_what_cannot_be_is_refused_at_its_field(desk: Client, site: Site):
    response = desk.post(PAGE, form(most_open_reservations="0", do="save"))
    assert "most_open_reservations" in response.context["form"].errors
    site.refresh_from_db()
    assert site.most_open_reservations is None
