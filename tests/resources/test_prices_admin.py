"""Prices at the desk: by operators for their own sites, and never for the past."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from resources.models import ModelSpeed, Price, Site
from tests.factories import make_site, make_superuser, make_user

pytestmark = pytest.mark.django_db

LIST = "/admin/resources/price/"


@pytest.fixture
def site() -> Site:
    return make_site("roma")


@pytest.fixture
def desk(client: Client, site: Site) -> Client:
    client.force_login(make_user(operates=[site]))
    return client


def filled(site: Site, **more: Any) -> dict[str, Any]:
    begins = timezone.now() + timedelta(days=1)
    return {
        "site": site.pk,
        "kind": "gpu",
        "model": "",
        "credits_per_hour": "1.50",
        "valid_from_0": begins.date().isoformat(),
        "valid_from_1": "12:00:00",
    } | more


def test_an_operator_sets_a_price_of_their_own_site_alone(desk: Client, site: Site) -> None:
    assert desk.post(f"{LIST}add/", filled(site)).status_code == 302
    price = Price.objects.get()
    assert (price.credits_per_hour, price.site) == (Decimal("1.50"), site)
    assert price.set_by is not None
    assert desk.post(f"{LIST}add/", filled(make_site("osaka"))).status_code == 200
    assert Price.objects.count() == 1


def test_no_price_reaches_into_the_past_and_one_that_counts_stays(desk: Client, site: Site) -> None:
    past = filled(site, valid_from_0="2020-01-01")
    answer = desk.post(f"{LIST}add/", past)
    assert "valid_from" in answer.context["adminform"].form.errors
    now = timezone.now()
    old = Price.objects.create(site=site, kind="gpu", credits_per_hour=Decimal(2), valid_from=now)
    coming = Price.objects.create(
        site=site, kind="gpu", credits_per_hour=Decimal(3), valid_from=now + timedelta(days=2)
    )
    assert desk.post(f"{LIST}{old.pk}/change/", filled(site)).status_code == 403
    assert desk.post(f"{LIST}{old.pk}/delete/", {"post": "yes"}).status_code == 403
    assert desk.post(f"{LIST}{coming.pk}/delete/", {"post": "yes"}).status_code == 302
    assert list(Price.objects.all()) == [old]


def test_speeds_are_for_managers(desk: Client) -> None:
    speed = {"kind": "gpu", "model": "L40S", "factor": "1", "source": "Data sheet"}
    assert desk.post("/admin/resources/modelspeed/add/", speed).status_code == 403
    desk.force_login(make_superuser())
    assert desk.post("/admin/resources/modelspeed/add/", speed).status_code == 302
    assert ModelSpeed.objects.get().source == "Data sheet"
