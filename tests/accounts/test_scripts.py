"""What scripts may do: scopes, ends, and how often."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import PersonalToken, User
from accounts.scopes import Scope
from accounts.tokens import VALID_FOR, issue_token, warn_of_expiring_tokens
from reservations.models import OutgoingMail
from tests.callers import codes, script_of
from tests.factories import make_user

pytestmark = pytest.mark.django_db


def with_scopes(user: User, *scopes: Scope) -> APIClient:
    _, text = issue_token(user=user, name="narrow", scopes=scopes)
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
    return client


def test_a_token_is_made_for_reading_and_booking_and_ninety_days() -> None:
    made = script_of(make_user()).post("/api/v1/tokens/", {"name": "x"}).json()
    assert made["scopes"] == ["read", "book"]
    token = PersonalToken.objects.get(pk=made["id"])
    assert token.expires_at is not None
    assert abs(token.expires_at - timezone.now() - VALID_FOR) < timedelta(minutes=5)


def test_no_token_lasts_longer_than_a_year() -> None:
    late = timezone.now() + timedelta(days=400)
    answer = script_of(make_user()).post("/api/v1/tokens/", {"name": "x", "expires_at": late})
    assert codes(answer) == (400, "invalid")
    assert "expires_at" in answer.json()["errors"]


def test_a_token_without_the_scope_is_told_which_one_it_lacks() -> None:
    answer = with_scopes(make_user(), Scope.READ).post("/api/v1/tokens/", {"name": "x"})
    assert codes(answer) == (403, "out_of_scope")
    assert "“keys”" in answer.json()["detail"]
    assert codes(with_scopes(make_user(), Scope.BOOK).get("/api/v1/me/")) == (403, "out_of_scope")


def test_a_token_makes_none_that_may_do_more() -> None:
    script = with_scopes(make_user(), Scope.READ, Scope.KEYS)
    answer = script.post("/api/v1/tokens/", {"name": "x", "scopes": ["read", "operate"]})
    assert codes(answer) == (400, "invalid")
    assert script.post("/api/v1/tokens/", {"name": "x", "scopes": ["read"]}).status_code == 201


def test_owners_are_told_once_before_a_token_expires() -> None:
    user, now = make_user(), timezone.now()
    issue_token(user=user, name="nightly", expires_at=now + timedelta(days=5))
    issue_token(user=user, name="later", expires_at=now + timedelta(days=50))
    assert warn_of_expiring_tokens(now=now) == 1
    warn_of_expiring_tokens(now=now + timedelta(hours=1))
    mail = OutgoingMail.objects.get()
    assert (mail.to, mail.subject) == (user, "Your token “nightly” expires soon")


@pytest.fixture
def bounded(settings: Any) -> None:
    cache.clear()
    settings.SHARY_REQUESTS_PER_MINUTE = 30
    settings.SHARY_REQUESTS_PER_HOUR = 0


def until_refused(client: APIClient, most: int) -> Any:
    for _ in range(most):
        answer = client.get("/api/v1/me/")
        if answer.status_code != 200:
            return answer
    return None


@pytest.mark.usefixtures("bounded")
def test_who_asks_too_often_is_told_when_to_come_back() -> None:
    user = make_user()
    # A minute may end between: then there is room for as many again, and never for more.
    answer = until_refused(with_scopes(user, Scope.READ), 70)
    assert codes(answer) == (429, "throttled")
    assert 0 < int(answer["Retry-After"]) <= 60


@pytest.mark.usefixtures("bounded")
def test_a_wild_script_locks_neither_its_owner_nor_others_out() -> None:
    user = make_user()
    assert until_refused(with_scopes(user, Scope.READ), 70) is not None
    page = APIClient()
    page.force_login(user)
    assert page.get("/api/v1/me/").status_code == 200
    assert with_scopes(make_user(), Scope.READ).get("/api/v1/me/").status_code == 200


@pytest.mark.usefixtures("bounded")
def test_the_hour_is_counted_over_all_that_a_person_does(settings: Any) -> None:
    settings.SHARY_REQUESTS_PER_MINUTE, settings.SHARY_REQUESTS_PER_HOUR = 0, 40
    user = make_user()
    for _ in range(2):
        assert until_refused(with_scopes(user, Scope.READ), 20) is None
    assert codes(until_refused(with_scopes(user, Scope.READ), 100)) == (429, "throttled")
