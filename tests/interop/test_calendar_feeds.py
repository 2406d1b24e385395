"""Calendars by a secret address: what they show, to whom, and what nobody learns."""

import logging
from datetime import UTC, datetime, timedelta

import pytest
from allauth.socialaccount.models import SocialAccount
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from icalendar import Calendar

from accounts.models import IdentityProvider
from interop.calendar_feeds import issue_calendar_feed, revoke_calendar_feed
from interop.logs import WithoutSecrets
from interop.models import CalendarFeed
from reservations.errors import NotAllowed, NotFound
from reservations.states import Status
from tests.callers import script_of
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


@pytest.fixture
def optics(db):
    return make_project("optics", name="Optics")


@pytest.fixture
def ada(optics):
    return make_user("ada", projects=[optics], first_name="Ada", last_name="Lovelace")


@pytest.fixture
def card(db):
    return make_resource(make_site("roma", name="Roma"), name="L40S 1")


def feed_of(owner, scope="mine", **more):
    feed, secret = issue_calendar_feed(owner=owner, scope=scope, **more)
    return feed, f"/calendar/{secret}/shary.ics"


def entries(client, address, **headers):
    response = client.get(address, **headers)
    assert response.status_code == 200, response.content
    return Calendar.from_ical(response.content).walk("VEVENT")


def test_ones_own_reservations_with_details(client, ada, optics, card):
    lease = book_lease(card, holder=ada, project=optics, purpose="Training; run, one")
    book_lease(make_resource(), purpose="Somebody else's")
    _, address = feed_of(ada, shows_details=True)

    (event,) = entries(client, address)

    assert event["SUMMARY"] == "Training; run, one"
    assert event["LOCATION"] == "Roma · L40S 1"
    assert event["UID"] == f"{lease.reservation_id}@shary"
    assert event.decoded("DTSTART") == lease.starts_at
    assert event["STATUS"] == "CONFIRMED"


def test_without_details_it_only_says_when(client, ada, optics, card):
    book_lease(card, holder=ada, project=optics, purpose="Secret plans")
    _, address = feed_of(ada)
    content = client.get(address).content.decode()
    assert "SUMMARY:Booked" in content
    assert "Secret" not in content
    assert "L40S" not in content


def test_a_device_s_feed_names_nobody_though_its_owner_may_see_them(client, ada, optics, card):
    lease = book_lease(card, holder=ada, project=optics, purpose="Secret plans")
    stranger = make_user("stranger")
    for owner in (ada, stranger):
        _, address = feed_of(owner, "resource", resource=card)
        content = client.get(address).content.decode()
        assert "SUMMARY:Booked" in content
        for word in ("Secret", "Ada", "optics", str(lease.reservation_id)):
            assert word not in content


def test_with_details_a_device_s_feed_shows_what_its_owner_may_see_and_no_more(client, ada, optics, card):
    start = next_hour()
    book_lease(card, holder=ada, project=optics, purpose="Ours", starts_at=start)
    book_lease(card, purpose="Theirs", starts_at=start + timedelta(hours=5))
    colleague = make_user("colleague", projects=[optics])
    _, address = feed_of(colleague, "resource", resource=card, shows_details=True)
    summaries = [str(event["SUMMARY"]) for event in entries(client, address)]
    assert summaries == ["Ada Lovelace: Ours", "Booked"]


def test_a_whole_device_is_busy_when_a_part_of_it_is(client, ada):
    whole = make_resource(name="A100")
    part = make_resource(parent=whole, name="A100, slice 1")
    sister = make_resource(parent=whole, name="A100, slice 2")
    book_lease(part)
    assert len(entries(client, feed_of(ada, "resource", resource=whole)[1])) == 1
    assert entries(client, feed_of(ada, "resource", resource=sister)[1]) == []


def test_a_project_s_feed_ends_with_the_membership(client, ada, optics, card):
    book_lease(card, project=optics, purpose="Ours")
    _, address = feed_of(ada, "project", project=optics, shows_details=True)
    assert len(entries(client, address)) == 1
    optics.memberships.filter(user=ada).delete()
    assert client.get(address).status_code == 404


def test_only_members_make_a_project_s_feed(optics):
    with pytest.raises(NotAllowed, match="not a member"):
        issue_calendar_feed(owner=make_user(), scope="project", project=optics)


