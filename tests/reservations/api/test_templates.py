"""Templates and hand-overs by the REST API."""

from typing import Any

import pytest

from accounts.models import Project, User
from reservations.models import Lease, Reservation, Template
from resources.models import Resource
from tests.callers import codes, script_of
from tests.factories import book_lease, make_project, make_resource, make_site, make_user, next_hour

pytestmark = pytest.mark.django_db

URL = "/api/v1/templates/"


@pytest.fixture
def project() -> Project:
    return make_project("course")


@pytest.fixture
def ada(project: Project) -> User:
    return make_user("ada", projects=[project])


@pytest.fixture
def script(ada: User) -> Any:
    return script_of(ada)


@pytest.fixture
def card() -> Resource:
    return make_resource(make_site("roma", name="Roma"), name="L40S 1")


def usual(card: Resource, **fields: Any) -> dict[str, Any]:
    lines = [
        {"resource": str(card.pk), "parameters": {"size": 2}},
        {"kind": "gpu", "count": 2, "attributes": {"memory_gib_min": 40}, "same_site_as": 1},
    ]
    lines[1]["same_site_as"] = 0
    return {
        "project": "course",
        "name": "My usual experiment",
        "duration_s": 7200,
        "purpose": "Labs",
        "resources": lines,
        "links": [[0, 1]],
    } | fields


def test_a_template_comes_back_as_it_was_kept(script: Any, card: Resource) -> None:
    made = script.post(URL, usual(card), format="json")
    assert made.status_code == 201, made.content
    shown = script.get(f"{URL}{made.json()['id']}/").json()
    assert shown["resources"] == usual(card)["resources"]
    assert (shown["links"], shown["duration_s"], shown["purpose"]) == ([[0, 1]], 7200, "Labs")
    assert shown["names"] == {str(card.pk): "Roma · L40S 1"}
    assert codes(script.post(URL, usual(card), format="json")) == (400, "invalid")
    assert Template.objects.count() == 1


def test_a_private_template_is_ones_own_and_a_shared_one_the_projects(
    script: Any, project: Project, card: Resource
) -> None:
    key = script.post(URL, usual(card), format="json").json()["id"]
    colleague = script_of(make_user(projects=[project]))
    leader = script_of(make_user(leads=[project]))
    stranger = script_of(make_user(projects=[make_project()]))
    assert colleague.get(URL).json()["results"] == []
    assert codes(leader.delete(f"{URL}{key}/")) == (404, "not_found")
    shared = script.patch(f"{URL}{key}/", {"shared": True, "name": "Ours"}, format="json")
    assert (shared.status_code, shared.json()["name"]) == (200, "Ours")
    assert [each["can_edit"] for each in colleague.get(URL).json()["results"]] == [False]
    assert stranger.get(URL).json()["results"] == []
    assert codes(colleague.patch(f"{URL}{key}/", {"name": "Mine"}, format="json")) == (403, "not_allowed")
    assert leader.delete(f"{URL}{key}/").status_code == 204
    assert not Template.objects.exists()


def test_a_reservation_is_booked_again_with_what_it_asked_for(
    script: Any, ada: User, project: Project, card: Resource
) -> None:
    other = make_resource(card.site, name="L40S 2")
    start = next_hour(after_h=5)
    body = {
        "project": "course",
        "purpose": "First",
        "starts_at": start.isoformat(),
        "ends_at": start.replace(minute=30).isoformat(),
        "resources": [{"resource": str(other.pk)}, {"kind": "gpu", "attributes": {"memory_gib_min": 40}}],
    }
    made = script.post("/api/v1/reservations/", body, format="json")
    assert made.status_code == 201, made.content
    key = made.json()["id"]
    like = script.get(f"{URL}like/", {"reservation": key}).json()
    assert like["id"] is None
    assert like["duration_s"] == 1800
    assert sorted(like["resources"], key=str) == sorted(body["resources"], key=str)
    kept = script.post(f"{URL}from-reservation/", {"reservation": key, "name": "Again"}, format="json")
    assert kept.status_code == 201, kept.content
    again = {"project": like["project"], "purpose": like["purpose"], "resources": like["resources"]}
    later = next_hour(after_h=30)
    window = {"starts_at": later.isoformat(), "ends_at": later.replace(minute=30).isoformat()}
    assert script.post("/api/v1/reservations/", again | window, format="json").status_code == 201
    assert Lease.objects.count() == 4
    stranger = script_of(make_user(projects=[make_project()]))
    assert codes(stranger.get(f"{URL}like/", {"reservation": key})) == (404, "not_found")


def test_a_hand_over_from_offer_to_holder(script: Any, ada: User, project: Project, card: Resource) -> None:
    grace = make_user("grace", projects=[project])
    lease = book_lease(card, holder=ada, project=project, purpose="Labs")
    asked = {"reservation": str(lease.reservation_id)}
    choices = script.get("/api/v1/handovers/choices/", asked).json()
    assert choices["colleagues"] == [{"username": "grace", "name": str(grace)}]
    assert (choices["may_give"], choices["may_assign"], choices["waiting"]) == (True, False, None)
    made = script.post("/api/v1/handovers/", asked | {"to": "grace"}, format="json")
    assert made.status_code == 201, made.content
    receiver = script_of(grace)
    (waiting,) = receiver.get("/api/v1/handovers/").json()["results"]
    assert (waiting["purpose"], waiting["giver"]) == ("Labs", "ada")
    address = f"/api/v1/handovers/{waiting['id']}/accept/"
    assert codes(script.post(address, {}, format="json")) == (404, "not_found")
    assert receiver.post(address, {}, format="json").json()["outcome"] == "accepted"
    assert Reservation.objects.get().holder == grace
    assert codes(receiver.post(address, {}, format="json")) == (409, "illegal_move")
    assert codes(script.post("/api/v1/handovers/", asked | {"to": "nobody"}, format="json")) == (
        403,
        "not_allowed",
    )
