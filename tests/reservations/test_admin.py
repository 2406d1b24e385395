"""The desk of operators for leases, reservations and maintenance: each verb is one service."""

import csv
import io
import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from reservations.models import Lease, LeaseReport, OutgoingOrder
from reservations.states import Status
from resources.models import Site
from tests.factories import book_lease, make_resource, make_site, make_user, next_hour

LEASES = "/admin/reservations/lease/"


@pytest.fixture
def site(db: None) -> Site:
    return make_site("roma", name="Roma")


@pytest.fixture
def operator(site: Site) -> User:
    return make_user("operator", operates=[site])


@pytest.fixture
def desk(operator: User) -> Client:
    client = Client()
    client.force_login(operator)
    return client


def leased(site: Site, status: Status, **fields: Any) -> Lease:
    """Return a lease at the site; one that is on its device began hours ago."""
    on_device = status not in (Status.REQUESTED, Status.SCHEDULED)
    starts_at = next_hour() - timedelta(hours=3) if on_device else next_hour(after_h=5)
    return book_lease(make_resource(site), status=status, starts_at=starts_at, hours=6, **fields)


def do(desk: Client, lease: Lease, verb: str, **fields: str) -> str:
    """Carry a verb out by its page; return what is said."""
    address = reverse(f"admin:reservations_lease_{verb}", args=[lease.pk])
    response = desk.post(address, {"confirmed": "yes"} | fields, follow=True)
    lease.refresh_from_db()
    return said(response)


def said(response: Any) -> str:
    return " ".join(str(message) for message in response.context["messages"])


def test_approving_schedules_the_lease(desk: Client, site: Site, operator: User):
    lease = leased(site, Status.REQUESTED)
    assert "approved" in do(desk, lease, "approve", reason="Welcome")
    assert lease.status == Status.SCHEDULED
    event = lease.events.last()
    assert (event.actor, event.reason) == (operator, "Welcome")


def test_rejecting_keeps_the_reason(desk: Client, site: Site):
    lease = leased(site, Status.REQUESTED)
    do(desk, lease, "reject", reason="The room is being painted")
    assert lease.status == Status.REJECTED
    assert lease.events.last().reason == "The room is being painted"


def test_retrying_orders_another_release(desk: Client, site: Site):
    lease = leased(site, Status.RELEASE_FAILED)
    do(desk, lease, "retry")
    assert lease.status == Status.RELEASING
    assert OutgoingOrder.objects.filter(lease=lease, verb="release").exists()


def test_vouching_needs_words_and_keeps_them_as_the_proof(desk: Client, site: Site, operator: User):
    lease = leased(site, Status.RELEASE_FAILED)
    address = reverse("admin:reservations_lease_vouch", args=[lease.pk])
    response = desk.post(address, {"confirmed": "yes", "reason": "  "})
    assert response.context["lacks_reason"]
    lease.refresh_from_db()
    assert lease.status == Status.RELEASE_FAILED
    do(desk, lease, "vouch", reason="Powered off, memory tested")
    assert lease.status == Status.RELEASED
    proof = lease.proofs.get()
    assert proof.verifier == f"operator {operator.username}"
    assert proof.checks[0]["found"] == "Powered off, memory tested"


def test_ending_releases_the_lease_now(desk: Client, site: Site):
    lease = leased(site, Status.ACTIVE)
    do(desk, lease, "end")
    assert lease.status == Status.RELEASING
    assert lease.ends_at <= timezone.now()


def test_a_verb_that_does_not_fit_is_refused_in_the_services_words(desk: Client, site: Site):
    lease = leased(site, Status.SCHEDULED)
    assert "is not waiting for approval" in do(desk, lease, "approve")
    assert lease.status == Status.SCHEDULED


def test_looking_at_a_verbs_page_changes_nothing(desk: Client, site: Site):
    lease = leased(site, Status.REQUESTED)
    for verb in ("approve", "reject"):
        response = desk.get(reverse(f"admin:reservations_lease_{verb}", args=[lease.pk]), {"confirmed": "yes"})
        assert response.status_code == 200
    lease.refresh_from_db()
    assert lease.status == Status.REQUESTED


