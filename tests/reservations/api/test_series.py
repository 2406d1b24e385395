"""Series by the REST API."""

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from reservations.models import Lease, Reservation
from reservations.states import Status
from resources.models import Resource
from tests.callers import codes, script_of, stranger
from tests.factories import book_lease, make_project, make_resource, make_site, make_user, next_hour

pytestmark = pytest.mark.django_db

URL = "/api/v1/series/"
ROME = ZoneInfo("Europe/Rome")


@pytest.fixture
def script() -> Any:
    return script_of(make_user("ada", projects=[make_project("course")]))


@pytest.fixture
def card() -> Resource:
    return make_resource(make_site("roma", name="Roma"), name="L40S 1")


def first_day() -> date:
    return (next_hour().astimezone(ROME) + timedelta(days=3)).date()


def body(card: Resource, **fields: Any) -> dict[str, Any]:
    rule = {
        "every": "day",
        "first_on": first_day().isoformat(),
        "times": 3,
        "start": "14:00",
        "end": "16:00",
        "zone": "Europe/Rome",
    }
    rule |= fields.pop("rule", {})
    return {"project": "course", "resources": [{"resource": str(card.pk)}], "rule": rule} | fields


def take(card: Resource, day: date) -> Lease:
    return book_lease(card, starts_at=datetime(day.year, day.month, day.day, 15, tzinfo=ROME))


def test_preview_book_read_and_give_up(script: Any, card: Resource) -> None:
    plan = script.post(f"{URL}preview/", body(card), format="json")
    assert plan.status_code == 200, plan.content
    assert (plan.json()["free"], plan.json()["blocked"]) == (3, 0)
    assert plan.json()["occurrences"][0]["devices"] == [
        {"line": 0, "resource": str(card.pk), "resource_name": "Roma · L40S 1"}
    ]
    made = script.post(URL, body(card, purpose="Labs"), format="json")
    assert made.status_code == 201, made.content
    address = made["Location"]
    shown = script.get(address).json()
    assert [each["phase"] for each in shown["occurrences"]] == ["scheduled"] * 3
    assert shown["rule"]["until"] == (first_day() + timedelta(days=2)).isoformat()
    assert shown["rule"]["start"] == "14:00"
    assert shown["can"] == {"change": True, "cancel_rest": True}
    assert [each["purpose"] for each in script.get(URL).json()["results"]] == ["Labs"]
    reservation = script.get(f"/api/v1/reservations/{shown['occurrences'][0]['id']}/").json()
    assert reservation["series"] == shown["id"]
    shown = script.post(f"{address}cancel-rest/", {}, format="json").json()
    assert [each["phase"] for each in shown["occurrences"]] == ["cancelled"] * 3
    assert shown["can"]["cancel_rest"] is False


def test_a_clash_is_a_problem_that_shows_each_occurrence(script: Any, card: Resource) -> None:
    take(card, first_day())
    answer = script.post(URL, body(card), format="json")
    assert codes(answer) == (409, "series_clash")
    assert [each["outlook"] for each in answer.json()["occurrences"]] == ["conflict", "free", "free"]
    assert "is taken until" in answer.json()["occurrences"][0]["refusals"][0]["message"]
    skipped = body(card, exceptions=[{"on": first_day().isoformat(), "skip": True}])
    assert script.post(URL, skipped, format="json").status_code == 201
    assert Reservation.objects.filter(series__isnull=False).count() == 2


def test_the_same_key_books_a_series_once(script: Any, card: Resource) -> None:
    for _ in range(2):
        answer = script.post(URL, body(card), format="json", HTTP_IDEMPOTENCY_KEY="twice")
        assert answer.status_code == 201
    assert Reservation.objects.count() == 3


def test_a_series_is_extended_by_a_later_end(script: Any, card: Resource) -> None:
    address = script.post(URL, body(card), format="json")["Location"]
    longer = body(card, rule={"times": 5})
    plan = script.post(f"{address}preview-change/", longer, format="json").json()
    assert [each["outlook"] for each in plan["occurrences"]] == [*["kept"] * 3, "free", "free"]
    shown = script.post(f"{address}change/", longer, format="json")
    assert shown.status_code == 200, shown.content
    assert len(shown.json()["occurrences"]) == 5
    assert Lease.objects.filter(status=Status.CANCELLED).count() == 0


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ({"zone": "Nowhere"}, "zone"),
        ({"weekdays": [7]}, "rule.weekdays"),
        ({"times": 101}, "rule.times"),
        ({"end": "12:00"}, "end"),
        ({"interval": 0}, "rule.interval"),
        ({"first_on": "2026-02-30"}, "rule.first_on"),
    ],
)
def test_a_rule_that_makes_no_sense_says_where(script: Any, card: Resource, rule: Any, field: str) -> None:
    answer = script.post(f"{URL}preview/", body(card, rule=rule), format="json")
    assert codes(answer) == (400, "invalid")
    assert any(name.startswith(field) for name in answer.json()["errors"]), answer.json()


def test_strangers_and_other_projects_see_nothing(script: Any, card: Resource) -> None:
    address = script.post(URL, body(card), format="json")["Location"]
    assert stranger().get(address).status_code in (401, 403)
    other = script_of(make_user(projects=[make_project()]))
    assert codes(other.get(address)) == (404, "not_found")
    assert codes(other.post(f"{address}cancel-rest/", {}, format="json")) == (404, "not_found")
    assert codes(other.post(URL, body(card), format="json")) == (403, "not_allowed")
    assert other.get(URL).json()["results"] == []


def test_reading_a_series_takes_as_many_statements_for_three_as_for_thirty(script: Any, card: Resource) -> None:
    counts = []
    for times, start, end in ((3, "08:00", "09:00"), (30, "10:00", "11:00")):
        rule = {"times": times, "start": start, "end": end}
        address = script.post(URL, body(card, rule=rule), format="json")["Location"]
        with CaptureQueriesContext(connection) as caught:
            assert len(script.get(address).json()["occurrences"]) == times
        counts.append(len(caught))
    assert counts[0] == counts[1]
