"""Booking by the REST API: what it takes, what it says, what it costs."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from reservations.models import Lease, Reservation
from resources.models import Resource
from tests.callers import codes, script_of, stranger
from tests.factories import (
    book_lease,
    make_project,
    make_resource,
    make_site,
    make_user,
    next_hour,
)

pytestmark = pytest.mark.django_db

URL = "/api/v1/reservations/"

# Token; project, savepoint, resources under lock, the reservation, its leases, their events, release of
# the savepoint; what is shown. Whoever raises this says why.
HOT_PATH_BUDGET = 9


def booking(project: Any, *resources: Resource, hours: float = 1, **fields: Any) -> dict[str, Any]:
    starts_at = next_hour()
    return {
        "project": project.slug,
        "starts_at": starts_at.isoformat(),
        "ends_at": (starts_at + timedelta(hours=hours)).isoformat(),
        "resources": [{"resource": str(resource.pk)} for resource in resources],
    } | fields


@pytest.fixture
def project() -> Any:
    return make_project()


@pytest.fixture
def member(project: Any) -> Any:
    return make_user(projects=[project])


@pytest.fixture
def script(member: Any) -> Any:
    return script_of(member)


def test_a_named_resource_is_booked_and_shown_whole(script: Any, project: Any, member: Any) -> None:
    resource = make_resource()
    answer = script.post(URL, booking(project, resource, purpose="Train it"))
    assert answer.status_code == 201, answer.content
    shown = answer.json()
    assert answer["Location"] == f"{URL}{shown['id']}/"
    assert (shown["project"], shown["holder"], shown["purpose"]) == (project.slug, member.username, "Train it")
    assert shown["phase"] == "scheduled"
    assert shown["can"] == {"cancel": True, "extend": True, "shorten": True, "move": True, "end": False}
    (lease,) = shown["leases"]
    assert lease["resource"] == str(resource.pk)
    assert lease["status"] == "SCHEDULED"
    assert lease["access"] is None
    assert [(event["source"], event["to"], event["actor"]) for event in lease["events"]] == [
        ("", "SCHEDULED", member.username)
    ]
    assert shown["starts_at"].endswith("Z")
    read = script.get(answer["Location"]).json()
    # How far it could be extended is worked out for whoever looks at it, not for whoever books.
    assert read.pop("latest_end") is not None
    assert read.pop("latest_end_because") == "limit"
    del shown["latest_end"], shown["latest_end_because"]
    assert read == shown


def test_a_site_that_wants_to_be_asked_is_asked(script: Any, project: Any) -> None:
    answer = script.post(URL, booking(project, make_resource(make_site(by_operator=True))))
    assert answer.json()["phase"] == "asked"
    assert answer.json()["leases"][0]["can"]["approve"] is False


def test_capacity_of_a_kind_is_booked_at_one_site(script: Any, project: Any) -> None:
    here, there = make_site(), make_site()
    card = make_resource(here, attributes={"model": "H100", "memory_gib": 80})
    make_resource(there, attributes={"model": "A2", "memory_gib": 16})
    make_resource(there, kind="smart_nic", adapter="smart_nic_bluefield", attributes={})
    nic = make_resource(here, kind="smart_nic", adapter="smart_nic_bluefield", attributes={})
    asked = booking(project) | {
        "resources": [
            {"kind": "gpu", "attributes": {"memory_gib_min": 40}},
            {"kind": "smart_nic", "same_site_as": 0},
        ]
    }
    answer = script.post(URL, asked)
    assert answer.status_code == 201, answer.content
    assert {lease["resource"] for lease in answer.json()["leases"]} == {str(card.pk), str(nic.pk)}


def test_a_refusal_says_why_until_when_and_what_would_do(script: Any, project: Any) -> None:
    resource, free = make_resource(), make_resource()
    book_lease(resource)
    answer = script.post(URL, booking(project, resource, free))
    assert codes(answer) == (409, "cannot_book")
    problem = answer.json()
    (refusal,) = problem["refusals"]
    assert (refusal["wish"], refusal["resource"], refusal["reason"]) == (0, str(resource.pk), "taken")
    assert refusal["until"] is not None
    assert refusal["never"] is problem["never"] is False
    assert set(problem["alternatives"][0]["resources"]) == {str(resource.pk), str(free.pk)}
    assert Reservation.objects.count() == 1


def test_what_does_not_exist_is_refused_for_ever(script: Any, project: Any) -> None:
    asked = booking(project) | {"resources": [{"resource": str(uuid4())}]}
    answer = script.post(URL, asked)
    assert codes(answer) == (409, "cannot_book")
    assert answer.json()["never"] is True
    assert answer.json()["refusals"][0]["reason"] == "unknown"


def test_nobody_books_without_signing_in(project: Any) -> None:
    answer = stranger().post(URL, booking(project, make_resource()), format="json")
    assert codes(answer) == (401, "not_authenticated")


def test_somebody_elses_project_and_none_at_all_are_refused_alike(script: Any) -> None:
    resource = make_resource()
    theirs = make_project("theirs")
    real = script.post(URL, booking(theirs, resource))
    assert codes(real) == (403, "not_allowed")
    theirs.delete()
    none = script.post(URL, booking(theirs, resource))
    assert codes(none) == (403, "not_allowed")
    assert real.json()["detail"] == none.json()["detail"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"ends_at": "2030-01-31T14:00:00"}, "ends_at"),
        ({"starts_at": "2030-01-31T14:00:00"}, "starts_at"),
        ({"ends_at": "9999-12-31T23:59:59Z"}, "ends_at"),
        ({"ends_at": "0001-01-01T00:00:00+14:00"}, "ends_at"),
        ({"ends_at": "soon"}, "ends_at"),
        ({"ends_at": 1700000000}, "ends_at"),
        ({"ends_at": None}, "ends_at"),
        ({"starts_at": "2020-01-01T00:00:00Z"}, "starts_at"),
        ({"ends_at": "2020-01-01T00:00:00Z"}, "ends_at"),
        ({"resources": []}, "resources"),
        ({"resources": {}}, "resources"),
        ({"resources": [{}]}, "resources.0"),
        ({"resources": ["x"]}, "resources.0"),
        ({"resources": [{"resource": "x"}]}, "resources.0.resource"),
        ({"resources": [{"kind": "gpu", "count": 0}]}, "resources.0.count"),
        ({"resources": [{"kind": "gpu", "count": 65}]}, "resources.0.count"),
        ({"resources": [{"kind": "gpu", "same_site_as": 7}]}, "resources.0.same_site_as"),
        (
            {"resources": [{"kind": "gpu", "attributes": {"memory_gib": 4}}]},
            "resources.0.attributes.memory_gib",
        ),
        ({"resources": [{"kind": "gpu", "attributes": {"a__b_min": 4}}]}, "resources.0.attributes.a__b_min"),
        ({"resources": [{"kind": "gpu", "attributes": {"a_min": "x"}}]}, "resources.0.attributes.a_min"),
        ({"purpose": "x" * 201}, "purpose"),
        ({"purpose": "nul \0"}, None),
        ({"project": ["x"]}, "project"),
    ],
)
def test_what_makes_no_sense_is_refused_with_words_per_field(
    script: Any, project: Any, change: dict[str, Any], field: str | None
) -> None:
    answer = script.post(URL, booking(project, make_resource()) | change, format="json")
    assert answer.status_code == 400, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    if field is not None:
        assert any(name.startswith(field) for name in answer.json()["errors"]), answer.json()
    assert not Reservation.objects.exists()


def test_a_naive_moment_is_refused_with_the_way_out(script: Any, project: Any) -> None:
    answer = script.post(URL, booking(project, make_resource(), ends_at="2030-01-31T14:00:00"))
    assert "zone" in answer.json()["errors"]["ends_at"][0]


def test_ten_thousand_resources_are_refused_before_anything_is_asked(script: Any, project: Any) -> None:
    asked = booking(project) | {"resources": [{"resource": str(uuid4())}] * 10_000}
    with CaptureQueriesContext(connection) as asked_of_database:
        answer = script.post(URL, asked)
    assert codes(answer) == (400, "invalid")
    assert "resources" in answer.json()["errors"]
    assert len(asked_of_database) == 1  # the token


def test_sixty_five_devices_of_a_kind_in_two_lines_are_refused(script: Any, project: Any) -> None:
    asked = booking(project) | {"resources": [{"kind": "gpu", "count": 64}, {"kind": "gpu", "count": 1}]}
    assert codes(script.post(URL, asked)) == (400, "invalid")


def test_the_status_cannot_be_written(script: Any, project: Any) -> None:
    answer = script.post(URL, booking(project, make_resource(), status="ACTIVE", phase="active"))
    assert answer.json()["leases"][0]["status"] == "SCHEDULED"
    for method in ("put", "patch", "delete"):
        refused = getattr(script, method)(f"{URL}{answer.json()['id']}/", {"status": "ACTIVE"})
        assert codes(refused) == (405, "method_not_allowed")


def test_booking_one_named_resource_asks_the_database_little(script: Any, project: Any) -> None:
    resource = make_resource()
    with CaptureQueriesContext(connection) as statements:
        answer = script.post(URL, booking(project, resource))
    assert answer.status_code == 201
    assert len(statements) <= HOT_PATH_BUDGET, "\n".join(each["sql"][:150] for each in statements)


def test_booking_ten_resources_asks_no_more_than_booking_one(script: Any, project: Any) -> None:
    resources = [make_resource() for _ in range(10)]
    with CaptureQueriesContext(connection) as statements:
        answer = script.post(URL, booking(project, *resources))
    assert answer.status_code == 201
    assert len(statements) <= HOT_PATH_BUDGET


def test_checking_says_what_would_be_taken_and_takes_nothing(script: Any, project: Any) -> None:
    resource = make_resource()
    asked = booking(project) | {"resources": [{"kind": "gpu"}]}
    answer = script.post(f"{URL}check/", asked)
    assert answer.status_code == 200, answer.content
    assert answer.json()["would_book"] is True
    assert answer.json()["resources"] == [str(resource.pk)]
    assert not Lease.objects.exists()
    book_lease(resource)
    assert codes(script.post(f"{URL}check/", asked)) == (409, "cannot_book")


def test_what_happens_to_a_machine_of_the_holder_is_said_before_and_after(script: Any, project: Any) -> None:
    resource = make_resource(
        settings={
            "endpoint": "https://gpu1.uni-a.example:8443",
            "certificate_secret": "lxd.crt",
            "key_secret": "lxd.key",
            "server_certificate_secret": "lxd-server.crt",
            "image": "ubuntu-gpu",
            "own_instances": "virtual-machine",
        }
    )
    plain = booking(project, resource)
    own = booking(project) | {
        "resources": [{"resource": str(resource.pk), "parameters": {"instance": "figo-ada/vm1"}}]
    }
    assert script.post(f"{URL}check/", plain).json()["warnings"] == []

    (warning,) = script.post(f"{URL}check/", own).json()["warnings"]
    assert (warning["resource"], warning["resource_name"]) == (str(resource.pk), resource.name)
    assert "“figo-ada/vm1” is restarted twice" in warning["message"]

    booked = script.post(URL, own)
    assert booked.status_code == 201, booked.content
    (lease,) = booked.json()["leases"]
    assert lease["warnings"] == [warning["message"]]
    (read,) = script.get(f"{URL}{booked.json()['id']}/").json()["leases"]
    assert read["warnings"] == [warning["message"]]
    assert script.get(f"/api/v1/leases/{lease['id']}/").json()["warnings"] == [warning["message"]]