def test_a_verb_needs_the_page_it_was_asked_on(site: Site, operator: User):
    lease = leased(site, Status.REQUESTED)
    client = Client(enforce_csrf_checks=True)
    client.force_login(operator)
    address = reverse("admin:reservations_lease_approve", args=[lease.pk])
    assert client.post(address, {"confirmed": "yes"}).status_code == 403
    lease.refresh_from_db()
    assert lease.status == Status.REQUESTED


@pytest.mark.parametrize("verb", ["approve", "reject", "retry", "vouch", "end"])
def test_no_verb_reaches_another_sites_lease(desk: Client, verb: str):
    lease = leased(make_site("torino"), Status.REQUESTED)
    address = reverse(f"admin:reservations_lease_{verb}", args=[lease.pk])
    assert desk.post(address, {"confirmed": "yes", "reason": "mine"}).status_code == 404
    lease.refresh_from_db()
    assert lease.status == Status.REQUESTED


def test_an_action_says_for_each_lease_what_came_of_it(desk: Client, site: Site):
    waiting, scheduled = leased(site, Status.REQUESTED), leased(site, Status.SCHEDULED)
    theirs = leased(make_site("torino"), Status.REQUESTED)
    chosen = {"action": "approve", "_selected_action": [waiting.pk, scheduled.pk, theirs.pk]}
    asked = desk.post(LEASES, chosen)
    assert asked.status_code == 200
    assert [row.pk for row in asked.context["rows"]] != []
    words = said(desk.post(LEASES, chosen | {"confirmed": "yes"}, follow=True))
    assert f"{waiting}: approved." in words
    assert f"{scheduled}: " in words
    assert "is not waiting for approval" in words
    states = dict(Lease.objects.values_list("pk", "status"))
    assert [states[lease.pk] for lease in (waiting, scheduled, theirs)] == [
        "SCHEDULED",
        "SCHEDULED",
        "REQUESTED",
    ]


@pytest.mark.parametrize(
    ("status", "verbs"),
    [
        (Status.REQUESTED, ["approve", "reject"]),
        (Status.SCHEDULED, []),
        (Status.ACTIVE, ["end"]),
        (Status.RELEASE_FAILED, ["retry", "vouch"]),
        (Status.RELEASED, []),
    ],
)
def test_a_lease_offers_what_helps_in_its_state(desk: Client, site: Site, status: Status, verbs: list[str]):
    lease = leased(site, status)
    response = desk.get(f"{LEASES}{lease.pk}/change/")
    assert [verb.name for verb, _ in response.context["verb_buttons"]] == verbs


def test_a_lease_shows_its_history_and_never_what_opens_the_device(desk: Client, site: Site):
    lease = leased(site, Status.ACTIVE)
    text = desk.get(f"{LEASES}{lease.pk}/change/").content.decode()
    assert "Walked" in text
    assert "opens-sesame" not in text


def test_a_proof_lists_what_was_looked_at(desk: Client, site: Site, operator: User):
    lease = leased(site, Status.RELEASE_FAILED)
    do(desk, lease, "vouch", reason="Reset & looked at")
    text = desk.get(f"{LEASES}{lease.pk}/change/").content.decode()
    assert "found Reset &amp; looked at" in text


def test_a_reservation_is_cancelled_through_the_service(desk: Client, site: Site):
    lease = leased(site, Status.SCHEDULED)
    address = reverse("admin:reservations_reservation_cancel", args=[lease.reservation_id])
    words = said(desk.post(address, {"confirmed": "yes"}, follow=True))
    lease.refresh_from_db()
    assert lease.status == Status.CANCELLED
    assert "cancelled" in words


def test_a_reservation_shows_the_leases_at_ones_own_sites_only(desk: Client, site: Site):
    from tests.factories import make_reservation

    mine = make_resource(site, name="Mine")
    theirs = make_resource(make_site("torino", name="Torino"), name="Theirs")
    reservation = make_reservation([mine, theirs])
    text = desk.get(f"/admin/reservations/reservation/{reservation.pk}/change/").content.decode()
    assert "Roma · Mine" in text
    assert "Theirs" not in text


