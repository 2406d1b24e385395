"""A site with a Tofino switch, somebody who holds it now, and a feed for the switch's cron."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.cache import cache

from interop.feeds import issue_feed
from reservations.states import Status
from tests.factories import book_lease, make_project, make_resource, make_site, make_user

ACCOUNTS = {"alice": "tenant-a", "quantum": "tenant-q"}


@pytest.fixture(autouse=True)
def forgotten():
    """Count from zero."""
    cache.clear()


@pytest.fixture
def operator(db):
    return make_user("operator")


@pytest.fixture
def site(operator):
    return make_site("torino", operators=[operator], time_zone="Europe/Rome")


@pytest.fixture
def make_switch(site):
    def make(name="rest-bfsw01", *, at=None, accounts=ACCOUNTS, **settings):
        return make_resource(
            at or site,
            name=name,
            kind="p4_switch",
            adapter="p4_tofino_ssh",
            attributes={"model": "Wedge 100BF-32X"},
            settings={"host": "sw1.uni-a.example", "accounts": accounts, **settings},
        )

    return make


@pytest.fixture
def switch(make_switch):
    return make_switch()


@pytest.fixture
def hold():
    """Have somebody hold a device: since an hour ago, for another."""

    def book(resource, *, username="alice", project="optics", status=Status.ACTIVE, **fields):
        fields.setdefault("starts_at", datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1))
        fields.setdefault("hours", 2)
        group = make_project(project)
        holder = make_user(username, projects=[group])
        return book_lease(resource, holder=holder, project=group, status=status, **fields)

    return book


@pytest.fixture
def make_feed(site, operator):
    """Make a feed; return it and the address that its tool is configured with."""

    def make(*, at=None, networks=(), with_secret=True, actor=None):
        place = at or site
        feed, secret = issue_feed(
            site=place, name="cron", networks=networks, with_secret=with_secret, actor=actor or operator
        )
        return feed, f"/sup4rnet/{secret}" if with_secret else f"/sup4rnet/at/{place.slug}"

    return make


@pytest.fixture
def ask(client):
    def fetch(dashboard, target="rest-bfsw01", **extra):
        query = {} if target is None else {"target": target}
        return client.get(f"{dashboard}/api/active_reservations", query, **extra)

    return fetch
