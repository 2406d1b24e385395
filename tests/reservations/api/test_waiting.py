"""The wait list by the REST API: one's own, whoever asks."""

from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from reservations.models import Reservation
from reservations.services.changes import cancel
from reservations.services.waiting import serve_waiting
from tests.callers import codes, script_of, stranger
from tests.factories import book_lease, make_project, make_resource, make_superuser, make_user, next_hour

pytestmark = pytest.mark.django_db

URL = "/api/v1/waiting/"


@pytest.fixture
def user() -> User:
    return make_user(projects=[make_project("quantum")])


@pytest.fixture
def script(user: User) -> Any:
    return script_of(user)


def wish(**more: Any) -> dict[str, Any]:
    return {
        "project": "quantum",
        "resources": [{"kind": "gpu", "model": "L40S"}],
        "duration_s": 3600,
        "earliest": next_hour().isoformat(),
        "latest": next_hour(after_h=2).isoformat(),
    } | more


def test_joining_waiting_and_taking_the_offer(script: Any) -> None:
    taken = book_lease(make_resource(), starts_at=next_hour())
    joined = script.post(URL, wish(), format="json")
    assert joined.status_code == 201, joined.content
    shown = joined.json()
    assert (shown["position"], shown["state"], shown["words"]) == (1, "waiting", "1 × L40S")
    assert shown["offer"] is None
    place = joined["Location"]
    assert codes(script.post(f"{place}take/")) == (409, "illegal_move")
    now = timezone.now()
    cancel(reservation_id=taken.reservation_id, actor=taken.reservation.holder, now=now)
    assert serve_waiting(now=now) == 1
    (offered,) = script.get(URL).json()
    assert offered["state"] == "offered"
    assert offered["offer"]["resources"][0]["resource"] == str(taken.resource_id)
    made = script.post(f"{place}take/")
    assert made.status_code == 201, made.content
    assert Reservation.objects.filter(pk=made.json()["reservation"], project__slug="quantum").exists()
    assert script.get(URL).json() == []


def test_a_wish_is_ones_own_even_from_managers(script: Any) -> None:
    place = script.post(URL, wish(), format="json")["Location"]
    for other in (script_of(make_user()), script_of(make_superuser())):
        assert other.get(URL).json() == []
        assert codes(other.get(place)) == (404, "not_found")
        assert codes(other.delete(place)) == (404, "not_found")
        assert codes(other.post(f"{place}take/")) == (404, "not_found")
    assert stranger().get(URL).status_code == 401
    assert [script.delete(place).status_code for _ in range(2)] == [204, 204]


@pytest.mark.parametrize(
    ("more", "answer"),
    [
        ({"project": "elsewhere"}, (403, "not_allowed")),
        ({"resources": []}, (400, "invalid")),
        ({"latest": "2001-01-01T00:00:00Z"}, (400, "invalid")),
        ({"resources": [{"resource": "11111111-1111-4111-8111-111111111111"}]}, (404, "not_found")),
    ],
)
def test_what_makes_no_sense_is_refused(script: Any, more: dict[str, Any], answer: tuple[int, str]) -> None:
    assert codes(script.post(URL, wish(**more), format="json")) == answer