def test_the_log_of_a_lease_tells_orders_reports_and_moves_in_their_order(desk: Client, site: Site):
    lease = leased(site, Status.ACTIVE)
    sent_at = timezone.now() - timedelta(minutes=3)
    OutgoingOrder.objects.create(lease=lease, site=site, verb="hold", sent_at=sent_at)
    LeaseReport.objects.create(
        lease=lease,
        report="1",
        event="failed",
        at=sent_at + timedelta(seconds=30),
        received_at=timezone.now(),
        verb="provision",
        error="DeviceUnreachable",
        words="no route <to> host",
    )
    LeaseReport.objects.create(
        lease=lease, report="2", event="opened", at=sent_at + timedelta(seconds=90), received_at=timezone.now()
    )
    response = desk.get(f"{LEASES}{lease.pk}/change/")
    latest = [(line.sort, line.what) for line in response.context["log"]][:3]
    assert latest == [
        ("report", "Access is open"),
        ("report", "Provision failed; the site tries again"),
        ("order", "Told Roma to have the device ready, and until when"),
    ]
    text = response.content.decode()
    assert "DeviceUnreachable: no route &lt;to&gt; host" in text
    assert "90.0 s after the order" in text


def test_approving_from_today_leads_back_to_today(desk: Client, site: Site):
    lease = leased(site, Status.REQUESTED)
    address = reverse("admin:reservations_lease_approve", args=[lease.pk])
    response = desk.post(address, {"confirmed": "yes", "reason": "Welcome", "from": "today"})
    lease.refresh_from_db()
    assert (response["Location"], lease.status) == ("/admin/", Status.SCHEDULED)


def test_vouching_takes_two_where_the_site_wants_two(desk: Client, site: Site):
    Site.objects.filter(pk=site.pk).update(second_person=True)
    lease = leased(site, Status.RELEASE_FAILED)
    assert "has to confirm it" in do(desk, lease, "vouch", reason="Powered off")
    assert lease.status == Status.RELEASE_FAILED
    assert "has to confirm it" in do(desk, lease, "vouch", reason="Really")
    assert lease.status == Status.RELEASE_FAILED, "nobody confirms themselves"
    colleague = Client()
    colleague.force_login(make_user("colleague", operates=[site]))
    page = colleague.get(reverse("admin:reservations_lease_vouch", args=[lease.pk])).content.decode()
    assert "Their words: “Powered off”" in page
    do(colleague, lease, "vouch", reason="Memory tested")
    assert lease.status == Status.RELEASED
    proof = lease.proofs.get()
    assert proof.verifier == "operators operator and colleague"
    assert [check["found"] for check in proof.checks] == ["Powered off", "Memory tested"]


def test_a_wish_is_refused_by_ones_own_site_alone(desk: Client, site: Site):
    Site.objects.filter(pk=site.pk).update(second_person=True)
    lease = leased(site, Status.ACTIVE)
    do(desk, lease, "end", reason="It burns")
    assert lease.status == Status.ACTIVE
    wish = lease.countersigns.get()
    address = reverse("admin:refuse_wish", args=[wish.pk])
    stranger = Client()
    stranger.force_login(make_user(operates=[make_site("torino")]))
    assert stranger.post(address).status_code == 404
    assert desk.post(address).status_code == 302
    wish.refresh_from_db()
    assert wish.answer == "refused"


def test_leases_leave_as_a_file_with_the_filters_of_the_list(desk: Client, site: Site):
    lease = leased(site, Status.ACTIVE, purpose="=HYPERLINK(0)")
    leased(site, Status.SCHEDULED)
    leased(make_site("torino"), Status.ACTIVE)
    text = desk.get(f"{LEASES}export/csv/?status__exact=ACTIVE").content.decode()
    assert [row["lease"] for row in csv.DictReader(io.StringIO(text))] == [str(lease.pk)]
    assert ",'=HYPERLINK(0)," in text
    assert "opens-sesame" not in text
    rows = json.loads(desk.get(f"{LEASES}export/json/").content)
    assert {row["site"] for row in rows} == {"roma"}
    assert desk.get(f"{LEASES}export/exe/").status_code == 404


def test_the_history_leaves_as_a_file(desk: Client, site: Site):
    leased(site, Status.ACTIVE)
    leased(make_site("torino"), Status.ACTIVE)
    rows = json.loads(desk.get("/admin/reservations/leaseevent/export/json/").content)
    assert {row["site"] for row in rows} == {"roma"}
    assert [row["to"] for row in rows] == ["ACTIVE", "PROVISIONING", "SCHEDULED"]
