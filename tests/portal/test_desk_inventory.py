"""The pages of the inventory and of devices in quarantine: who may look, ask, decide, and what they say."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from adapters.contract import Observation
from adapters.contract.wire import Failure, Report
from reservations.services.engine.health import take_observed
from reservations.states import Status
from resources.models import Decision, Discovery, Resource, Site, Unfitness
from resources.services.discovery import ask_about, ask_behind
from tests.factories import book_lease, make_site, make_superuser, make_user, next_hour
from tests.resources.sites import (
    GPU,
    LXD,
    OTHER,
    answer,
    found_at,
    found_card,
    found_host,
    make_asked_site,
    make_host,
)

pytestmark = pytest.mark.django_db
NOW = timezone.now()
PAGE = "/admin/inventory/roma/"


@pytest.fixture
def site() -> Site:
    return make_asked_site("roma", name="Roma", last_heard_at=NOW + timedelta(hours=1))


@pytest.fixture
def operator(site: Site) -> User:
    return make_user("operator", operates=[site])


@pytest.fixture
def desk(operator: User) -> Client:
    return signed_in(operator)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def text_of(response: Any) -> str:
    return " ".join(response.content.decode().split())


def keys_of(response: Any, kind: str = "") -> list[str]:
    """Return what the buttons of the lines send."""
    rows = [row for group in response.context["groups"] for row in group.rows]
    return [row.key for row in rows if kind in ("", row.line.kind)]


def test_a_site_that_nobody_asked_says_what_to_do(desk: Client, site: Site):
    text = text_of(desk.get(PAGE))
    assert "Roma was not asked yet what it has." in text
    assert "Type the settings of the first one" in text
    make_host(site)
    assert "“Look for devices” asks behind each of its 1 device;" in text_of(desk.get(PAGE))


def test_looking_asks_about_each_device_and_the_page_follows_it(desk: Client, site: Site):
    host = make_host(site)
    response = desk.post(f"{PAGE}look/", follow=True)
    assert "Roma is looking behind 1 device." in text_of(response)
    progress = desk.get(f"{PAGE}progress/")
    assert 'data-waiting="1"' in text_of(progress)
    answer(Discovery.objects.get(), found_host(found_card()), at=timezone.now())
    after = desk.get(f"{PAGE}progress/")
    assert 'data-waiting="0"' in text_of(after)
    assert after.context["version"] != progress.context["version"], "the page sees that an answer came"
    assert "No difference: the inventory says what Roma found" in text_of(desk.get(PAGE))
    desk.post(f"{PAGE}look/", {"device": host.pk})
    assert Discovery.objects.filter(resource=host).count() == 2


def test_accepting_writes_and_says_so_and_ignoring_hides(desk: Client, site: Site, operator: User):
    host = make_host(site)
    found_at(host, found_host(found_card("0000:b3:00.0")), now=timezone.now())
    page = desk.get(PAGE)
    assert "2 differences" in text_of(desk.get("/admin/"))
    assert "0000:65:00.0</del>" in text_of(page)
    (moved,) = keys_of(page, "moved")
    response = desk.post(f"{PAGE}decide/", {"accept": moved}, follow=True)
    assert "Written into the inventory: Host 1 L40S 1 has moved from 0000:65:00.0" in text_of(response)
    assert host.parts.get().settings["pci"] == "0000:b3:00.0"
    (cards,) = keys_of(desk.get(PAGE))
    response = desk.post(f"{PAGE}decide/", {"ignore": cards}, follow=True)
    assert "Ignored until it says something else" in text_of(response)
    assert "Show again" in text_of(response)
    assert "Inventory" not in response.context["title"] or not response.context["groups"]
    assert "differences" not in text_of(desk.get("/admin/"))
    desk.post(f"{PAGE}decide/", {"show": cards})
    assert keys_of(desk.get(PAGE)) == [cards]
    assert [decision.by for decision in Decision.objects.all()] == [operator] * 3


def test_a_new_host_is_named_and_accepted_with_its_cards_in_one_go(desk: Client, site: Site, operator: User):
    discovery = ask_behind(site=site, adapter="gpu_lxd", settings=LXD, actor=operator, now=NOW)
    answer(discovery, found_host(found_card(), found_card("0000:b3:00.0", OTHER)), at=timezone.now())
    page = desk.get(PAGE)
    assert "Accept with its 2 parts" in text_of(page)
    (key,) = keys_of(page)
    fingerprint = key.partition(":")[2]
    desk.post(f"{PAGE}decide/", {"accept": key, f"name-{fingerprint}": "Rack 1"})
    assert set(Resource.objects.values_list("name", flat=True)) == {"Rack 1", "L40S 1", "L40S 2"}


def test_a_refusal_stands_at_the_line_and_keeps_the_names_that_were_typed(desk: Client, site: Site):
    host = make_host(site)
    found_at(host, found_host(found_card(), found_card("0000:b3:00.0", OTHER)), now=timezone.now())
    (key,) = keys_of(desk.get(PAGE), "new")
    fingerprint = key.partition(":")[2]
    response = desk.post(f"{PAGE}decide/", {"accept": key, f"name-{fingerprint}": "Host 1"})
    assert response.status_code == 409
    text = text_of(response)
    assert "There is a device “Host 1” at Roma already." in text
    assert f'name="name-{fingerprint}" value="Host 1"' in text


def test_a_line_that_somebody_else_decided_says_who_was_quicker(desk: Client, site: Site):
    colleague = signed_in(make_user("colleague", operates=[site]))
    found_at(make_host(site), found_host(), now=timezone.now())
    (key,) = keys_of(desk.get(PAGE), "missing")
    colleague.post(f"{PAGE}decide/", {"accept": key})
    response = desk.post(f"{PAGE}decide/", {"accept": key})
    assert response.status_code == 409
    assert "colleague accepted this already: Host 1 L40S 1 was not seen this time." in text_of(response)


def test_a_missing_device_names_whom_it_would_concern(desk: Client, site: Site):
    host = make_host(site)
    on_card = book_lease(host.parts.get(), starts_at=next_hour(after_h=5))
    on_host = book_lease(host, starts_at=next_hour(after_h=9))
    over = book_lease(host.parts.get(), starts_at=NOW - timedelta(hours=9), status=Status.RELEASED)
    found_at(host, found_host(), now=timezone.now())
    text = text_of(desk.get(PAGE))
    assert "2 bookings would lose their device" in text
    for lease, named in ((on_card, True), (on_host, True), (over, False)):
        assert (lease.reservation.holder.username in text) is named


def test_a_failed_question_says_what_to_do_and_can_be_asked_again(desk: Client, site: Site):
    host = make_host(site)
    discovery = ask_about(resource=host, actor=None, now=NOW)
    failure = Failure(
        error="InvalidSettings", remedy="stop", verb="discover", message="The site has no secret “lxd.key”."
    )
    answer(discovery, at=timezone.now(), failure=failure)
    text = text_of(desk.get(PAGE))
    assert "Could not be looked behind" in text
    assert "Enter the secret in the worker&#x27;s site.toml under that name, then ask again." in text
    desk.post(f"{PAGE}look/", {"device": host.pk})
    assert Discovery.objects.filter(next_try_at__isnull=False).count() == 1


def test_typed_settings_are_checked_by_field_and_then_asked_about(desk: Client, site: Site):
    assert "GPU on LXD" in text_of(desk.get(f"{PAGE}new/"))
    form = desk.get(f"{PAGE}new/?adapter=gpu_lxd")
    shown = {field.name: field for field in form.context["fields"]}
    assert shown["endpoint"].required
    assert shown["instance_type"].choices == ("virtual-machine", "container")
    typed = {f"setting-{name}": value for name, value in LXD.items()} | {"adapter": "gpu_lxd"}
    wrong = desk.post(f"{PAGE}new/", {**typed, "setting-endpoint": "gpu1", "setting-timeout_s": "soon"})
    assert wrong.status_code == 400
    assert {field.name for field in wrong.context["fields"] if field.errors} == {"endpoint", "timeout_s"}
    assert 'value="lxd.key"' in text_of(wrong), "what was typed is kept"
    right = desk.post(
        f"{PAGE}new/",
        {
            **typed,
            "setting-timeout_s": "5",
            "setting-nvml_is_local": "yes",
            "setting-more_images": "debian\nfedora",
        },
    )
    assert right.status_code == 302
    assert Discovery.objects.get().settings == {
        **LXD,
        "timeout_s": 5,
        "nvml_is_local": True,
        "more_images": ["debian", "fedora"],
    }


def test_an_operator_sees_and_touches_nothing_of_another_site(desk: Client, site: Site):
    other = make_asked_site("osaka", name="Osaka")
    host = make_host(other, "Host of Osaka")
    discovery = found_at(host, found_host(), now=timezone.now())
    manager = signed_in(make_superuser())
    (key,) = keys_of(manager.get("/admin/inventory/osaka/"), "missing")
    for address in ("", "new/", "progress/"):
        assert desk.get(f"/admin/inventory/osaka/{address}").status_code == 404
    assert desk.post("/admin/inventory/osaka/look/").status_code == 404
    assert desk.post("/admin/inventory/osaka/new/", {"adapter": "gpu_lxd"}).status_code == 404
    for path in ("/admin/inventory/osaka/decide/", f"{PAGE}decide/"):
        for verb in ("accept", "ignore", "show"):
            assert desk.post(path, {verb: key}).status_code in (403, 404)
    assert desk.post(f"{PAGE}look/", {"device": host.pk}).status_code == 404
    assert not Decision.objects.exists()
    assert list(Discovery.objects.all()) == [discovery]
    for address in (PAGE, "/admin/"):
        assert "Osaka" not in text_of(desk.get(address))
    assert "Osaka: 2 differences" in text_of(manager.get("/admin/"))


@pytest.mark.parametrize("who", ["nobody", "stranger"])
def test_who_operates_nothing_does_not_get_in(site: Site, who: str):
    client = signed_in(make_user()) if who == "nobody" else Client()
    for address in (PAGE, "/admin/inventory/", f"{PAGE}new/", f"{PAGE}progress/"):
        assert client.get(address).status_code == 302, "to the door"
    assert client.post(f"{PAGE}look/").status_code == 302
    assert not Discovery.objects.exists()


def test_nothing_is_changed_by_looking_at_a_page(desk: Client, site: Site):
    for address in ("look/", "decide/"):
        assert desk.get(f"{PAGE}{address}").status_code == 405


def test_who_runs_one_site_comes_to_it_at_once_and_who_runs_more_where_most_waits(desk: Client, site: Site):
    assert desk.get("/admin/inventory/")["Location"] == PAGE
    other = make_asked_site("osaka", name="Osaka")
    found_at(make_host(other), found_host(), now=timezone.now())
    manager = signed_in(make_superuser())
    assert manager.get("/admin/inventory/")["Location"] == "/admin/inventory/osaka/"
    assert "Osaka" in text_of(manager.get(PAGE))


def test_the_page_asks_the_database_as_often_however_much_differs(
    desk: Client, site: Site, django_assert_max_num_queries: Any
):
    for number in range(8):
        host = make_host(site, f"Host {number}", cards=("0000:65:00.0", "0000:b3:00.0"))
        book_lease(host, starts_at=next_hour(after_h=5))
        found_at(host, found_host(), now=timezone.now())
    with django_assert_max_num_queries(26):
        assert len(keys_of(desk.get(PAGE), "missing")) == 16


def make_unfit(resource: Resource, reason: str = "12 uncorrectable memory errors.") -> None:
    seen = Observation(healthy=False, carries=None, unfit=reason)
    report = Report(
        site=resource.site.slug, event="observed", at=NOW, resource_id=str(resource.pk), observation=seen
    )
    take_observed(report, site=resource.site, now=NOW)


def test_a_device_goes_back_in_service_from_today_with_a_reason(desk: Client, site: Site, operator: User):
    card = make_host(site).parts.get()
    make_unfit(card)
    page = f"/admin/devices/{card.pk}/back-in-service/"
    today = text_of(desk.get("/admin/"))
    assert page in today
    assert str(card.parent_id) not in today, "its host is kept back with it, and is freed with it"
    assert "back-in-service" in text_of(desk.get(f"/admin/resources/resource/{card.pk}/change/"))
    assert "12 uncorrectable memory errors." in text_of(desk.get(page))
    without = desk.post(page, {"confirmed": "yes", "reason": " "})
    assert "Say it in a few words" in text_of(without)
    assert Unfitness.objects.get().lifted_at is None
    done = desk.post(page, {"confirmed": "yes", "reason": "Replaced the module"}, follow=True)
    assert "back in service; it can be booked again" in text_of(done)
    assert "Replaced the module" in text_of(done), "the device's page keeps who did what"
    assert not Resource.objects.filter(quarantined_at__isnull=False).exists()


def test_a_refusal_to_put_it_back_says_why(desk: Client, site: Site):
    card = make_host(site).parts.get()
    book_lease(card, status=Status.RELEASE_FAILED, starts_at=NOW - timedelta(hours=3))
    make_unfit(card)
    page = f"/admin/devices/{card.pk}/back-in-service/"
    response = desk.post(page, {"confirmed": "yes", "reason": "Looked at it"}, follow=True)
    assert "retry its release, or vouch for it first" in text_of(response)
    assert Resource.objects.get(pk=card.pk).quarantined_at is not None


def test_nobody_puts_another_sites_device_back(site: Site):
    card = make_host(site).parts.get()
    make_unfit(card)
    page = f"/admin/devices/{card.pk}/back-in-service/"
    stranger = signed_in(make_user(operates=[make_site("osaka", name="Osaka")]))
    for response in (stranger.get(page), stranger.post(page, {"confirmed": "yes", "reason": "Mine"})):
        assert response.status_code == 404
    assert Resource.objects.get(pk=card.pk).quarantined_at is not None


def test_the_page_of_a_device_leads_to_looking_behind_it_and_a_part_does_not(desk: Client, site: Site):
    host = make_host(site)
    card = host.parts.get()
    assert card.serial == GPU
    leads = {
        resource: "look-for-devices" in text_of(desk.get(f"/admin/resources/resource/{resource.pk}/change/"))
        for resource in (host, card)
    }
    assert leads == {host: True, card: False}
    way = desk.get(f"/admin/resources/resource/{host.pk}/look-for-devices/")
    assert way["Location"] == f"{PAGE}?device={host.pk}#asked-{host.pk}"
