"""What is free, and when, by the REST API."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.callers import codes, script_of
from tests.factories import book_lease, make_resource, make_site, make_user, next_hour

pytestmark = pytest.mark.django_db


@pytest.fixture
def script() -> Any:
    return script_of(make_user())


def free(script: Any, **query: Any) -> Any:
    window = {"kind": "gpu", "from": next_hour().isoformat(), "to": next_hour(after_h=2).isoformat()}
    return script.get("/api/v1/free/", window | query)


def test_free_is_what_nobody_has_and_what_can_be_made_ready_in_time(script: Any) -> None:
    taken, idle = make_resource(), make_resource()
    book_lease(taken, starts_at=next_hour(after_h=2))
    answer = free(script)
    assert [each["id"] for each in answer.json()] == [str(idle.pk)]
    assert "settings" not in answer.json()[0]
    earlier = (next_hour(after_h=2) - timedelta(minutes=2)).isoformat()
    assert len(free(script, to=earlier).json()) == 2
    assert free(script, site="elsewhere").json() == []


@pytest.mark.parametrize(
    "query", [{"kind": ""}, {"to": "x"}, {"from": "2030-01-01T00:00:00"}, {"to": "2001-01-01T00:00:00Z"}]
)
def test_questions_that_make_no_sense_are_refused(script: Any, query: dict[str, str]) -> None:
    assert codes(free(script, **query)) == (400, "invalid")


def test_asking_what_is_free_costs_three_statements_however_many_are(script: Any) -> None:
    for many in (1, 20):
        site = make_site()
        for _ in range(many):
            make_resource(site)
        with CaptureQueriesContext(connection) as asked:
            assert len(free(script, site=site.slug).json()) == many
        assert len(asked) <= 3


def find(script: Any, *lines: Any, **fields: Any) -> Any:
    return script.post("/api/v1/find-slot/", {"resources": list(lines), "duration_s": 3600} | fields)


def test_the_first_slot_comes_after_what_is_booked(script: Any) -> None:
    resource = make_resource()
    lease = book_lease(resource, starts_at=next_hour(after_h=0), hours=4)
    answer = find(script, {"resource": str(resource.pk)}, earliest=lease.starts_at.isoformat(), limit=1)
    assert answer.status_code == 200, answer.content
    (slot,) = answer.json()["slots"]
    assert slot["resources"] == [str(resource.pk)]
    starts_at = datetime.fromisoformat(slot["starts_at"])
    assert lease.ends_at + timedelta(seconds=120) <= starts_at <= lease.ends_at + timedelta(minutes=15)
    assert datetime.fromisoformat(slot["ends_at"]) - starts_at == timedelta(hours=1)


def test_what_can_never_be_had_says_so(script: Any) -> None:
    make_resource()
    answer = find(script, {"kind": "gpu", "count": 2}).json()
    assert answer["slots"] == []
    assert answer["never"] is True
    assert answer["refusals"][0]["reason"] == "not_enough"


@pytest.mark.parametrize(
    "fields",
    [
        {"duration_s": 0},
        {"duration_s": 10**12},
        {"duration_s": "x"},
        {"earliest": "2030-01-01T00:00:00"},
        {"latest": "2001-01-01T00:00:00Z"},
        {"latest": "2190-01-01T00:00:00Z"},
        {"limit": 21},
        {"resources": []},
    ],
)
def test_searches_that_make_no_sense_are_refused(script: Any, fields: dict[str, Any]) -> None:
    assert codes(find(script, {"kind": "gpu"}, **fields)) == (400, "invalid")
