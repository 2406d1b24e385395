"""Oneself and one's tokens, by the REST API."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts.models import PersonalToken
from tests.callers import codes, script_of, stranger
from tests.factories import bearer, make_project, make_site, make_ssh_key, make_user

pytestmark = pytest.mark.django_db

URL = "/api/v1/tokens/"


def with_token(text: str) -> Any:
    client = stranger()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
    return client


def test_a_new_token_works_and_is_shown_once() -> None:
    owner = script_of(make_user("owner"))
    made = owner.post(URL, {"name": "nightly"}).json()
    assert with_token(made["token"]).get("/api/v1/me/").json()["username"] == "owner"
    listed = owner.get(URL)
    assert made["token"] not in listed.content.decode()
    assert made["token"].startswith(
        next(e["prefix"] for e in listed.json()["results"] if e["name"] == "nightly")
    )


def test_a_revoked_or_expired_token_or_owner_opens_nothing() -> None:
    user = make_user()
    owner = script_of(user)
    made = owner.post(URL, {"name": "x", "expires_at": datetime.now(UTC) + timedelta(hours=1)}).json()
    script = with_token(made["token"])
    assert script.get("/api/v1/me/").status_code == 200
    PersonalToken.objects.filter(pk=made["id"]).update(expires_at=datetime.now(UTC))
    assert codes(script.get("/api/v1/me/")) == (401, "authentication_failed")
    PersonalToken.objects.filter(pk=made["id"]).update(expires_at=None)
    assert script.get("/api/v1/me/").status_code == 200
    assert owner.delete(f"{URL}{made['id']}/").status_code == 204
    assert codes(script.get("/api/v1/me/")) == (401, "authentication_failed")
    user.is_active = False
    user.save()
    assert codes(owner.get("/api/v1/me/")) == (401, "authentication_failed")


@pytest.mark.parametrize("moment", ["2001-01-01T00:00:00Z", "2030-01-01T00:00:00", "9999-01-01T00:00:00Z"])
def test_an_expiry_that_makes_no_sense_is_refused(moment: str) -> None:
    answer = script_of(make_user()).post(URL, {"name": "x", "expires_at": moment})
    assert codes(answer) == (400, "invalid")
    assert "expires_at" in answer.json()["errors"]


def test_tokens_are_their_owners_alone() -> None:
    owner, other = script_of(make_user()), script_of(make_user())
    made = owner.post(URL, {"name": "x"}).json()
    assert made["id"] not in {each["id"] for each in other.get(URL).json()["results"]}
    assert codes(other.delete(f"{URL}{made['id']}/")) == (404, "not_found")


def test_the_last_use_of_a_token_is_written_down() -> None:
    user = make_user()
    client = stranger()
    client.credentials(HTTP_AUTHORIZATION=bearer(user)["Authorization"])
    client.get("/api/v1/me/")
    assert PersonalToken.objects.get(user=user).last_used_at is not None


def test_me_says_who_one_is_and_what_one_may_book_for() -> None:
    project, led, site = make_project("alpha"), make_project("beta"), make_site("roma")
    user = make_user(
        "ada",
        projects=[project],
        leads=[led],
        operates=[site],
        first_name="Ada",
        last_name="E",
        time_zone="Europe/Rome",
    )
    assert script_of(user).get("/api/v1/me/").json() == {
        "username": "ada",
        "name": "Ada E",
        "email": "ada@uni-a.example",
        "time_zone": "Europe/Rome",
        "projects": [
            {"slug": "alpha", "name": "Alpha", "role": "member"},
            {"slug": "beta", "name": "Beta", "role": "leader"},
        ],
        "operates": ["roma"],
        "is_staff": False,
        "has_ssh_key": False,
    }
    make_ssh_key(user)
    assert script_of(user).get("/api/v1/me/").json()["has_ssh_key"] is True
