"""What the REST API does with requests that are no requests."""

from typing import Any

import pytest
from django.core.management import call_command

from shary_portal.parsers import MOST_DEPTH, MOST_JSON
from tests.callers import codes, script_of, stranger
from tests.factories import make_user

pytestmark = pytest.mark.django_db

URL = "/api/v1/reservations/"


@pytest.fixture
def script() -> Any:
    return script_of(make_user())


def post(script: Any, text: str | bytes) -> Any:
    return script.generic("POST", URL, text, content_type="application/json")


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[" * 100_000,
        '{"a":' * 50_000,
        "[" * 900 + "]" * 900,
        "[" * (MOST_DEPTH + 2) + "]" * (MOST_DEPTH + 2),
        b"\xff\xfe",
        '{"project": NaN}',
        '{"purpose": "\\ud800"}',
        '{"purpose": "\\u0000"}',
        '{"a": 1' + "0" * 6000 + "}",
    ],
)
def test_what_is_no_json_that_could_be_kept_is_refused(script: Any, text: str) -> None:
    assert codes(post(script, text)) == (400, "parse_error")


def test_depth_that_makes_sense_is_read(script: Any) -> None:
    answer = post(script, '{"purpose": ' + "[" * (MOST_DEPTH - 2) + "]" * (MOST_DEPTH - 2) + "}")
    assert codes(answer) == (400, "invalid")


def test_escapes_that_are_text_are_read(script: Any) -> None:
    answer = post(script, '{"purpose": "\\u00e4 \\ud83d\\ude00"}')
    assert "purpose" not in answer.json()["errors"]


def test_a_request_that_is_too_large_is_not_read(script: Any) -> None:
    assert codes(post(script, b'"' + b"x" * MOST_JSON + b'"')) == (413, "too_large")


def test_an_upload_that_is_too_large_is_not_read(script: Any) -> None:
    answer = script.generic(
        "POST",
        "/api/v1/artefacts/",
        b"x",
        content_type="multipart/form-data; boundary=x",
        CONTENT_LENGTH=str(50 * 1024 * 1024),
    )
    assert codes(answer) == (413, "too_large")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/xml"])
def test_only_json_is_read(script: Any, kind: str) -> None:
    answer = script.generic("POST", URL, b"x=1", content_type=kind)
    assert codes(answer) == (415, "unsupported_media_type")


@pytest.mark.parametrize("method", ["get", "post", "put", "delete", "options"])
@pytest.mark.parametrize(
    "path", ["/api/", "/api/v1/", "/api/v2/x/", "/api/v1/reservations", "/api/v1/leases/x/"]
)
def test_what_does_not_exist_is_a_problem_not_a_page(script: Any, method: str, path: str) -> None:
    assert codes(getattr(script, method)(path)) == (404, "not_found")


@pytest.mark.parametrize(
    "path",
    [
        "me",
        "tokens",
        "ssh-keys",
        "sites",
        "resources",
        "adapters",
        "calendar",
        "free",
        "reservations",
        "leases",
        "artefacts",
        "maintenance",
    ],
)
def test_every_noun_wants_to_know_who_asks(path: str) -> None:
    assert codes(stranger().get(f"/api/v1/{path}/")) == (401, "not_authenticated")
    bad = stranger()
    bad.credentials(HTTP_AUTHORIZATION="Bearer shy_nonsense")
    assert codes(bad.get(f"/api/v1/{path}/")) == (401, "authentication_failed")


def test_a_page_needs_the_csrf_token_and_a_script_does_not() -> None:
    from rest_framework.test import APIClient

    client = APIClient(enforce_csrf_checks=True)
    user = make_user()
    client.force_login(user)
    assert codes(client.post("/api/v1/tokens/", {"name": "x"})) == (403, "permission_denied")
    assert script_of(user).post("/api/v1/tokens/", {"name": "x"}).status_code == 201


def test_the_description_is_without_fault(tmp_path: Any) -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "schema.yml"))


def test_the_description_and_its_page_are_there_for_everybody() -> None:
    answer = stranger().get("/api/schema/", headers={"accept": "application/vnd.oai.openapi+json"})
    described = answer.data
    assert described["openapi"].startswith("3.1")
    post = described["paths"]["/api/v1/reservations/"]["post"]
    assert {"201", "400", "401", "403", "404", "409", "422"} <= set(post["responses"])
    assert "Idempotency-Key" in [parameter["name"] for parameter in post["parameters"]]
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            assert operation.get("description"), f"{method} {path} says nothing of itself"
    page = stranger().get("/api/docs/").content.decode()
    assert "<style" not in page
    assert "<script>" not in page
    assert stranger().get("/api/docs/?script=").status_code == 200
