"""Sites, resources and adapters by the REST API."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from adapters.catalogue import CATALOGUE
from tests.callers import codes, script_of
from tests.factories import make_resource, make_site, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def script() -> Any:
    return script_of(make_user())


def test_a_site_shows_its_policy_and_whether_it_is_heard(script: Any) -> None:
    make_site("roma", longest_lease=timedelta(days=2), most_hours=100, last_heard_at=datetime.now(UTC))
    make_site("pisa", by_operator=True)
    found = {each["slug"]: each for each in script.get("/api/v1/sites/").json()["results"]}
    assert found["roma"]["reachable"] is True
    assert found["roma"]["policy"] == {
        "longest_lease_s": 172800,
        "look_ahead_s": None,
        "most_open_reservations": None,
        "most_hours": 100,
    }
    assert (found["pisa"]["reachable"], found["pisa"]["approval"]) == (False, "operator")
    assert script.get("/api/v1/sites/roma/").json() == found["roma"]
    assert "public_key" not in found["roma"]


def test_a_resource_shows_its_place_and_never_how_it_is_reached(script: Any) -> None:
    whole = make_resource(settings={"endpoint": "https://inside.uni-a.example:8443"})
    part = make_resource(parent=whole)
    deeper = make_resource(parent=part)
    found = {each["id"]: each for each in script.get("/api/v1/resources/").json()["results"]}
    places = [
        (found[str(each.pk)]["depth"], found[str(each.pk)]["has_parts"]) for each in (whole, part, deeper)
    ]
    assert places == [(0, True), (1, True), (2, False)]
    assert found[str(part.pk)]["parent"] == str(whole.pk)
    assert found[str(whole.pk)]["model"] == "L40S"
    answer = script.get(f"/api/v1/resources/{whole.pk}/")
    assert answer.json() == found[str(whole.pk)] | {"last_proof": None}
    assert "inside.uni-a" not in answer.content.decode()


def test_resources_are_found_by_site_kind_model_parent_and_words(script: Any) -> None:
    roma, pisa = make_site("roma"), make_site("pisa")
    card = make_resource(roma, name="Big card")
    part = make_resource(parent=card, name="Slice 1")
    nic = make_resource(
        pisa, name="Card of pisa", kind="smart_nic", adapter="smart_nic_bluefield", attributes={}
    )

    def found(**query: str) -> set[str]:
        return {each["name"] for each in script.get("/api/v1/resources/", query).json()["results"]}

    assert found(site="roma") == {card.name, part.name}
    assert found(kind="smart_nic") == {nic.name}
    assert found(model="l40s") == {card.name, part.name}
    assert found(parent=str(card.pk)) == {part.name}
    assert found(search="CARD") == {card.name, nic.name}
    assert found(adapter="gpu_lxd", search="slice") == {part.name}
    assert codes(script.get("/api/v1/resources/", {"parent": "x"})) == (400, "invalid")
    assert codes(script.get("/api/v1/resources/", {"search": "\0"})) == (400, "invalid")


def test_a_resource_that_is_not_there_is_a_problem(script: Any) -> None:
    assert codes(script.get(f"/api/v1/resources/{uuid4()}/")) == (404, "not_found")


def test_every_adapter_says_what_can_be_chosen(script: Any) -> None:
    found = {each["name"]: each for each in script.get("/api/v1/adapters/").json()}
    assert set(found) == set(CATALOGUE)
    assert found["gpu_lxd"]["parameters_schema"]["type"] == "object"
    assert {slot["name"] for slot in found["p4_switch"]["artefacts"]} >= {"p4info", "device_config"}
