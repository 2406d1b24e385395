"""Who gets an answer from a feed, and what nobody learns."""

import logging

import pytest
from django.test import Client
from django.utils import timezone

from interop.feeds import NotTheirFeed, issue_feed, revoke_feed
from interop.logs import WithoutSecrets
from interop.models import ReservationFeed
from tests.factories import make_site, make_superuser, make_user

HERE = "127.0.0.1"


@pytest.fixture
def held(switch, hold):
    return hold(switch)


def test_only_a_digest_of_the_secret_is_kept(make_feed):
    feed, dashboard = make_feed()
    secret = dashboard.rpartition("/")[2]

    row = str(ReservationFeed.objects.filter(pk=feed.pk).values().get())

    assert secret not in row
    assert secret[12:] not in row
    assert len(secret) > 40


def test_a_wrong_secret_is_told_nothing(held, make_feed, ask, client):
    _, dashboard = make_feed()
    nowhere = client.get("/sup4rnet/nothing/at/all/here")
    for wrong in (
        dashboard[:-1],
        dashboard + "x",
        "/sup4rnet/s4r_",
        "/sup4rnet/at/torino",
        "/sup4rnet/s4r_%00",
    ):
        response = ask(wrong)
        assert (response.status_code, response.content) == (404, nowhere.content)
        assert dict(response.headers) == dict(nowhere.headers)


def test_a_revoked_secret_is_a_wrong_one(held, make_feed, ask, operator):
    feed, dashboard = make_feed()
    assert ask(dashboard).status_code == 200

    revoke_feed(feed=feed, actor=operator, now=timezone.now())

    assert ask(dashboard).status_code == 404
    feed.refresh_from_db()
    assert feed.revoked_at is not None


def test_the_feed_of_another_site_does_not_open_this_one(held, make_feed, ask):
    neighbour = make_user("neighbour")
    elsewhere = make_site("pisa", operators=[neighbour])
    _, dashboard = make_feed(at=elsewhere, actor=neighbour)

    assert ask(dashboard).content == b"[]"


def test_only_operators_of_the_site_make_and_revoke(site, make_feed):
    feed, _ = make_feed()
    stranger = make_user("stranger", operates=[make_site("pisa")])
    with pytest.raises(NotTheirFeed):
        issue_feed(site=site, name="mine", networks=(), with_secret=True, actor=stranger)
    with pytest.raises(NotTheirFeed):
        revoke_feed(feed=feed, actor=stranger, now=timezone.now())

    feed.refresh_from_db()
    assert feed.revoked_at is None
    assert issue_feed(site=site, name="ours", networks=(), with_secret=True, actor=make_superuser())[1]


# --- by address -------------------------------------------------------------------------------------


def test_a_listed_network_needs_no_secret_and_others_get_nothing(held, make_feed, ask):
    _, dashboard = make_feed(networks=["192.0.2.0/28", "2001:db8::/64"], with_secret=False)

    for address in ("192.0.2.3", "2001:db8::7", "::ffff:192.0.2.3"):
        assert len(ask(dashboard, REMOTE_ADDR=address).json()) == 1, address
    for address in ("192.0.2.16", "2001:db8:1::7", "", "unix:"):
        assert ask(dashboard, REMOTE_ADDR=address).status_code == 404, address


def test_what_a_visitor_says_of_their_address_does_not_count(held, make_feed, ask):
    _, dashboard = make_feed(networks=["192.0.2.3"], with_secret=False)

    assert ask(dashboard, HTTP_X_FORWARDED_FOR="192.0.2.3", HTTP_X_REAL_IP="192.0.2.3").status_code == 404


@pytest.mark.parametrize(
    ("passed_on", "status"),
    [
        ("192.0.2.3", 200),
        ("203.0.113.9, 192.0.2.3", 200),
        ("192.0.2.3, 203.0.113.9", 404),
        ("", 404),
        ("nobody", 404),
    ],
)
def test_behind_a_proxy_only_what_it_appended_counts(held, make_feed, ask, settings, passed_on, status):
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    _, dashboard = make_feed(networks=["192.0.2.3"], with_secret=False)

    assert ask(dashboard, HTTP_X_FORWARDED_FOR=passed_on).status_code == status


