"""My desk: what runs, what needs an answer, what is left to book."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from reservations.selectors.desk import budgets_of, needs_of
from reservations.states import Status
from tests.factories import (
    book_lease,
    make_project,
    make_resource,
    make_site,
    make_ssh_key,
    make_user,
    next_hour,
)

pytestmark = pytest.mark.django_db


def words(user: Any) -> list[str]:
    return [str(need.words) for need in needs_of(user, now=timezone.now())]


def test_who_has_no_key_and_a_card_ahead_is_asked_for_one() -> None:
    lease = book_lease()
    holder = lease.reservation.holder
    assert any("no ssh key" in each for each in words(holder))
    make_ssh_key(holder)
    assert words(holder) == []


def test_an_operator_sees_what_waits_for_them() -> None:
    lease = book_lease(status=Status.REQUESTED)
    operator = make_user(operates=[lease.resource.site])
    assert words(operator) == ["1 lease waits for your approval."]
    assert words(make_user(operates=[make_site()])) == []


def test_what_is_left_of_a_project_is_said() -> None:
    project = make_project("optics", most_hours=10, most_open_reservations=3)
    user = make_user(projects=[project])
    book_lease(project=project, holder=user, hours=4, starts_at=next_hour())
    (budget,) = budgets_of(user, now=next_hour() - timedelta(hours=1))
    assert (budget.left, budget.booked, budget.share_percent) == ("6 h", "4 h", 40)
    assert (budget.reservations, budget.most_reservations) == (1, 3)


def test_access_of_what_runs_is_a_tap_away() -> None:
    lease = book_lease(
        make_resource(), status=Status.ACTIVE, starts_at=next_hour() - timedelta(hours=2), hours=5
    )
    client = Client()
    client.force_login(lease.reservation.holder)
    page = client.get("/mine/").content.decode()
    assert f'href="/reservations/{lease.reservation_id}/#access"' in page
    assert "opens-sesame" not in page


def test_the_desk_asks_the_same_however_much_there_is(django_assert_max_num_queries: Any) -> None:
    project = make_project()
    user = make_user(projects=[project])
    client = Client()
    client.force_login(user)
    for number in range(8):
        book_lease(project=project, holder=user, starts_at=next_hour(after_h=1 + 3 * number))
    with django_assert_max_num_queries(16):
        assert client.get("/mine/").status_code == 200
