"""Holds by the REST API, and as the calendar shows them."""

from typing import Any

import pytest

from accounts.models import User
from reservations.policy import HOLD_RENEWALS
from tests.callers import codes, script_of
from tests.factories import make_project, make_resource, make_site, make_user, next_hour
from tests.reservations.api.test_calendar import section

pytestmark = pytest.mark.django_db

URL = "/api/v1/holds/"


@pytest.fixture
def user() -> User:
    return make_user(projects=[make_project("quantum")], first_name="Ada", last_name="Rossi")


@pytest.fixture
def script(user: User) -> Any:
    return script_of(user)


def wish(**more: Any) -> dict[str, Any]:
    return {
        "starts_at": next_hour().isoformat(),
        "ends_at": next_hour(after_h=2).isoformat(),
        "resources": [{"kind": "gpu"}],
    } | more


def test_a_hold_names_its_devices_and_they_are_booked_by_name(script: Any) -> None:
    card = make_resource()
    answer = script.post(URL, wish(), format="json")
    assert answer.status_code == 201, answer.content
    held = answer.json()
    assert [each["resource"] for each in held["resources"]] == [str(card.pk)]
    assert held["renewals_left"] == HOLD_RENEWALS
    assert script.get(answer["Location"]).json() == held
    assert script.get(URL).json() == [held]
    named = wish(resources=[{"resource": str(card.pk)}], project="quantum")
    assert script.post("/api/v1/reservations/", named, format="json").status_code == 201
    assert script.get(URL).json() == []


def test_it_is_renewed_and_given_back_by_its_holder_alone(script: Any) -> None:
    make_resource()
    place = script.post(URL, wish(), format="json")["Location"]
    renewed = script.post(f"{place}renew/")
    assert renewed.json()["renewals_left"] == HOLD_RENEWALS - 1
    stranger = script_of(make_user())
    assert codes(stranger.get(place)) == (404, "not_found")
    assert codes(stranger.post(f"{place}renew/")) == (404, "not_found")
    assert codes(stranger.delete(place)) == (404, "not_found")
    assert [script.delete(place).status_code for _ in range(2)] == [204, 204]
    assert codes(script.post(f"{place}renew/")) == (409, "illegal_move")


def test_a_refusal_is_that_of_a_booking(script: Any, user: User) -> None:
    card = make_resource()
    script.post(URL, wish(), format="json")
    other = script_of(make_user(projects=[make_project()]))
    refused = other.post(URL, wish(resources=[{"resource": str(card.pk)}]), format="json")
    assert codes(refused) == (409, "cannot_book")
    assert [each["reason"] for each in refused.json()["refusals"]] == ["held"]
    assert codes(other.post(URL, wish(resources=[]), format="json")) == (400, "invalid")
    assert codes(script_of(make_user()).post(URL, wish(), format="json")) == (403, "not_allowed")


def test_the_calendar_shows_a_hold_and_its_holder_to_those_who_may_know(script: Any, user: User) -> None:
    operator = make_user()
    site = make_site(operators=[operator])
    whole = make_resource(site, kind="gpu_host", name="Host")
    card = make_resource(parent=whole)
    held = script.post(URL, wish(), format="json").json()

    def entries(who: Any) -> dict[str, Any]:
        return {entry["row"]: entry for entry in section(who)["entries"]}

    mine = entries(script)
    assert set(mine) == {str(whole.pk), str(card.pk)}
    entry = mine[str(card.pk)]
    assert (entry["id"], entry["type"], entry["state"]) == (held["id"], "hold", "held")
    assert (entry["mine"], entry["who"], entry["via"]) == (True, "Ada Rossi", None)
    assert entry["starts_at"][:16] == held["starts_at"][:16]
    assert entry["expires_at"][:19] == held["expires_at"][:19]
    assert (entry["can_change"], entry["reservation"], entry["title"]) == (False, None, "")
    assert mine[str(whole.pk)]["via"] == str(card.pk)
    strangers = entries(script_of(make_user()))[str(card.pk)]
    assert (strangers["type"], strangers["mine"], strangers["who"]) == ("hold", False, "")
    assert entries(script_of(operator))[str(card.pk)]["who"] == "Ada Rossi"
