"""Calendar feeds in a browser: made, shown once, copied, revoked."""

from urllib.parse import urlsplit

import pytest
import requests
from playwright.sync_api import Page, expect

from interop.models import CalendarFeed
from tests.browser.conftest import Portal, World, tomorrow
from tests.browser.test_accessibility import SMALL, assert_accessible
from tests.factories import book_lease

pytestmark = pytest.mark.browser


def test_a_feed_is_made_read_and_revoked(desk: Page, world: World, portal: Portal) -> None:
    book_lease(world.gpu, holder=world.user, project=world.project, starts_at=tomorrow(9), purpose="Training")
    desk.goto(f"{portal.url}/account/feeds/")
    expect(desk.get_by_text("No address yet.")).to_be_visible()
    desk.get_by_label("With purposes, devices and names").check()
    desk.get_by_role("button", name="Make an address").click()
    address = desk.locator(".feed-new code").text_content() or ""
    assert "SUMMARY:Training" in requests.get(f"{portal.url}{urlsplit(address).path}", timeout=20).text
    desk.reload()
    expect(desk.get_by_text("Last read")).to_be_visible()
    expect(desk.get_by_text(address)).to_have_count(0)
    desk.get_by_role("button", name="Revoke My reservations").click()
    desk.get_by_role("button", name="Revoke it").click()
    expect(desk.get_by_text("No address yet.")).to_be_visible()
    assert CalendarFeed.objects.get().revoked_at is not None
    assert requests.get(f"{portal.url}{urlsplit(address).path}", timeout=20).status_code == 404


def test_the_way_from_a_device_has_it_chosen(desk: Page, world: World, portal: Portal) -> None:
    desk.goto(f"{portal.url}/account/feeds/?resource={world.spare.pk}")
    expect(desk.get_by_label("Device", exact=True)).to_have_value(str(world.spare.pk))
    desk.get_by_role("button", name="Make an address").click()
    expect(desk.locator(".feed-what strong")).to_have_text("Roma · L40S 2")
    assert CalendarFeed.objects.get().resource_id == world.spare.pk


def test_the_page_is_accessible_and_fits_a_phone(desk: Page, world: World, portal: Portal) -> None:
    desk.goto(f"{portal.url}/account/feeds/")
    desk.get_by_role("button", name="Make an address").click()
    expect(desk.locator(".feed-new")).to_be_visible()
    expect(desk.get_by_role("button", name="Make an address")).to_be_enabled()
    assert_accessible(desk)
    desk.set_viewport_size({"width": 390, "height": 844})
    desk.reload()
    expect(desk.locator(".feed")).to_be_visible()
    assert desk.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert desk.evaluate(SMALL) == []
