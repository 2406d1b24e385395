"""Leases by the REST API: what operators do, and nobody else."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reservations.states import Status
from tests.callers import codes, script_of
from tests.factories import book_lease, make_project, make_resource, make_site, make_superuser, make_user

pytestmark = pytest.mark.django_db

URL = "/api/v1/leases/"


@pytest.fixture
def project() -> Any:
    return make_project()


@pytest.fixture
def site() -> Any:
    return make_site(by_operator=True)


@pytest.fixture
def operator(site: Any) -> Any:
    return script_of(make_user(operates=[site]))


def lease_in(status: Status, site: Any, project: Any) -> Any:
    past = status == Status.RELEASE_FAILED
    at = datetime.now(UTC) + timedelta(hours=-2 if past else 2)
    return book_lease(make_resource(site), project=project, status=status, starts_at=at)


@pytest.mark.parametrize(
    ("verb", "source", "to"),
    [
        ("approve", Status.REQUESTED, "SCHEDULED"),
        ("reject", Status.REQUESTED, "REJECTED"),
        ("retry", Status.RELEASE_FAILED, "RELEASING"),
        ("vouch", Status.RELEASE_FAILED, "RELEASED"),
    ],
)
def test_operators_judge_and_others_do_not(
    verb: str, source: Status, to: str, site: Any, project: Any, operator: Any
) -> None:
    lease = lease_in(source, site, project)
    url = f"{URL}{lease.pk}/{verb}/"
    body = {"reason": "Looked at it myself"}
    for person in (make_user(), make_user(operates=[make_site()])):
        assert codes(script_of(person).post(url, body)) == (404, "not_found")
    for person in (lease.reservation.holder, make_user(leads=[project])):
        assert codes(script_of(person).post(url, body)) == (403, "not_allowed")
    assert operator.get(f"{URL}{lease.pk}/").json()["can"][verb] is True
    answer = operator.post(url, body)
    assert answer.status_code == 200, answer.content
    assert answer.json()["status"] == to
    assert answer.json()["can"] == dict.fromkeys(
        ["approve", "reject", "replace_files", "retry", "vouch"], False
    )
    if verb != "retry":
        assert "Looked at it myself" in answer.json()["events"][-1]["reason"]
    assert codes(operator.post(url, body)) == (409, "illegal_move")


def test_a_managers_word_counts_at_every_site(site: Any, project: Any) -> None:
    lease = lease_in(Status.REQUESTED, site, project)
    answer = script_of(make_superuser()).post(f"{URL}{lease.pk}/approve/", {})
    assert answer.json()["status"] == "SCHEDULED"


def test_nobody_vouches_without_words(site: Any, project: Any, operator: Any) -> None:
    lease = lease_in(Status.RELEASE_FAILED, site, project)
    assert codes(operator.post(f"{URL}{lease.pk}/vouch/", {"reason": "  "})) == (409, "illegal_move")


def test_the_list_shows_an_operator_what_waits_at_their_site(site: Any, project: Any, operator: Any) -> None:
    waiting = lease_in(Status.REQUESTED, site, project)
    lease_in(Status.SCHEDULED, site, project)
    lease_in(Status.REQUESTED, make_site(by_operator=True), project)
    found = operator.get(URL, {"status": "REQUESTED", "site": site.slug}).json()["results"]
    assert [each["id"] for each in found] == [str(waiting.pk)]
    assert found[0]["reservation"] == str(waiting.reservation_id)
    assert found[0]["project"] == project.slug
    assert "access" not in found[0]
    assert codes(operator.get(URL, {"status": "NONSENSE"})) == (400, "invalid")
    assert codes(operator.get(URL, {"resource": "nonsense"})) == (400, "invalid")


def test_a_vouched_lease_shows_its_proof(site: Any, project: Any, operator: Any) -> None:
    lease = lease_in(Status.RELEASE_FAILED, site, project)
    shown = operator.post(f"{URL}{lease.pk}/vouch/", {"reason": "Wiped by hand"}).json()["proof"]
    assert shown["is_clean"] is True
    assert shown["checks"][0]["found"] == "Wiped by hand"
    resource = operator.get(f"/api/v1/resources/{lease.resource_id}/").json()
    assert resource["last_proof"] == shown