def test_what_was_given_up_is_not_there_and_what_waits_is_tentative(client, ada, optics):
    for status in (Status.CANCELLED, Status.REJECTED, Status.REQUESTED):
        book_lease(holder=ada, project=optics, status=status)
    (event,) = entries(client, feed_of(ada, shows_details=True)[1])
    assert event["STATUS"] == "TENTATIVE"


def test_a_bundle_is_one_entry_with_all_its_devices(client, ada, optics):
    site = make_site("roma", name="Roma")
    make_reservation(
        [make_resource(site, name="L40S 1"), make_resource(site, name="L40S 2")], holder=ada, project=optics
    )
    (event,) = entries(client, feed_of(ada, shows_details=True)[1])
    assert event["SUMMARY"] == "Roma · L40S 1, Roma · L40S 2"


def test_lines_are_folded_as_the_standard_says_whatever_stands_in_them(client, ada, optics, card):
    book_lease(
        card, holder=ada, project=optics, purpose="日本語 " * 40 + "\r\nATTENDEE:mailto:evil@uni-a.example"
    )
    content = client.get(feed_of(ada, shows_details=True)[1]).content
    assert all(len(line) <= 75 for line in content.split(b"\r\n"))
    assert b"\n" not in content.replace(b"\r\n", b"")
    content.decode()
    (event,) = Calendar.from_ical(content).walk("VEVENT")
    assert "ATTENDEE" not in event
    assert "日本語 日本語" in event["SUMMARY"]


def test_a_lease_over_the_change_of_the_clocks_keeps_its_hours(client, ada, optics, card):
    year = timezone.now().year + (1 if timezone.now().month > 3 else 0)
    last_sunday = max(
        day for day in (datetime(year, 3, d, tzinfo=UTC) for d in range(25, 32)) if day.weekday() == 6
    )
    starts_at = last_sunday + timedelta(minutes=30)
    book_lease(card, holder=ada, project=optics, starts_at=starts_at, hours=2)
    content = client.get(feed_of(ada)[1]).content.decode()
    assert f"DTSTART:{starts_at:%Y%m%dT%H%M%SZ}" in content
    assert f"DTEND:{starts_at + timedelta(hours=2):%Y%m%dT%H%M%SZ}" in content


def test_it_takes_as_few_statements_for_many_as_for_one(client, ada, optics, django_assert_max_num_queries):
    for _ in range(5):
        book_lease(holder=ada, project=optics)
    _, address = feed_of(ada, shows_details=True)
    client.get(address)
    with django_assert_max_num_queries(6):
        client.get(address)


# --- the secret ------------------------------------------------------------------------------------


def test_only_a_digest_of_the_secret_is_kept(ada):
    feed, address = feed_of(ada)
    secret = address.split("/")[2]
    assert len(secret) >= 43 + len("shc_")
    assert secret[8:] not in str(CalendarFeed.objects.filter(pk=feed.pk).values().get())


def test_a_revoked_address_is_as_unknown_as_a_wrong_one(client, ada):
    feed, address = feed_of(ada)
    assert client.get(address).status_code == 200
    revoke_calendar_feed(feed_id=feed.pk, owner=ada, now=timezone.now())
    wrong = client.get("/calendar/shc_nobody/shary.ics")
    gone = client.get(address)
    assert (gone.status_code, gone.content, dict(gone.headers)) == (404, wrong.content, dict(wrong.headers))


def test_the_feed_of_somebody_who_was_shut_out_is_shut_as_well(client, ada):
    _, address = feed_of(ada)
    type(ada).objects.filter(pk=ada.pk).update(is_active=False)
    assert client.get(address).status_code == 404


def test_the_feed_of_somebody_whose_home_institution_was_switched_off_is_shut_as_well(client, ada):
    provider = IdentityProvider.objects.create(slug="uni-a", name="Uni A", issuer="https://idp.uni-a.example")
    SocialAccount.objects.create(user=ada, provider=provider.slug, uid="person-1")
    _, address = feed_of(ada)
    assert client.get(address).status_code == 200
    IdentityProvider.objects.update(is_enabled=False)
    assert client.get(address).status_code == 404


def test_nobody_revokes_anothers_feed(ada):
    feed, _ = feed_of(ada)
    with pytest.raises(NotFound):
        revoke_calendar_feed(feed_id=feed.pk, owner=make_user(), now=timezone.now())


