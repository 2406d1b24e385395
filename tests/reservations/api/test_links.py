"""How devices are wired, as programs see it."""

from datetime import timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from resources.models import Cable, Resource, Site
from tests.callers import codes, script_of, stranger
from tests.factories import make_project, make_resource, make_site, make_user, next_hour

pytestmark = pytest.mark.django_db


@pytest.fixture
def user() -> User:
    return make_user(projects=[make_project("quantum")])


@pytest.fixture
def site() -> Site:
    return make_site("torino", name="Torino", vlan_pool="204")


@pytest.fixture
def devices(site: Site) -> list[Resource]:
    one, other, third = (
        make_resource(site, name=name, kind="smart_nic", adapter="smart_nic_bluefield")
        for name in ("Card 1", "Card 2", "Card 3")
    )
    Cable.objects.create(a=one, a_port="p0", b=other, b_port="p1", speed_gbps=100, a_sets_vlan=True)
    return [one, other, third]


def booking(devices: list[Resource], **wish: Any) -> dict[str, Any]:
    return {
        "project": "quantum",
        "starts_at": next_hour().isoformat(),
        "ends_at": (next_hour() + timedelta(hours=1)).isoformat(),
        "resources": [{"resource": str(device.pk)} for device in devices],
        **wish,
    }


@pytest.mark.parametrize("wish", [{"connected": True}, {"links": [[0, 1]]}])
def test_a_booking_shows_its_links_with_ports_speed_and_vlan(
    user: User, devices: list[Resource], wish: Any
) -> None:
    client = script_of(user)
    made = client.post("/api/v1/reservations/", booking(devices[:2], **wish), format="json")
    assert made.status_code == 201, made.content
    (link,) = made.json()["links"]
    assert [(end["resource_name"], end["port"]) for end in link["ends"]] == [("Card 1", "p0"), ("Card 2", "p1")]
    assert (link["speed_gbps"], link["vlan"]) == (100, 204)
    assert client.get(f"/api/v1/reservations/{made.json()['id']}/").json()["links"] == [link]


def test_a_refusal_says_which_pair_cannot_talk(user: User, devices: list[Resource]) -> None:
    client = script_of(user)
    answer = client.post("/api/v1/reservations/", booking(devices, connected=True), format="json")
    assert codes(answer) == (409, "cannot_book")
    assert {each["reason"] for each in answer.json()["refusals"]} == {"unconnected"}
    assert "Card 1 and Card 3 are not joined" in answer.json()["detail"]
    loose = client.post("/api/v1/reservations/check/", booking(devices), format="json")
    assert loose.json()["would_book"]


@pytest.mark.parametrize("links", [[[0]], [[0, 9]], [["a", 1]], "0-1", [[-1, 0]]])
def test_links_that_make_no_sense_are_refused(user: User, devices: list[Resource], links: Any) -> None:
    answer = script_of(user).post("/api/v1/reservations/", booking(devices, links=links), format="json")
    assert codes(answer) == (400, "invalid")
    assert any(key.startswith("links") for key in answer.json()["errors"])


def test_find_slot_looks_for_devices_that_can_talk(user: User, devices: list[Resource]) -> None:
    asked = {"resources": [{"kind": "smart_nic", "count": 2}], "duration_s": 3600, "connected": True}
    found = script_of(user).post("/api/v1/find-slot/", asked, format="json").json()
    assert set(found["slots"][0]["resources"]) == {str(device.pk) for device in devices[:2]}
    none = script_of(user).post(
        "/api/v1/find-slot/", asked | {"resources": [{"kind": "smart_nic", "count": 3}]}, format="json"
    )
    assert none.json()["never"]


def test_every_member_sees_a_sites_topology_and_strangers_do_not(site: Site, devices: list[Resource]) -> None:
    far = make_resource(make_site("osaka"), name="Far")
    Cable.objects.create(a=far, a_port="1", b=devices[2], b_port="p0", between_sites=True)
    address = "/api/v1/sites/torino/topology/"
    assert stranger().get(address).status_code == 401
    shown = script_of(make_user()).get(address).json()
    assert [(each["name"], each["site"]) for each in shown["devices"]] == [
        ("Card 1", "torino"),
        ("Card 2", "torino"),
        ("Card 3", "torino"),
        ("Far", "osaka"),
    ]
    assert [link["between_sites"] for link in shown["links"]] == [False, True]
    assert "settings" not in str(shown)
    assert script_of(make_user()).get("/api/v1/sites/nowhere/topology/").status_code == 404


def test_a_topology_cannot_be_written_by_the_api(user: User, site: Site) -> None:
    client: APIClient = script_of(user)
    assert client.post("/api/v1/sites/torino/topology/", {}, format="json").status_code == 405