def test_fewer_entries_than_proxies_are_no_address(held, make_feed, ask, settings):
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 2
    _, dashboard = make_feed(networks=["192.0.2.3"], with_secret=False)

    assert ask(dashboard, HTTP_X_FORWARDED_FOR="192.0.2.3").status_code == 404
    assert ask(dashboard, HTTP_X_FORWARDED_FOR="192.0.2.3, 10.0.0.1").status_code == 200


def test_a_secret_can_be_bound_to_networks(held, make_feed, ask):
    _, dashboard = make_feed(networks=["192.0.2.3"])

    assert ask(dashboard, REMOTE_ADDR="192.0.2.3").status_code == 200
    assert ask(dashboard).status_code == 404
    assert ask("/sup4rnet/at/torino", REMOTE_ADDR="192.0.2.3").status_code == 404


# --- use ------------------------------------------------------------------------------------------------


def test_the_last_use_is_kept(held, make_feed, ask):
    feed, dashboard = make_feed()
    assert feed.last_used_at is None

    ask(dashboard, REMOTE_ADDR="192.0.2.77")

    feed.refresh_from_db()
    assert feed.last_used_at is not None
    assert feed.last_used_from == "192.0.2.77"


def test_a_wrong_try_is_no_use(held, make_feed, ask):
    feed, dashboard = make_feed()
    ask(dashboard + "x")

    feed.refresh_from_db()
    assert feed.last_used_at is None


def test_who_asks_too_often_waits_and_others_do_not(held, make_feed, ask):
    _, dashboard = make_feed()
    _, other = make_feed()
    statuses = [ask(dashboard).status_code for _ in range(61)]

    assert statuses == [200] * 60 + [429]
    assert ask(other).status_code == 200


def test_who_guesses_gets_no_further(held, make_feed, ask):
    _, dashboard = make_feed()
    for number in range(30):
        ask(f"/sup4rnet/s4r_guess{number}")

    assert ask(dashboard).status_code == 404
    assert ask(dashboard, REMOTE_ADDR="192.0.2.1").status_code == 200


# --- where the secret does not go -----------------------------------------------------------------------


def test_no_answer_is_kept_or_referred_from(held, make_feed, ask, client):
    _, dashboard = make_feed()
    for response in (ask(dashboard), ask(dashboard, None), ask(dashboard + "x"), client.get(f"{dashboard}/")):
        assert response["Cache-Control"] == "no-store"
        assert response["Referrer-Policy"] == "no-referrer"
        assert "Set-Cookie" not in response


def test_the_secret_comes_into_no_log(held, make_feed, caplog, capfd, monkeypatch):
    from interop import sup4rnet

    _, dashboard = make_feed()
    secret = dashboard.rpartition("/")[2]
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    address = f"{dashboard}/api/active_reservations"
    with caplog.at_level(logging.DEBUG):
        for mistyped in (address + "/", dashboard, dashboard + "/", f"{dashboard}/api/reservations"):
            assert client.get(mistyped).status_code == 404
        assert client.post(address, {"target": "rest-bfsw01"}).status_code == 404
        monkeypatch.setattr(sup4rnet, "active_reservations", lambda **_: 1 / 0)
        assert client.get(address, {"target": "rest-bfsw01"}).status_code == 500

    shown = capfd.readouterr()
    said = caplog.text + shown.out + shown.err
    assert "A feed could not be answered" in said
    assert secret[:12] not in said


def test_whoever_logs_the_address_logs_it_without_the_secret():
    record = logging.LogRecord(
        "any", logging.ERROR, "", 0, "%s: %s", ("Failed", "/sup4rnet/s4r_abc/api/x"), None
    )

    assert WithoutSecrets().filter(record)
    assert record.getMessage() == "Failed: /sup4rnet/…/api/x"
