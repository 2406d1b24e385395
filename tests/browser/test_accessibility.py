"""Every page for everybody: axe finds nothing in light or dark, and a phone is enough."""

from datetime import timedelta
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from reservations.models import Lease
from reservations.states import Status
from tests.browser.conftest import Portal, World, tomorrow
from tests.factories import book_lease, next_hour

pytestmark = pytest.mark.browser


def assert_accessible(page: Page) -> None:
    """Let axe judge the page as it is, in both themes."""
    for scheme in ("light", "dark"):
        # Without motion: half-way from one theme to the other, colours fit neither.
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        found = Axe().run(page).response
        assert found["passes"], "axe looked at nothing"
        violations = [
            f"{scheme}: {one['id']}: {node['html'][:200]} {node['failureSummary']}"
            for one in found["violations"]
            for node in one["nodes"]
        ]
        assert not violations, "\n".join(violations)


def fill(world: World) -> Lease:
    """Put leases of all kinds on the board; return one that runs."""
    mine = {"holder": world.user, "project": world.project}
    book_lease(world.spare, **mine, starts_at=tomorrow(9), purpose="Later")
    book_lease(world.whole, **mine, starts_at=tomorrow(9), status=Status.REQUESTED, purpose="Perhaps")
    book_lease(
        world.far,
        **mine,
        starts_at=next_hour() - timedelta(hours=3),
        status=Status.RELEASE_FAILED,
        purpose="Stuck",
    )
    book_lease(world.spare, starts_at=tomorrow(14))
    start = next_hour() - timedelta(hours=2)
    return book_lease(
        world.gpu, **mine, starts_at=start, hours=5, status=Status.ACTIVE, purpose="A running lease"
    )


@pytest.mark.parametrize("view", ["day", "week", "month", "agenda"])
def test_the_board_is_accessible(desk: Page, world: World, portal: Portal, view: str) -> None:
    fill(world)
    desk.goto(f"{portal.url}/?view={view}")
    desk.locator(".line.device, .agenda-device").first.wait_for()
    assert_accessible(desk)


def test_the_booking_form_and_its_refusal_are_accessible(desk: Page, world: World, portal: Portal) -> None:
    lease = fill(world)
    desk.goto(f"{portal.url}/")
    desk.locator(f'.entry[data-entry="{lease.pk}"]').wait_for()
    desk.get_by_role("button", name="Book", exact=True).click()
    desk.get_by_role("button", name="Add L40S 1 to the booking").click(force=True)
    desk.get_by_role("button", name="Book 1 device").click()
    expect(desk.get_by_role("alert")).to_be_visible()
    assert_accessible(desk)


@pytest.mark.parametrize("path", ["/mine/", "/account/keys/", "/no/such/page/"])
def test_the_page_is_accessible(page: Page, world: World, sign_in: Any, portal: Portal, path: str) -> None:
    sign_in(world.user)
    fill(world)
    page.goto(f"{portal.url}{path}")
    page.wait_for_load_state("networkidle")
    assert_accessible(page)


def test_the_page_of_a_reservation_is_accessible(desk: Page, world: World, portal: Portal) -> None:
    lease = fill(world)
    desk.goto(f"{portal.url}/reservations/{lease.reservation_id}/")
    desk.get_by_text("History").click()
    assert_accessible(desk)


def test_the_page_of_a_resource_is_accessible(desk: Page, world: World, portal: Portal) -> None:
    fill(world)
    desk.goto(f"{portal.url}/resources/{world.whole.pk}/")
    expect(desk.get_by_role("region", name="Parts")).to_be_visible()
    assert_accessible(desk)


def test_the_sign_in_page_is_accessible(page: Page, world: World, faults: list[str], portal: Portal) -> None:
    page.goto(f"{portal.url}/accounts/login/")
    assert_accessible(page)


SMALL = """[...document.querySelectorAll('button, select, summary, input:not([type=checkbox])')]
    .filter((node) => { const box = node.getBoundingClientRect();
        return box.width && box.height && box.height < 44 && !node.closest('.grid')
            && getComputedStyle(node).visibility !== 'hidden'; })
    .map((node) => node.outerHTML.slice(0, 100))"""


def test_a_phone_books_from_the_agenda(desk: Page, world: World, portal: Portal) -> None:
    desk.set_viewport_size({"width": 390, "height": 844})
    desk.goto(f"{portal.url}/")
    desk.get_by_role("button", name=f"{tomorrow(9):%a} {tomorrow(9).day}").click()
    desk.get_by_role("button", name="Book Roma · L40S 1").click()
    expect(desk.get_by_role("heading", name="New booking")).to_be_focused()
    assert desk.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert desk.evaluate(SMALL) == []
    desk.get_by_role("button", name="Book 1 device").click()
    expect(desk.get_by_role("heading", name="Booked")).to_be_visible()
    assert Lease.objects.get().resource_id == world.gpu.pk


@pytest.mark.parametrize("path", ["/", "/?view=week", "/mine/", "/account/keys/"])
def test_nothing_is_too_wide_or_too_small_on_a_phone(
    desk: Page, world: World, portal: Portal, path: str
) -> None:
    fill(world)
    desk.set_viewport_size({"width": 390, "height": 844})
    desk.goto(f"{portal.url}{path}")
    desk.wait_for_load_state("networkidle")
    assert desk.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert desk.evaluate(SMALL) == []