def test_it_is_read_only_and_sent_where_no_one_keeps_or_tells_of_it(client, ada):
    _, address = feed_of(ada)
    response = client.get(address)
    assert response["Referrer-Policy"] == "no-referrer"
    assert response["Cache-Control"] == "private, no-cache"
    assert response["Content-Type"] == "text/calendar; charset=utf-8"
    for method in ("post", "put", "delete", "patch"):
        assert getattr(client, method)(address).status_code == 404


def test_what_has_not_changed_is_not_sent_again(client, ada, optics):
    lease = book_lease(holder=ada, project=optics)
    _, address = feed_of(ada)
    first = client.get(address)
    again = client.get(address, headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again["Referrer-Policy"] == "no-referrer"
    type(lease).objects.filter(pk=lease.pk).update(ends_at=lease.ends_at + timedelta(hours=1))
    assert client.get(address, headers={"If-None-Match": first["ETag"]}).status_code == 200


def test_the_secret_can_be_sent_where_nobody_logs_it(client, ada, optics):
    book_lease(holder=ada, project=optics)
    _, address = feed_of(ada)
    secret = address.split("/")[2]
    assert len(entries(client, "/calendar/feed.ics", headers={"Authorization": f"Bearer {secret}"})) == 1
    refused = client.get("/calendar/feed.ics")
    assert (refused.status_code, refused["WWW-Authenticate"]) == (401, "Bearer")


@pytest.fixture
def counting(settings):
    cache.clear()
    yield
    cache.clear()


def test_reading_too_often_and_guessing_are_slowed_down(client, ada, counting):
    _, address = feed_of(ada)
    answers = [client.get(address).status_code for _ in range(32)]
    assert answers[0] == 200
    assert answers[-1] == 429
    cache.clear()
    for number in range(31):
        client.get(f"/calendar/shc_{number}/shary.ics")
    assert client.get(address).status_code == 404, "whoever guesses gets nothing for a while"


def test_its_last_use_is_shown(client, ada, counting):
    feed, address = feed_of(ada)
    client.get(address, headers={"User-Agent": "Thunderbird\x07/128"})
    feed.refresh_from_db()
    assert feed.last_used_at is not None
    assert feed.last_used_by == "Thunderbird/128"


@pytest.mark.parametrize(
    "path", ["/calendar/shc_abc/shary.ics", "/messages/stop/abc:def/", "/sup4rnet/s4r_abc/api"]
)
def test_no_log_shows_a_secret(path):
    record = logging.LogRecord("any", logging.INFO, "", 0, "GET %s 200", (path,), None)
    assert WithoutSecrets().filter(record)
    assert "abc" not in record.getMessage()
    assert "200" in record.getMessage()


def test_an_error_inside_is_logged_without_the_address(client, ada, optics, monkeypatch, caplog):
    _, address = feed_of(ada)
    monkeypatch.setattr("interop.ical.calendar_of", lambda *_, **__: 1 / 0)
    assert client.get(address).status_code == 500
    assert address.split("/")[2] not in caplog.text


# --- one reservation, and the API ------------------------------------------------------------------


def test_one_reservation_is_a_file_for_who_may_see_it(ada, optics):
    lease = book_lease(holder=ada, project=optics, purpose="Training")
    path = f"/reservations/{lease.reservation_id}/calendar.ics"
    client = Client()
    assert client.get(path).status_code == 302
    client.force_login(make_user("stranger"))
    assert client.get(path).status_code == 404
    client.force_login(ada)
    response = client.get(path)
    assert response["Content-Disposition"].startswith("attachment; filename=")
    (event,) = Calendar.from_ical(response.content).walk("VEVENT")
    assert event["SUMMARY"] == "Training"


def test_feeds_by_the_api(client, ada, optics, card):
    script = script_of(ada)
    made = script.post("/api/v1/calendar-feeds/", {"scope": "resource", "resource": str(card.pk)})
    assert made.status_code == 201, made.content
    address = made.json()["address"]
    assert client.get(address.partition("8000")[2]).status_code == 200
    (listed,) = script.get("/api/v1/calendar-feeds/").json()["results"]
    assert listed["title"] == "Roma · L40S 1"
    assert "address" not in listed
    assert script_of(make_user()).get("/api/v1/calendar-feeds/").json()["results"] == []
    assert script.delete(f"/api/v1/calendar-feeds/{listed['id']}/").status_code == 204
    assert client.get(address.partition("8000")[2]).status_code == 404
    assert script.post("/api/v1/calendar-feeds/", {"scope": "project"}).status_code == 400
