"""Choosing which messages one gets: by the API, by the letter itself, and never for somebody else."""

from typing import Any

import pytest
from django.test import Client

from reservations.messages.letters import unsubscribe_address
from reservations.models import MessageChoices
from tests.callers import codes, script_of
from tests.factories import make_site, make_user

pytestmark = pytest.mark.django_db

URL = "/api/v1/notifications/"


def wanted(answer: Any) -> dict[str, bool]:
    return {kind["name"]: kind["wanted"] for kind in answer.json()["kinds"]}


def test_who_chose_nothing_gets_what_matters() -> None:
    answer = script_of(make_user()).get(URL)
    assert wanted(answer)["booked"] is True
    assert wanted(answer)["ready"] is False
    assert "operator" not in wanted(answer)
    assert (answer.json()["start_lead_min"], answer.json()["end_lead_min"]) == (15, 15)


def test_operators_see_what_comes_to_them() -> None:
    operator = make_user(operates=[make_site()])
    kinds = {kind["name"]: kind for kind in script_of(operator).get(URL).json()["kinds"]}
    assert kinds["operator"]["optional"] is False
    assert kinds["approval"]["optional"] is True


def test_a_choice_changes_what_it_names_and_nothing_else() -> None:
    script = script_of(make_user())
    script.post(URL, {"wanted": {"booked": False}, "start_lead_min": 60})
    answer = script.post(URL, {"wanted": {"ready": True}})
    assert (wanted(answer)["booked"], wanted(answer)["ready"]) == (False, True)
    assert (answer.json()["start_lead_min"], answer.json()["end_lead_min"]) == (60, 15)


@pytest.mark.parametrize(
    "asked",
    [
        {"wanted": {"nonsense": True}},
        {"wanted": {"operator": False}},
        {"start_lead_min": 1},
        {"end_lead_min": 9999},
    ],
)
def test_what_cannot_be_chosen_is_refused_with_the_reason(asked: Any) -> None:
    answer = script_of(make_user()).post(URL, asked)
    assert codes(answer) == (400, "invalid")
    assert not MessageChoices.objects.exists()


def path_for(user: Any, kind: str) -> str:
    return unsubscribe_address(user, kind).partition("8000")[2]


def test_a_mail_program_stops_a_kind_with_one_post() -> None:
    user = make_user()
    client = Client(enforce_csrf_checks=True)
    answer = client.post(path_for(user, "booked"), {"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 200
    assert MessageChoices.objects.get(user=user).wanted == {"booked": False}


def test_a_program_that_only_looks_stops_nothing(client: Client) -> None:
    user = make_user()
    answer = client.get(path_for(user, "booked"))
    assert "Stop them" in answer.content.decode()
    assert answer["Referrer-Policy"] == "no-referrer"
    assert not MessageChoices.objects.exists()


def test_nobody_stops_what_is_not_signed_for_it(client: Client) -> None:
    user = make_user()
    path = path_for(user, "operator")
    assert client.post(path).status_code == 404
    assert client.post(path_for(user, "booked")[:-3] + "x/").status_code == 404
    assert not MessageChoices.objects.exists()
