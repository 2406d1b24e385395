"""The board by the REST API."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from reservations.states import Status
from resources.models import MaintenanceWindow
from tests.callers import codes, script_of, stranger
from tests.factories import (
    book_lease,
    make_project,
    make_reservation,
    make_resource,
    make_site,
    make_superuser,
    make_user,
    next_hour,
)

pytestmark = pytest.mark.django_db

URL = "/api/v1/calendar/"


def section(client: Any, **query: Any) -> Any:
    start = next_hour() - timedelta(days=1)
    asked = {"from": start.isoformat(), "to": (start + timedelta(days=3)).isoformat()} | query
    answer = client.get(URL, asked)
    assert answer.status_code == 200, answer.content
    return answer.json()


@pytest.fixture
def script() -> Any:
    return script_of(make_user())


def test_rows_come_by_site_with_parts_under_their_whole_and_numbers_in_order(script: Any) -> None:
    beta, alpha = make_site("beta"), make_site("alpha")
    ten = make_resource(alpha, name="Card 10")
    two = make_resource(alpha, name="Card 2")
    slice_b = make_resource(parent=two, name="MIG 1")
    other = make_resource(beta, name="Card 1")
    found = section(script)
    assert [row["id"] for row in found["rows"]] == [str(each.pk) for each in (two, slice_b, ten, other)]
    assert [row["depth"] for row in found["rows"]] == [0, 1, 0, 0]
    assert found["rows"][1]["parent"] == str(two.pk)
    assert found["rows"][0]["site"] == "alpha"
    assert found["total"] == 4
    assert found["entries"] == []


def test_rows_of_a_site_come_by_the_kind_of_the_whole_device(script: Any) -> None:
    site, twin = make_site("alpha", name="Same"), make_site("beta", name="Same")
    switch = {"kind": "p4_switch", "adapter": "p4_switch", "attributes": {}}
    a_switch = make_resource(site, name="A first by name", **switch)
    host = make_resource(site, name="Host", kind="gpu_host")
    card = make_resource(parent=host, name="Card", kind="gpu")
    b_switch = make_resource(site, name="B second by name", **switch)
    lone = make_resource(site, name="Z last by name", kind="gpu")
    other = make_resource(twin, name="Card")
    found = section(script)["rows"]
    wanted = [lone, host, card, a_switch, b_switch, other]
    assert [row["id"] for row in found] == [str(each.pk) for each in wanted]
    assert [row["root_kind"] for row in found] == ["gpu", "gpu_host", "gpu_host", *["p4_switch"] * 2, "gpu"]
    pages = [section(script, offset=at, limit=2)["rows"] for at in (0, 2, 4)]
    assert [row for page in pages for row in page] == found


def test_rows_can_be_filtered_searched_and_paged(script: Any) -> None:
    site = make_site("gamma")
    card = make_resource(site, name="L40S 1")
    nic = make_resource(site, name="100%_free", kind="smart_nic", adapter="smart_nic_bluefield", attributes={})
    make_resource(make_site("delta"), name="A2 1", attributes={"model": "A2"})

    def names(**query: Any) -> list[str]:
        return [row["name"] for row in section(script, **query)["rows"]]

    assert names(site="gamma") == ["L40S 1", "100%_free"]
    assert names(kind="smart_nic") == [nic.name]
    assert names(search="l40s") == [card.name]
    assert names(search="%_") == [nic.name]
    assert names(search="a2") == ["A2 1"]
    assert names(search="' OR true --") == []
    page = section(script, offset=1, limit=1)
    assert (page["total"], [row["name"] for row in page["rows"]]) == (3, ["L40S 1"])


def groups_of(found: Any) -> list[tuple[str, str, str, int, int]]:
    return [
        (each["site"], each["kind"], each["model"], each["first"], each["rows"]) for each in found["groups"]
    ]


def test_groups_say_where_their_rows_stand_by_site_kind_or_model(script: Any) -> None:
    beta, alpha = make_site("beta"), make_site("alpha")
    make_resource(alpha, name="L4 1", attributes={"model": "L4"})
    whole = make_resource(beta, name="A2 1", attributes={"model": "A2"})
    make_resource(parent=whole, kind="gpu_slice", attributes={"model": "A2 half"})
    make_resource(beta, name="Switch", kind="p4_switch", adapter="p4_switch", attributes={"model": "T2"})
    by_site, by_kind = section(script), section(script, group="kind")
    by_model = section(script, group="model")
    assert groups_of(by_site) == [
        ("alpha", "gpu", "", 0, 1),
        ("beta", "gpu", "", 1, 2),
        ("beta", "p4_switch", "", 3, 1),
    ]
    assert groups_of(by_kind) == groups_of(by_site)
    assert groups_of(by_model) == [
        ("beta", "gpu", "A2", 0, 2),
        ("alpha", "gpu", "L4", 2, 1),
        ("beta", "p4_switch", "T2", 3, 1),
    ]
    assert [group["devices"] for group in by_model["groups"]] == [1, 1, 1]
    assert by_model["rows"][0]["name"] == "A2 1"
    for found in (by_site, by_model):
        assert [row["place"] for row in found["rows"]] == [0, 1, 2, 3]
    assert groups_of(section(script, model="L4")) == [("alpha", "gpu", "", 0, 1)]


def test_only_what_is_free_right_now(script: Any) -> None:
    taken, free = make_resource(), make_resource()
    make_resource(in_service=False)
    book_lease(taken, starts_at=datetime.now(UTC) - timedelta(hours=1), hours=3, status=Status.ACTIVE)
    book_lease(free, starts_at=next_hour(after_h=5))
    found = section(script, free="true")
    assert [row["id"] for row in found["rows"]] == [str(free.pk)]
    assert (found["total"], len(found["entries"])) == (1, 1)


def test_how_many_are_free_over_time(script: Any) -> None:
    site, start = make_site("alpha"), next_hour()
    first, second = make_resource(site), make_resource(site)
    make_resource(site, in_service=False)
    part = make_resource(parent=second)
    book_lease(first, starts_at=start + timedelta(hours=1), hours=1)
    book_lease(part, starts_at=start + timedelta(hours=2, minutes=30), hours=1)
    asked = {"from": start.isoformat(), "to": (start + timedelta(hours=6)).isoformat(), "step_s": "3600"}
    (group,) = script.get(f"{URL}free/", asked).json()["groups"]
    assert (group["site"], group["kind"], group["usable"]) == ("alpha", "gpu", 2)
    # The minute before and after for preparation and clean-up takes the neighbouring hours along.
    assert group["free"] == [1, 1, 0, 1, 2, 2]
    assert codes(
        script.get(f"{URL}free/", asked | {"step_s": "300", "to": (start + timedelta(days=9)).isoformat()})
    ) == (
        400,
        "invalid",
    )


def test_a_long_answer_comes_packed_to_whoever_can_unpack(script: Any) -> None:
    make_reservation([make_resource() for _ in range(20)])
    start = next_hour()
    asked = {"from": start.isoformat(), "to": (start + timedelta(days=1)).isoformat()}
    plain = script.get(URL, asked)
    packed = script.get(URL, asked, headers={"Accept-Encoding": "gzip, br"})
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert len(packed.content) < len(plain.content) / 5
    assert json.loads(gzip.decompress(packed.content))["rows"] == plain.json()["rows"]


def test_an_entry_has_its_window_its_margins_and_its_state(script: Any) -> None:
    lease = book_lease()
    (entry,) = section(script)["entries"]
    assert entry["id"] == str(lease.pk)
    assert (entry["type"], entry["state"], entry["row"]) == ("lease", "scheduled", str(lease.resource_id))
    assert datetime.fromisoformat(entry["starts_at"]) == lease.starts_at
    assert datetime.fromisoformat(entry["occupied_from"]) == lease.starts_at - timedelta(seconds=60)
    assert datetime.fromisoformat(entry["occupied_to"]) == lease.ends_at + timedelta(seconds=60)
    assert entry["via"] is None


def test_what_is_taken_along_says_by_what(script: Any) -> None:
    whole = make_resource()
    part, other = make_resource(parent=whole), make_resource(parent=whole)
    book_lease(part)
    book_lease(whole, starts_at=next_hour(after_h=9))
    entries = {(entry["row"], entry["via"]) for entry in section(script)["entries"]}
    assert entries == {
        (str(part.pk), None),
        (str(whole.pk), str(part.pk)),
        (str(whole.pk), None),
        (str(part.pk), str(whole.pk)),
        (str(other.pk), str(whole.pk)),
    }


def test_what_is_over_is_still_seen_and_what_was_cancelled_is_not(script: Any) -> None:
    at = datetime.now(UTC) - timedelta(hours=5)
    over = book_lease(status=Status.RELEASED, starts_at=at)
    book_lease(status=Status.CANCELLED)
    (entry,) = section(script)["entries"]
    assert (entry["id"], entry["state"]) == (str(over.pk), "released")


def test_maintenance_is_seen_by_everybody_with_its_reason(script: Any) -> None:
    whole = make_resource()
    part = make_resource(parent=whole)
    window = MaintenanceWindow.objects.create(
        resource=whole, starts_at=next_hour(), ends_at=next_hour(after_h=2), reason="New fans"
    )
    entries = section(script)["entries"]
    assert {entry["row"] for entry in entries} == {str(whole.pk), str(part.pk)}
    assert {(each["id"], each["type"], each["state"], each["title"]) for each in entries} == {
        (str(window.pk), "maintenance", "maintenance", "New fans")
    }
    assert not any(each["mine"] or each["can_change"] or each["who"] for each in entries)


@pytest.mark.parametrize(
    ("who", "knows", "mine", "changes"),
    [
        ("outsider", False, False, False),
        ("member", True, True, False),
        ("holder", True, True, True),
        ("leader", True, True, True),
        ("operator", True, False, False),
        ("other_operator", False, False, False),
        ("superuser", True, False, True),
    ],
)
def test_who_learns_who_has_it(who: str, knows: bool, mine: bool, changes: bool) -> None:
    project, site = make_project(), make_site()
    people = {
        "outsider": make_user(projects=[make_project()]),
        "member": make_user(projects=[project]),
        "holder": make_user(projects=[project], first_name="Ada", last_name="Example"),
        "leader": make_user(leads=[project]),
        "operator": make_user(operates=[site]),
        "other_operator": make_user(operates=[make_site()]),
        "superuser": make_superuser(),
    }
    lease = book_lease(make_resource(site), project=project, holder=people["holder"])
    lease.reservation.purpose = "Secret plan"
    lease.reservation.save(update_fields=["purpose"])
    (entry,) = section(script_of(people[who]))["entries"]
    assert entry["who"] == ("Ada Example" if knows else "")
    assert entry["title"] == ("Secret plan" if knows else "")
    assert entry["reservation"] == (str(lease.reservation_id) if knows else None)
    assert (entry["mine"], entry["can_change"]) == (mine, changes)


def test_the_board_asks_three_times_at_most_however_many_rows(script: Any) -> None:
    counts = []
    for many in (1, 20):
        make_reservation([make_resource() for _ in range(many)])
        with CaptureQueriesContext(connection) as asked:
            section(script)
        counts.append(len(asked))
    assert counts[0] == counts[1] <= 3


@pytest.mark.parametrize(
    "query",
    [
        {"from": "2030-01-01T00:00:00"},
        {"from": "x"},
        {"to": "9999-12-31T00:00:00Z"},
        {"from": "2031-01-01T00:00:00Z", "to": "2030-01-01T00:00:00Z"},
        {"from": "2030-01-01T00:00:00Z", "to": "2032-01-01T00:00:00Z"},
        {"group": "owner"},
        {"limit": "501"},
        {"limit": "x"},
        {"offset": "-1"},
        {"offset": str(10**30)},
        {"search": "\0"},
    ],
)
def test_sections_that_make_no_sense_are_refused(script: Any, query: dict[str, str]) -> None:
    asked = {"from": "2030-01-01T00:00:00Z", "to": "2030-01-02T00:00:00Z"} | query
    assert codes(script.get(URL, asked)) == (400, "invalid")


def test_a_stranger_sees_nothing_and_no_window_is_no_section(script: Any) -> None:
    assert codes(stranger().get(URL)) == (401, "not_authenticated")
    assert codes(script.get(URL)) == (400, "invalid")
