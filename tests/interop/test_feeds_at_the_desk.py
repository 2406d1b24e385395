"""Feeds at the operators' desk: made for one's own site, shown once, revoked."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from interop.models import ReservationFeed
from tests.factories import make_site, make_user

ADD = "/admin/interop/reservationfeed/add/"


@pytest.fixture
def desk(site, operator):
    client = Client()
    client.force_login(operator)
    return client


def wishes(site, **changes):
    values = {"site": site.pk, "name": "cron of rest-bfsw01", "with_secret": "on", "networks": ""}
    return {name: value for name, value in (values | changes).items() if value is not None}


def test_the_address_is_shown_once_and_works(site, switch, hold, desk, ask):
    hold(switch)

    response = desk.post(ADD, wishes(site))

    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]
    assert response["Referrer-Policy"] == "no-referrer"
    (dashboard,) = set(re.findall(r"http://testserver(/sup4rnet/s4r_[\w-]+)", response.content.decode()))
    assert len(ask(dashboard).json()) == 1
    secret = dashboard.rpartition("/")[2]
    feed = ReservationFeed.objects.get()
    for page in (
        desk.get(reverse("admin:interop_reservationfeed_change", args=[feed.pk])),
        desk.get(reverse("admin:interop_reservationfeed_changelist")),
        desk.get(reverse("admin:interop_reservationfeed_history", args=[feed.pk])),
    ):
        assert page.status_code == 200
        assert feed.name in page.content.decode()
        assert secret not in page.content.decode()
    assert secret not in str(desk.cookies) + str(dict(desk.session))
    assert feed.created_by == site.operators.get()


def test_networks_are_read_and_said_back(site, desk):
    response = desk.post(ADD, wishes(site, with_secret=None, networks="192.0.2.3\n2001:db8::1/64"))

    assert "/sup4rnet/at/torino" in response.content.decode()
    feed = ReservationFeed.objects.get()
    assert (feed.networks, feed.has_secret) == (["192.0.2.3/32", "2001:db8::/64"], False)


@pytest.mark.parametrize(
    ("networks", "with_secret", "words"),
    [("", None, "Without a secret"), ("0.0.0.0/0", None, "everybody"), ("the office", "on", "is no network")],
)
def test_a_feed_that_nothing_guards_is_refused(site, desk, networks, with_secret, words):
    response = desk.post(ADD, wishes(site, with_secret=with_secret, networks=networks))

    assert words in response.content.decode()
    assert not ReservationFeed.objects.exists()


def test_nobody_makes_a_feed_for_a_site_that_is_not_theirs(site, desk):
    elsewhere = make_site("pisa", name="Site of Pisa")

    assert "Site of Pisa" not in desk.get(ADD).content.decode()
    desk.post(ADD, wishes(elsewhere))
    assert not ReservationFeed.objects.exists()

    visitor = Client()
    visitor.force_login(make_user("visitor", is_staff=True))
    assert visitor.post(ADD, wishes(site)).status_code in (302, 403)
    assert not ReservationFeed.objects.exists()


def test_a_feed_is_revoked_by_its_operator_and_by_nobody_elses(switch, desk, make_feed, ask):
    feed, dashboard = make_feed()
    page = reverse("admin:interop_reservationfeed_revoke", args=[feed.pk])
    neighbour = Client()
    neighbour.force_login(make_user("neighbour", operates=[make_site("pisa")]))

    assert neighbour.post(page, {"confirmed": "yes"}).status_code == 404
    assert desk.get(page).status_code == 200
    assert ask(dashboard).status_code == 200

    desk.post(page, {"confirmed": "yes"})

    assert ask(dashboard).status_code == 404


def test_nothing_of_a_feed_is_changed_or_deleted(desk, make_feed):
    feed, _ = make_feed()
    row = ReservationFeed.objects.filter(pk=feed.pk)
    before = row.values().get()
    change = reverse("admin:interop_reservationfeed_change", args=[feed.pk])

    assert desk.post(change, {"name": "mine", "networks": "0.0.0.0/0"}).status_code == 403
    assert (
        desk.post(reverse("admin:interop_reservationfeed_delete", args=[feed.pk]), {"post": "yes"}).status_code
        == 403
    )
    assert row.values().get() == before
