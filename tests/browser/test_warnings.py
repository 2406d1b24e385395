"""What a lease does to a machine of the holder's own is on the screen before it is booked."""

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from reservations.models import Lease
from tests.browser.conftest import Portal, World, drag, open_day, spot, tomorrow

pytestmark = pytest.mark.browser

RESTARTED = re.compile("Your virtual machine “figo-ada/vm1” is restarted twice")


@pytest.fixture
def board(desk: Page, world: World, portal: Portal) -> Page:
    """The board, with a window on a card chosen whose site lends it to holders' own machines."""
    world.gpu.settings = {
        "endpoint": "https://gpu1.uni-a.example:8443",
        "certificate_secret": "lxd.crt",
        "key_secret": "lxd.key",
        "server_certificate_secret": "lxd-server.crt",
        "image": "ubuntu-gpu",
        "own_instances": "virtual-machine",
    }
    world.gpu.save()
    start = tomorrow(9)
    open_day(desk, portal, start)
    drag(desk, spot(desk, world.gpu, start), spot(desk, world.gpu, start + timedelta(hours=2)))
    desk.get_by_text("Settings: GPU on LXD").click()
    return desk


def test_the_warning_is_seen_before_booking_and_stays_with_the_lease(board: Page, world: World) -> None:
    panel = board.locator("form.booking")
    expect(panel.get_by_text(RESTARTED)).to_have_count(0)

    board.get_by_label("Your own instance").fill("figo-ada/vm1")

    expect(panel.get_by_text(RESTARTED)).to_be_visible()
    assert not Lease.objects.exists()
    board.get_by_role("button", name="Book 1 device").click()
    expect(board.get_by_text(RESTARTED)).to_be_visible()
    board.get_by_role("link", name="Open the reservation").click()
    expect(board.locator(".lease").get_by_text(RESTARTED)).to_be_visible()
    assert Lease.objects.get().parameters == {"instance": "figo-ada/vm1"}


def test_who_books_in_haste_reads_the_warning_first(board: Page) -> None:
    book = board.get_by_role("button", name="Book 1 device")
    # Both at once: the portal has had no time to check the wish.
    board.evaluate(
        """() => {
            const field = document.querySelector("#setting-gpu_lxd-instance");
            field.value = "figo-ada/vm1";
            field.dispatchEvent(new Event("input"));
            field.form.requestSubmit();
        }"""
    )
    expect(board.locator("form.booking").get_by_text(RESTARTED)).to_be_visible()
    assert not Lease.objects.exists()

    book.click()

    expect(board.get_by_role("link", name="Open the reservation")).to_be_visible()
    assert Lease.objects.count() == 1


def test_a_fresh_machine_is_booked_without_a_warning(board: Page) -> None:
    board.get_by_role("button", name="Book 1 device").click()

    expect(board.get_by_role("link", name="Open the reservation")).to_be_visible()
    expect(board.locator(".note.warn").filter(has_text="restarted")).to_have_count(0)
