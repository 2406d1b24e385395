"""The operators' desk in a real browser, under the policy that the portal sends with it."""

from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from reservations.models import Lease
from reservations.states import Status
from tests.browser.conftest import Portal, SignIn, World
from tests.factories import book_lease, make_user, next_hour

pytestmark = pytest.mark.browser


@pytest.fixture
def waiting(world: World) -> Lease:
    """Something that waits for approval."""
    return book_lease(world.gpu, status=Status.REQUESTED, starts_at=next_hour(after_h=9))


@pytest.fixture
def operator_page(page: Page, world: World, sign_in: SignIn, faults: list[str]) -> Page:
    """A page on which the operator of Roma is signed in; faults are those of every page opened on it."""
    sign_in(make_user("operator", operates=[world.rome], time_zone="Europe/Rome"))
    page.set_default_timeout(15_000)
    return page


def test_a_lease_is_approved_from_its_page(operator_page: Page, waiting: Lease, portal: Portal) -> None:
    operator_page.goto(f"{portal.url}/admin/reservations/lease/{waiting.pk}/change/")
    operator_page.get_by_role("link", name="Approve").click()
    operator_page.get_by_label("A word to the holder").fill("Welcome")
    operator_page.get_by_role("button", name="Approve").click()
    expect(operator_page.get_by_text("approved.")).to_be_visible()
    waiting.refresh_from_db()
    assert waiting.status == Status.SCHEDULED


def test_each_page_works_without_a_fault_and_fits_a_phone(
    operator_page: Page, world: World, waiting: Lease, portal: Portal
) -> None:
    stuck = book_lease(world.spare, status=Status.RELEASE_FAILED, starts_at=next_hour() - timedelta(hours=9))
    operator_page.set_viewport_size({"width": 390, "height": 844})
    for address in (
        "/admin/",
        "/admin/reservations/lease/",
        f"/admin/reservations/lease/{stuck.pk}/change/",
        f"/admin/reservations/lease/{stuck.pk}/vouch/",
        f"/admin/resources/resource/{world.whole.pk}/change/",
        f"/admin/resources/site/{world.rome.pk}/change/",
        "/admin/maintenance/plan/rome/",
        "/admin/policy/rome/",
        "/admin/devices/import/",
    ):
        operator_page.goto(f"{portal.url}{address}")
        expect(operator_page.locator("#content")).to_be_visible()
        wide = operator_page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert wide <= 0, f"{address} is {wide} px wider than the screen"
