"""What SUP4RNET's cron is told: their shape, and nothing but what is true at this moment."""

from datetime import UTC, datetime, timedelta

import pytest

from reservations.models import Lease
from reservations.states import Status
from resources.models import Resource
from tests.factories import make_site


def names(response):
    assert response.status_code == 200
    return [entry["username"] for entry in response.json()]


def test_the_holder_is_named_in_their_shape(switch, hold, make_feed, ask):
    lease = hold(switch, starts_at=datetime.now(UTC).replace(minute=0, second=0, microsecond=0), hours=2)
    _, dashboard = make_feed()

    response = ask(dashboard)

    assert response["Content-Type"] == "application/json"
    (entry,) = response.json()
    assert list(entry) == ["id", "username", "target", "from", "to", "high_priority"]
    assert entry["id"] == lease.epoch
    assert isinstance(entry["id"], int)
    assert (entry["username"], entry["target"], entry["high_priority"]) == ("tenant-a", "rest-bfsw01", True)


def test_times_are_the_sites_wall_clock_without_a_zone(switch, hold, make_feed, ask, monkeypatch):
    from interop import sup4rnet

    # Rome is an hour before UTC in winter.
    hold(switch, starts_at=datetime(2026, 3, 2, 8, 0, tzinfo=UTC))
    _, dashboard = make_feed()
    monkeypatch.setattr(sup4rnet.timezone, "now", lambda: datetime(2026, 3, 2, 9, 0, tzinfo=UTC))

    (entry,) = ask(dashboard).json()

    assert (entry["from"], entry["to"]) == ("2026-03-02T09:00:00.000", "2026-03-02T11:00:00.000")


def test_an_idle_switch_is_answered_with_the_two_signs_that_their_script_compares(switch, make_feed, ask):
    _, dashboard = make_feed()

    assert ask(dashboard).content == b"[]"


@pytest.mark.parametrize(
    "status", [each for each in Status if each != Status.ACTIVE], ids=lambda status: status.name
)
def test_only_an_active_lease_opens(switch, hold, make_feed, ask, status):
    hold(switch, status=status)
    _, dashboard = make_feed()

    assert ask(dashboard).content == b"[]"


def test_nobody_is_let_in_before_the_start_or_after_the_end(switch, hold, make_feed, ask):
    lease = hold(switch)
    _, dashboard = make_feed()
    assert names(ask(dashboard)) == ["tenant-a"]
    now = datetime.now(UTC)

    for starts_at, ends_at in (
        (now + timedelta(minutes=1), now + timedelta(hours=1)),
        (now - timedelta(hours=1), now - timedelta(seconds=1)),
    ):
        Lease.objects.filter(pk=lease.pk).update(starts_at=starts_at, ends_at=ends_at)
        assert ask(dashboard).content == b"[]"


def test_a_lease_whose_access_the_site_has_closed_opens_nothing(switch, hold, make_feed, ask):
    lease = hold(switch)
    _, dashboard = make_feed()
    Lease.objects.filter(pk=lease.pk).update(isolated_at=datetime.now(UTC))

    assert ask(dashboard).content == b"[]"


def test_a_lease_of_another_site_or_another_switch_opens_nothing(make_switch, hold, make_feed, ask):
    other_site = make_site("pisa", operators=[])
    make_switch("rest-bfsw01")
    hold(make_switch("rest-bfsw01", at=other_site), username="alice")
    hold(make_switch("rest-bfsw02"), username="bob", project="quantum")
    _, dashboard = make_feed()

    assert ask(dashboard).content == b"[]"
    assert names(ask(dashboard, "rest-bfsw02")) == ["tenant-q"]


@pytest.mark.parametrize("asked", ["rest-bfsw01", "rest-bfsw01.polito.it", "REST-bfsw01.uni-a.example"])
def test_the_domain_of_the_switch_does_not_matter(switch, hold, make_feed, ask, asked):
    hold(switch)
    _, dashboard = make_feed()

    assert names(ask(dashboard, asked)) == ["tenant-a"]


@pytest.mark.parametrize("asked", ["rest-bfsw0", "rest-bfsw01x", "bfsw01", "%", "rest-bfsw01\n", "*"])
def test_nothing_but_the_switchs_own_name_will_do(switch, hold, make_feed, ask, asked):
    hold(switch)
    _, dashboard = make_feed()

    assert ask(dashboard, asked).content == b"[]"


def test_a_switch_may_be_called_otherwise_by_itself_than_by_people(make_switch, hold, make_feed, ask):
    hold(make_switch("Tofino in the basement", target="rest-bfsw01"))
    _, dashboard = make_feed()

    assert names(ask(dashboard)) == ["tenant-a"]
    assert ask(dashboard, "Tofino in the basement").content == b"[]"


def test_of_two_switches_with_one_name_neither_is_opened(make_switch, hold, make_feed, ask):
    hold(make_switch("one", target="rest-bfsw01"))
    make_switch("two", target="rest-bfsw01")
    _, dashboard = make_feed()

    assert ask(dashboard).content == b"[]"


@pytest.mark.parametrize(
    ("username", "project", "account"),
    [("alice", "quantum", "tenant-a"), ("bob", "quantum", "tenant-q"), ("bob", "optics", None)],
)
def test_the_user_goes_before_the_project_and_who_has_no_account_is_left_out(
    switch, hold, make_feed, ask, username, project, account
):
    hold(switch, username=username, project=project)
    _, dashboard = make_feed()

    assert names(ask(dashboard)) == ([account] if account else [])


def test_devices_of_other_adapters_are_not_spoken_of(switch, hold, make_feed, ask):
    hold(switch)
    _, dashboard = make_feed()
    Resource.objects.filter(pk=switch.pk).update(adapter="gpu_ssh")

    assert ask(dashboard).content == b"[]"


def test_a_missing_target_is_answered_as_theirs_does_and_names_nobody(switch, hold, make_feed, ask):
    hold(switch)
    _, dashboard = make_feed()

    for target in (None, ""):
        response = ask(dashboard, target)
        assert (response.status_code, response.content) == (200, b"Target not specified")
