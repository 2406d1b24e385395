"""Those who call the REST API in tests."""

from typing import Any

from rest_framework.test import APIClient

from accounts.models import User
from tests.factories import bearer


def script_of(user: User) -> APIClient:
    """Return a client that carries a token of the user; its first use is behind it."""
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=bearer(user)["Authorization"])
    # The first use of a token is written down, and then not again for a minute.
    assert client.get("/api/v1/me/").status_code == 200
    return client


def stranger() -> APIClient:
    """Return a client that nobody has signed in."""
    return APIClient()


def codes(answer: Any) -> tuple[int, str | None]:
    """Return status and problem code of an answer."""
    if answer.status_code < 400:
        return answer.status_code, None
    assert answer["Content-Type"] == "application/problem+json", answer.content
    return answer.status_code, answer.json()["code"]
