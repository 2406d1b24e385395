"""The desk of operators for cables."""

import pytest
from django.test import Client
from django.urls import reverse

from resources.models import Cable, Site
from tests.factories import make_resource, make_site, make_superuser, make_user

pytestmark = pytest.mark.django_db
ADD = "/admin/resources/cable/add/"
TEXT = "Switch 1/0 — Host eth2, 100G\n"


@pytest.fixture
def site() -> Site:
    site = make_site("torino", name="Torino")
    for name in ("Switch", "Host"):
        make_resource(site, name=name)
    return site


@pytest.fixture
def desk(site: Site) -> Client:
    client = Client()
    client.force_login(make_user("operator", operates=[site]))
    return client


def address(site: Site) -> str:
    return reverse("admin:cables_of_site", args=[site.slug])


def row(site: Site, **fields: object) -> dict[str, object]:
    one, other = site.resources.order_by("-name")
    form: dict[str, object] = {"a": one.pk, "a_port": "1/0", "b": other.pk, "b_port": "eth2", "speed_gbps": 100}
    return form | {"a_sets_vlan": "unknown", "b_sets_vlan": "unknown"} | fields


def test_a_text_is_shown_before_it_counts(desk: Client, site: Site) -> None:
    shown = desk.post(address(site), {"text": TEXT, "do": "preview"}).content.decode()
    assert "1 added" in shown
    assert "Change the cables" in shown
    assert not Cable.objects.exists()
    desk.post(address(site), {"text": TEXT, "do": "apply"})
    assert str(Cable.objects.get()) == "Switch 1/0 — Host eth2"
    assert "Switch 1/0 — Host eth2, 100G" in desk.get(address(site)).content.decode()


def test_a_line_that_cannot_be_read_offers_no_change(desk: Client, site: Site) -> None:
    shown = desk.post(address(site), {"text": "Swich 1 — Host 2", "do": "preview"}).content.decode()
    assert "did you mean “Switch”?" in shown
    assert "Change the cables" not in shown
    assert "Line 1" in desk.post(address(site), {"text": "Swich 1 — Host 2", "do": "apply"}).content.decode()
    assert not Cable.objects.exists()


def test_the_cables_are_saved_as_csv(desk: Client, site: Site) -> None:
    desk.post(address(site), {"text": TEXT, "do": "apply"})
    saved = desk.get(f"{address(site)}?as=csv")
    assert saved.content.decode().splitlines() == [
        "device,port,other device,other port,gbps",
        "Switch,1/0,Host,eth2,100",
    ]


def test_nobody_describes_the_cables_of_another_site(desk: Client, site: Site) -> None:
    other = make_site("osaka")
    assert desk.get(address(other)).status_code == 403
    assert desk.post(address(other), {"text": "", "do": "apply"}).status_code == 403
    assert Client().get(address(site)).status_code == 302
    assert desk.get("/admin/resources/cable/describe/").headers["Location"] == address(site)


def test_a_row_is_added_changed_and_removed_by_itself(desk: Client, site: Site) -> None:
    assert desk.post(ADD, row(site)).status_code == 302
    cable = Cable.objects.get()
    change = f"/admin/resources/cable/{cable.pk}/"
    assert desk.post(f"{change}change/", row(site, a_port="1/1", a_sets_vlan="true")).status_code == 302
    cable.refresh_from_db()
    assert (cable.a_port, cable.a_sets_vlan, cable.b_sets_vlan) == ("1/1", True, None)
    assert desk.post(f"{change}delete/", {"post": "yes"}).status_code == 302
    assert not Cable.objects.exists()


def test_a_port_that_is_taken_is_refused_in_words(desk: Client, site: Site) -> None:
    desk.post(ADD, row(site))
    shown = desk.post(ADD, row(site, b_port="eth3"))
    assert "one of its ports has another cable" in shown.content.decode()
    assert Cable.objects.count() == 1


def test_a_link_to_another_site_is_seen_and_changed_by_those_who_run_both(desk: Client, site: Site) -> None:
    far = make_resource(make_site("osaka"), name="Far")
    cable = Cable.objects.create(a=far, a_port="1", b=site.resources.first(), b_port="9", between_sites=True)
    change = f"/admin/resources/cable/{cable.pk}/change/"
    assert desk.get(change).status_code == 200
    assert desk.post(change, row(site)).status_code == 403
    assert desk.post(f"/admin/resources/cable/{cable.pk}/delete/", {"post": "yes"}).status_code == 403
    manager = Client()
    manager.force_login(make_superuser())
    assert manager.post(f"/admin/resources/cable/{cable.pk}/delete/", {"post": "yes"}).status_code == 302
