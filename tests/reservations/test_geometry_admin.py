"""The desk for MIG slices: what a card is now, what it can become, and plans that can be taken back."""

from dataclasses import replace

import pytest
from django.test import Client
from django.urls import reverse

from adapters.catalogue import CATALOGUE
from reservations.models import GeometryChange
from resources.models import Resource
from tests.factories import book_lease, make_resource, make_site, make_user, next_hour

pytestmark = pytest.mark.django_db

ADD = "/admin/reservations/geometrychange/add/"
LIST = "/admin/reservations/geometrychange/"


@pytest.fixture(autouse=True)
def reshaping_adapter(monkeypatch):
    monkeypatch.setitem(CATALOGUE, "gpu_lxd", replace(CATALOGUE["gpu_lxd"], can_reshape=True))


@pytest.fixture
def card() -> Resource:
    return make_resource(
        make_site("roma", name="Roma"), name="H100 1", attributes={"model": "NVIDIA H100 80GB HBM3"}
    )


@pytest.fixture
def desk(card: Resource) -> Client:
    client = Client()
    client.force_login(make_user("operator", operates=[card.site]))
    return client


def asked(card: Resource, slices: str = "3g.40gb, 3g.40gb", day: str = "", hour: str = "") -> dict[str, str]:
    return {"resource": str(card.pk), "geometry": slices, "starts_at_0": day, "starts_at_1": hour}


def test_the_form_says_what_the_card_is_and_can_become(desk, card):
    part = make_resource(
        parent=card,
        name="H100 1 7g",
        kind="gpu_slice",
        attributes={"model": "NVIDIA H100 80GB HBM3 MIG 7g.80gb"},
    )
    lease = book_lease(part, starts_at=next_hour(after_h=3))
    page = desk.get(ADD, {"resource": str(card.pk)}).content.decode()
    assert "7g.80gb" in page
    assert "1g.10gb (at most 7)" in page
    assert str(lease.reservation.project) in page


def test_saving_plans_the_cut_and_its_page_cancels_it(desk, card):
    assert desk.post(ADD, asked(card)).status_code == 302
    change = GeometryChange.objects.get()
    assert (change.geometry, change.state) == (["3g.40gb", "3g.40gb"], "planned")
    assert change.requested_by.username == "operator"
    page = desk.get(f"{LIST}{change.pk}/change/").content.decode()
    assert "Cancel the plan" in page
    desk.post(reverse("admin:reservations_geometrychange_cancel", args=[change.pk]), {"confirmed": "yes"})
    change.refresh_from_db()
    assert change.state == "cancelled"
    assert "Cancelled" in desk.get(LIST).content.decode()


def test_a_refusal_stands_beside_its_field_and_plans_nothing(desk, card):
    page = desk.post(ADD, asked(card, "9g.90gb")).content.decode()
    assert "has no slice" in page
    lease = book_lease(card, starts_at=next_hour(after_h=3))
    at = lease.starts_at
    page = desk.post(ADD, asked(card, day=f"{at:%Y-%m-%d}", hour=f"{at:%H:%M}")).content.decode()
    assert "In the way" in page
    assert not GeometryChange.objects.exists()


def test_operators_of_other_sites_see_and_plan_nothing(card):
    stranger = Client()
    stranger.force_login(make_user(operates=[make_site("torino")]))
    assert "H100" not in stranger.get(ADD, {"resource": str(card.pk)}).content.decode()
    page = stranger.post(ADD, asked(card))
    assert page.status_code == 200
    assert not GeometryChange.objects.exists()


def test_an_odd_address_is_only_an_empty_form(desk):
    assert desk.get(ADD, {"resource": "no-id"}).status_code == 200


def test_a_cards_page_leads_to_the_form_and_a_switches_does_not(desk, card):
    switch = make_resource(card.site, name="Tofino", kind="p4_switch", adapter="p4_switch", attributes={})
    pages = [
        desk.get(f"/admin/resources/resource/{each.pk}/change/").content.decode() for each in (card, switch)
    ]
    assert ["Cut into slices" in page for page in pages] == [True, False]
    way = desk.get(f"/admin/resources/resource/{card.pk}/cut-into-slices/")
    assert way.url == f"{ADD}?resource={card.pk}"
