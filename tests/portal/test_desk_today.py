"""Today at the desk: what waits for somebody, and what to do about it."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from reservations.models import Countersign, GeometryChange, OutgoingMail, OutgoingOrder
from reservations.states import Status
from resources.models import Discovery, Site
from tests.factories import book_lease, make_reservation, make_resource, make_site, make_user, next_hour


@pytest.fixture
def site(db: None) -> Site:
    return make_site("roma", name="Roma", last_heard_at=timezone.now() + timedelta(hours=1))


@pytest.fixture
def desk(site: Site) -> Client:
    client = Client()
    client.force_login(make_user("operator", operates=[site]))
    return client


def today(desk: Client) -> Any:
    return desk.get("/admin/").context["today"]


def test_an_approval_says_what_else_hangs_on_it(desk: Client, site: Site):
    asked = make_resource(site, name="Asked")
    far = make_resource(make_site("torino", name="Torino"), name="Tofino")
    make_reservation([asked, far], status=Status.REQUESTED, starts_at=next_hour(after_h=30))
    text = desk.get("/admin/").content.decode()
    assert "Its booking also holds" in text
    assert "Torino · Tofino" in text
    assert [str(lease.resource) for lease in today(desk).waiting] == ["Roma · Asked"]


def test_starts_and_ends_are_those_of_the_next_day_and_night(desk: Client, site: Site):
    soon = book_lease(make_resource(site), starts_at=timezone.now() + timedelta(hours=23), hours=40)
    book_lease(make_resource(site), starts_at=timezone.now() + timedelta(hours=25), hours=1)
    assert [lease.pk for lease in today(desk).starts] == [soon.pk]
    assert today(desk).ends == []


def test_mail_that_does_not_get_out_is_shown_and_tried_again(desk: Client, site: Site):
    lease = book_lease(make_resource(site))
    mail = OutgoingMail.objects.create(
        dedupe_key=f"lease:{lease.pk}:x:1", to=lease.reservation.holder, subject="Ready", body="", attempts=8
    )
    theirs = book_lease(make_resource(make_site("torino")))
    OutgoingMail.objects.create(
        dedupe_key=f"lease:{theirs.pk}:x:1", to=lease.reservation.holder, subject="Other", body="", attempts=8
    )
    assert [each.pk for each in today(desk).leftovers.mails] == [mail.pk]
    assert desk.post(reverse("admin:mail_again", args=[mail.pk])).status_code == 302
    mail.refresh_from_db()
    assert mail.attempts == 1
    assert mail.next_try_at <= timezone.now()


def test_what_was_given_up_is_shown_until_it_was_asked_again(desk: Client, site: Site):
    device = make_resource(site)
    now = timezone.now()
    facts: dict[str, Any] = {"site": site, "resource": device, "adapter": "gpu_lxd", "give_up_at": now}
    Discovery.objects.create(**facts, asked_at=now - timedelta(hours=2), error="Silent", failure="No answer")
    GeometryChange.objects.create(
        resource=device,
        starts_at=now,
        deadline_at=now,
        state="failed",
        finished_at=now,
        detail="In use",
        requested_by=make_user(),
    )
    assert {each.sort for each in today(desk).leftovers.given_up} == {"search", "slices"}
    Discovery.objects.create(**facts, asked_at=now - timedelta(hours=1), answered_at=now)
    assert {each.sort for each in today(desk).leftovers.given_up} == {"slices"}


def test_orders_that_nobody_takes_are_counted(desk: Client, site: Site):
    order = OutgoingOrder.objects.create(site=site, verb="watch")
    assert today(desk).leftovers.orders == []
    OutgoingOrder.objects.filter(pk=order.pk).update(created_at=timezone.now() - timedelta(minutes=5))
    assert [unsent.count for unsent in today(desk).leftovers.orders] == [1]
    assert "1 order is not sent" in desk.get("/admin/").content.decode()


def test_a_lease_in_trouble_says_so_before_it_fails(desk: Client, site: Site):
    start = next_hour() - timedelta(hours=2)
    lease = book_lease(make_resource(site), status=Status.RELEASING, starts_at=start)
    type(lease).objects.filter(pk=lease.pk).update(trouble="no route to host")
    assert [each.pk for each in today(desk).struggling] == [lease.pk]


def test_checking_again_tells_the_site_which_devices_to_look_at(desk: Client, site: Site):
    device = make_resource(site, health="unhealthy")
    assert desk.post(reverse("admin:check_again", args=[device.pk])).status_code == 302
    assert OutgoingOrder.objects.get().verb == "look"


def test_counts_stand_beside_the_ways_of_the_desk_on_every_page(desk: Client, site: Site):
    book_lease(make_resource(site), status=Status.REQUESTED, starts_at=next_hour(after_h=9))
    make_resource(site, health="unhealthy")
    make_resource(make_site("torino"), health="unhealthy")
    ways = {
        item["title"]: item.get("badge")
        for group in desk.get("/admin/resources/site/").context["sidebar_navigation"]
        for item in group["items"]
    }
    assert (ways["Today"], ways["Leases"], ways["Devices"], ways["Sites"]) == ("2", "1", "1", None)


def test_what_waits_for_two_is_shown_to_both_with_what_each_can_do(desk: Client, site: Site):
    start = next_hour() - timedelta(hours=2)
    lease = book_lease(make_resource(site), status=Status.RELEASE_FAILED, starts_at=start)
    asker = make_user("asker", operates=[site])
    now = timezone.now()
    Countersign.objects.create(
        lease=lease,
        verb="vouch",
        reason="Looked",
        asked_by=asker,
        asked_at=now,
        expires_at=now + timedelta(hours=1),
    )
    assert "Look and confirm" in desk.get("/admin/").content.decode()
    own = Client()
    own.force_login(asker)
    text = own.get("/admin/").content.decode()
    assert "Take it back" in text
    assert "Look and confirm" not in text
