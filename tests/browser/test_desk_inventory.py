"""The inventory at the desk in a real browser: look, wait, see the difference, accept it."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from adapters.contract.wire import Failure
from resources.models import Discovery, Resource
from resources.services.discovery import ask_about, ask_behind
from tests.browser.conftest import Portal, SignIn, World
from tests.factories import book_lease, make_user, next_hour
from tests.resources.sites import LXD, OTHER, answer, found_at, found_card, found_host, make_host

pytestmark = pytest.mark.browser


@pytest.fixture
def host(world: World) -> Resource:
    """A host with a card, at a site that can be asked; the other devices of the world are not asked about."""
    type(world.rome).objects.filter(pk=world.rome.pk).update(public_key="a-key", last_heard_at=timezone.now())
    Resource.objects.filter(site=world.rome).update(adapter="another-tool")
    world.rome.refresh_from_db()
    return make_host(world.rome)


@pytest.fixture
def operator_page(page: Page, world: World, sign_in: SignIn, faults: list[str]) -> Page:
    """A page on which the operator of Roma is signed in; faults are those of every page opened on it."""
    sign_in(make_user("operator", operates=[world.rome], time_zone="Europe/Rome"))
    page.set_default_timeout(15_000)
    return page


def test_look_wait_and_accept(operator_page: Page, portal: Portal, host: Resource) -> None:
    page = operator_page
    page.goto(f"{portal.url}/admin/")
    page.get_by_role("link", name="Inventory").click()
    page.get_by_role("button", name="Look for devices").click()
    expect(page.get_by_role("status")).to_contain_text("Roma is looking behind 1 device.")
    answer(
        Discovery.objects.get(),
        found_host(found_card("0000:b3:00.0"), found_card("0000:c1:00.0", OTHER)),
        at=timezone.now(),
    )
    # The page follows by itself: nobody has to reload it.
    expect(page.get_by_text("is the same device in another place")).to_be_visible()
    moved = page.locator(".group li", has_text="is the same device in another place")
    expect(moved).to_contain_text("0000:65:00.0")
    moved.get_by_role("button", name="Accept").click()
    expect(page.get_by_text("Written into the inventory: Host 1 L40S 1 has moved")).to_be_visible()
    new = page.locator(".group li", has=page.get_by_label("Name"))
    new.get_by_label("Name").fill("L40S right")
    new.get_by_role("button", name="Accept").click()
    expect(page.get_by_text("Written into the inventory: New part")).to_be_visible()
    assert dict(host.parts.values_list("name", "settings__pci")) == {
        "Host 1 L40S 1": "0000:b3:00.0",
        "L40S right": "0000:c1:00.0",
    }
    expect(page.locator(".group li")).to_contain_text(["Number of cards", "Cards that it lends"])
    page.get_by_role("button", name="Ignore all 2").click()
    expect(
        page.get_by_text("No difference: the inventory says what Roma found, but for what is ignored.")
    ).to_be_visible()
    page.goto(f"{portal.url}/admin/")
    expect(page.get_by_text("difference")).to_have_count(0)


def test_what_somebody_types_is_not_taken_away_by_an_answer(
    operator_page: Page, portal: Portal, host: Resource
) -> None:
    page = operator_page
    found_at(host, found_host(found_card(), found_card("0000:c1:00.0", OTHER)), now=timezone.now())
    again = ask_about(resource=host, actor=None, now=timezone.now())
    page.goto(f"{portal.url}/admin/inventory/rome/")
    page.get_by_label("Name").fill("The one on the right")
    answer(again, found_host(found_card()), at=timezone.now())
    expect(page.get_by_text("New answers have come.")).to_be_visible()
    expect(page.get_by_label("Name")).to_have_value("The one on the right")
    page.get_by_role("link", name="Show them").click()
    expect(page.get_by_label("Name")).to_have_count(0)


def test_the_pages_fit_a_phone_in_both_schemes(
    operator_page: Page, portal: Portal, world: World, host: Resource
) -> None:
    now = timezone.now()
    operator = make_user("second", operates=[world.rome])
    book_lease(host, starts_at=next_hour(after_h=7))
    found_at(host, found_host(found_card("0000:b3:00.0", OTHER, asked="x" * 90)), now=now)
    typed = ask_behind(
        site=world.rome, adapter="gpu_lxd", settings={**LXD, "image": "x"}, actor=operator, now=now
    )
    answer(
        typed,
        found_host(found_card("0000:01:00.0", "GPU-3"), name="gpu-with-a-long-name.uni-a.example"),
        at=now,
    )
    failed = ask_behind(
        site=world.rome, adapter="gpu_lxd", settings={**LXD, "image": "y"}, actor=operator, now=now
    )
    words = "No route to https://gpu1.uni-a.example:8443 was found."
    answer(
        failed,
        at=now,
        failure=Failure(error="DeviceUnreachable", remedy="retry", verb="discover", message=words),
    )
    Resource.objects.filter(pk=host.pk).update(quarantined_at=now - timedelta(hours=1), quarantine_reason=words)
    page = operator_page
    page.set_viewport_size({"width": 390, "height": 844})
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for address in (
            "/admin/",
            "/admin/inventory/rome/",
            "/admin/inventory/rome/new/",
            "/admin/inventory/rome/new/?adapter=gpu_lxd",
            f"/admin/devices/{host.pk}/back-in-service/",
        ):
            page.goto(f"{portal.url}{address}")
            expect(page.locator("#content")).to_be_visible()
            for summary in page.locator("#content summary").all():
                summary.click()
            wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0, f"{address} is {wide} px wider than the screen"
