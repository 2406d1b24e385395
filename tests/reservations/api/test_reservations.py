"""Reading and changing reservations by the REST API, and who may."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from reservations.models import Lease
from reservations.selectors import visibility
from reservations.selectors.viewer import Viewer
from reservations.services.gate import move
from reservations.states import Status
from tests.callers import codes, script_of, stranger
from tests.factories import (
    access_text,
    book_lease,
    make_artefact,
    make_project,
    make_reservation,
    make_resource,
    make_site,
    make_superuser,
    make_user,
    next_hour,
)

pytestmark = pytest.mark.django_db

URL = "/api/v1/reservations/"
WHO = ["outsider", "member", "holder", "leader", "operator", "other_operator", "superuser"]
SEES = {"member", "holder", "leader", "operator", "superuser"}
CHANGES = {"holder", "leader", "superuser"}
ENDS = CHANGES | {"operator"}
ENTERS = {"member", "holder", "leader"}


@pytest.fixture
def scene() -> Any:
    """A reservation with everybody who could want something of it."""
    project = make_project()
    site = make_site(by_operator=True)
    people = {
        "outsider": make_user(projects=[make_project()]),
        "member": make_user(projects=[project]),
        "holder": make_user(projects=[project]),
        "leader": make_user(leads=[project]),
        "operator": make_user(operates=[site]),
        "other_operator": make_user(operates=[make_site()]),
        "superuser": make_superuser(),
    }
    resource = make_resource(site)
    return SimpleNamespace(project=project, site=site, people=people, resource=resource)


def lease_in(scene: Any, status: Status, **fields: Any) -> Lease:
    return book_lease(
        scene.resource,
        holder=scene.people["holder"],
        project=scene.project,
        status=status,
        purpose="Secret plan",
        **fields,
    )


def now() -> datetime:
    return datetime.now(UTC)


@pytest.mark.parametrize("who", WHO)
def test_who_sees_a_reservation_and_its_way_in(scene: Any, who: str) -> None:
    lease = lease_in(scene, Status.ACTIVE, starts_at=now() - timedelta(minutes=10))
    answer = script_of(scene.people[who]).get(f"{URL}{lease.reservation_id}/")
    if who not in SEES:
        assert codes(answer) == (404, "not_found")
        nothing = script_of(scene.people[who]).get(f"{URL}{uuid4()}/")
        assert nothing.json() == answer.json()
        return
    (shown,) = answer.json()["leases"]
    assert (shown["access"] is not None) == (who in ENTERS)
    assert ("opens-sesame" in answer.content.decode()) == (who in ENTERS)
    can = answer.json()["can"]
    assert can["extend"] == can["shorten"] == (who in CHANGES)
    assert can["cancel"] == can["end"] == (who in ENDS)
    assert can["move"] is False


@pytest.mark.parametrize("who", WHO)
def test_a_viewer_may_what_the_rules_say(scene: Any, who: str) -> None:
    reservation = lease_in(scene, Status.SCHEDULED).reservation
    user = scene.people[who]
    viewer = Viewer(user)
    assert viewer.may_change(reservation) == visibility.may_change(user, reservation) == (who in CHANGES)
    assert viewer.may_end(reservation) == visibility.may_end(user, reservation) == (who in ENDS)
    assert viewer.may_enter(reservation) == visibility.may_enter(user, reservation) == (who in ENTERS)
    assert viewer.may_operate(scene.site.pk) == visibility.may_operate(user, scene.site)


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("verb", ["extend", "shorten", "move", "cancel"])
def test_who_changes_a_reservation(scene: Any, who: str, verb: str) -> None:
    lease = lease_in(scene, Status.SCHEDULED, hours=2)
    body = {
        "extend": {"ends_at": lease.ends_at + timedelta(hours=1)},
        "shorten": {"ends_at": lease.ends_at - timedelta(hours=1)},
        "move": {
            "starts_at": lease.starts_at + timedelta(days=1),
            "ends_at": lease.ends_at + timedelta(days=1),
        },
        "cancel": {},
    }[verb]
    answer = script_of(scene.people[who]).post(f"{URL}{lease.reservation_id}/{verb}/", body)
    if who not in SEES:
        assert codes(answer) == (404, "not_found")
    elif who in CHANGES or (verb == "cancel" and who in ENDS):
        assert answer.status_code == 200, answer.content
        assert answer.json()["phase"] == ("cancelled" if verb == "cancel" else "scheduled")
        if "ends_at" in body:
            assert datetime.fromisoformat(answer.json()["ends_at"]) == body["ends_at"]
    else:
        assert codes(answer) == (403, "not_allowed")


def test_ending_now_closes_the_lease_and_a_second_time_is_refused(scene: Any) -> None:
    lease = lease_in(scene, Status.ACTIVE, starts_at=now() - timedelta(minutes=10))
    script = script_of(scene.people["holder"])
    answer = script.post(f"{URL}{lease.reservation_id}/end/")
    assert answer.json()["phase"] == "cleaning"
    assert answer.json()["leases"][0]["access"] is None
    assert answer.json()["can"] == dict.fromkeys(["cancel", "extend", "shorten", "move", "end"], False)
    waiting = lease_in(scene, Status.SCHEDULED, starts_at=next_hour(after_h=5))
    assert codes(script.post(f"{URL}{waiting.reservation_id}/end/")) == (409, "illegal_move")


def test_extending_into_the_next_booking_is_refused_with_its_reason(scene: Any) -> None:
    lease = lease_in(scene, Status.SCHEDULED)
    book_lease(scene.resource, starts_at=lease.ends_at + timedelta(hours=1))
    script = script_of(scene.people["holder"])
    latest = script.get(f"{URL}{lease.reservation_id}/").json()["latest_end"]
    assert lease.ends_at < datetime.fromisoformat(latest) < lease.ends_at + timedelta(hours=1)
    answer = script.post(
        f"{URL}{lease.reservation_id}/extend/", {"ends_at": lease.ends_at + timedelta(hours=2)}
    )
    assert codes(answer) == (409, "cannot_book")
    assert answer.json()["refusals"][0]["reason"] == "taken"
    assert script.post(f"{URL}{lease.reservation_id}/extend/", {"ends_at": latest}).status_code == 200


@pytest.mark.parametrize("body", [{}, {"ends_at": "2030-01-01T10:00:00"}, {"ends_at": "x"}, [], "x"])
def test_an_end_that_is_none_is_refused(scene: Any, body: Any) -> None:
    lease = lease_in(scene, Status.SCHEDULED)
    answer = script_of(scene.people["holder"]).post(f"{URL}{lease.reservation_id}/extend/", body)
    assert codes(answer) == (400, "invalid")


def test_access_shows_once_it_is_open_and_not_when_the_device_is_merely_ready(scene: Any) -> None:
    lease = lease_in(scene, Status.PROVISIONING)
    Lease.objects.filter(pk=lease.pk).update(access=access_text(), prepared_at=now())
    script = script_of(scene.people["holder"])
    url = f"{URL}{lease.reservation_id}/"
    assert script.get(url).json()["leases"][0]["access"] is None
    move(
        lease_id=lease.pk,
        source=Status.PROVISIONING,
        to=Status.ACTIVE,
        now=lease.starts_at,
        next_action_at=lease.ends_at,
    )
    access = script.get(url).json()["leases"][0]["access"]
    assert datetime.fromisoformat(access["opens_at"]) == lease.starts_at
    assert access["endpoints"][0]["protocol"] == "ssh"


def test_the_list_has_what_one_may_see_by_phase_and_by_ownership(scene: Any) -> None:
    holder = scene.people["holder"]
    active = lease_in(scene, Status.ACTIVE, starts_at=now() - timedelta(minutes=10))
    later = lease_in(scene, Status.SCHEDULED, starts_at=next_hour(after_h=9))
    foreign = book_lease()
    here = book_lease(scene.resource, starts_at=next_hour(after_h=30))

    def listed(who: Any, query: str = "") -> set[str]:
        answer = script_of(who).get(f"{URL}?{query}")
        assert answer.status_code == 200, answer.content
        assert "opens-sesame" not in answer.content.decode()
        return {each["id"] for each in answer.json()["results"]}

    def ids(*leases: Lease) -> set[str]:
        return {str(lease.reservation_id) for lease in leases}

    assert listed(holder) == ids(active, later)
    assert listed(holder, "phase=active") == ids(active)
    assert listed(scene.people["operator"]) == ids(active, later, here)
    assert listed(scene.people["operator"], "mine=1") == set()
    assert listed(scene.people["superuser"]) == ids(active, later, foreign, here)
    assert listed(scene.people["outsider"]) == set()
    assert codes(script_of(holder).get(f"{URL}?phase=nonsense")) == (400, "invalid")
    assert codes(stranger().get(URL)) == (401, "not_authenticated")


def test_a_list_asks_the_database_as_often_for_twenty_as_for_one(scene: Any) -> None:
    holder = scene.people["holder"]
    script = script_of(holder)

    def statements(url: str) -> int:
        with CaptureQueriesContext(connection) as asked:
            assert script.get(url).status_code == 200
        return len(asked)

    urls = [URL, "/api/v1/leases/", "/api/v1/artefacts/", "/api/v1/resources/", "/api/v1/maintenance/"]
    lease_in(scene, Status.SCHEDULED)
    make_artefact(scene.project, uploaded_by=holder)
    few = [statements(url) for url in urls]
    for number in range(20):
        resource = make_resource()
        make_reservation(
            [resource, make_resource(parent=resource)][:1],
            holder=holder,
            project=scene.project,
            starts_at=next_hour(after_h=number),
        )
        make_artefact(scene.project, uploaded_by=holder)
    assert [statements(url) for url in urls] == few


def test_one_reservation_costs_the_same_with_ten_leases_as_with_one(scene: Any) -> None:
    holder = scene.people["holder"]
    script = script_of(holder)
    small = make_reservation([make_resource()], holder=holder, project=scene.project)
    large = make_reservation([make_resource() for _ in range(10)], holder=holder, project=scene.project)
    counts = []
    for reservation in (small, large):
        with CaptureQueriesContext(connection) as asked:
            script.get(f"{URL}{reservation.pk}/")
        counts.append(len(asked))
    assert counts[0] == counts[1] <= 8


def test_pages_of_a_list_follow_one_another(scene: Any) -> None:
    holder = scene.people["holder"]
    for number in range(5):
        lease_in(scene, Status.SCHEDULED, starts_at=next_hour(after_h=2 * number + 1))
    script = script_of(holder)
    seen, url, pages = [], f"{URL}?limit=2", 0
    while url:
        page = script.get(url).json()
        seen += [each["starts_at"] for each in page["results"]]
        url, pages = page["next"], pages + 1
    assert pages == 3
    assert len(seen) == 5
    assert seen == sorted(seen, reverse=True)


@pytest.mark.parametrize("cursor", ["x", "cD1nYXJiYWdl", "cD0lMDA=", "bz0tMQ=="])
def test_a_made_up_cursor_is_refused(scene: Any, cursor: str) -> None:
    lease_in(scene, Status.SCHEDULED)
    answer = script_of(scene.people["holder"]).get(URL, {"cursor": cursor})
    assert answer.status_code in (200, 404)
