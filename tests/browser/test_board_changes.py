"""Changing one's bookings on the board: by keys, and taking a change back."""

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from reservations.models import Hold, Lease
from reservations.states import Status
from tests.browser.conftest import Portal, World, drag, line_of, open_day, spot, tomorrow
from tests.factories import book_lease

pytestmark = pytest.mark.browser


def book_mine(world: World, hour: int, hours: int = 2) -> Lease:
    return book_lease(
        world.gpu,
        holder=world.user,
        project=world.project,
        starts_at=tomorrow(hour),
        hours=hours,
        purpose="Ring",
    )


def put_cursor_on(desk: Page, title: str) -> None:
    """Walk with the arrows until the cursor's cell is a booking."""
    grid, cursor = desk.get_by_role("grid"), desk.locator("#cursor")
    grid.focus()
    cursor.wait_for()
    for _ in range(18):
        grid.press("ArrowRight")
    for _ in range(20):
        here = cursor.get_attribute("aria-label") or ""
        if title in here:
            return
        grid.press("ArrowDown")
        expect(cursor).not_to_have_attribute("aria-label", here)
    raise AssertionError(f"the cursor did not come to {title}")


def test_keys_move_a_booking_and_its_end(desk: Page, world: World, portal: Portal) -> None:
    lease = book_mine(world, 9)
    open_day(desk, portal, tomorrow(9))
    line_of(desk, world.gpu).locator(".entry").wait_for()
    put_cursor_on(desk, "Ring")
    grid = desk.get_by_role("grid")
    grid.press("g")
    said = desk.locator("#board > [role=status]")
    expect(said).to_contain_text("Grabbed Ring.")
    expect(line_of(desk, world.gpu).locator(".ghost")).to_have_count(1)
    for _ in range(4):
        grid.press("ArrowRight")
    for _ in range(2):
        grid.press("Shift+ArrowRight")
    step = re.search(r"(\d\d):(\d\d) – (\d\d):(\d\d)", said.inner_text())
    assert step, said.inner_text()
    grid.press("Enter")
    toast = desk.get_by_role("status").filter(has_text="Now ")
    expect(toast).to_contain_text(step[0])
    lease.refresh_from_db()
    assert lease.starts_at > tomorrow(9)
    assert lease.ends_at - lease.starts_at > timedelta(hours=2)
    assert lease.starts_at == tomorrow(int(step[1]), int(step[2]))
    assert lease.ends_at == tomorrow(int(step[3]), int(step[4]))


def test_letting_go_changes_nothing(desk: Page, world: World, portal: Portal) -> None:
    lease = book_mine(world, 9)
    open_day(desk, portal, tomorrow(9))
    line_of(desk, world.gpu).locator(".entry").wait_for()
    put_cursor_on(desk, "Ring")
    grid = desk.get_by_role("grid")
    grid.press("g")
    grid.press("ArrowRight")
    grid.press("Escape")
    expect(line_of(desk, world.gpu).locator(".ghost")).to_have_count(0)
    lease.refresh_from_db()
    assert lease.starts_at == tomorrow(9)


def test_what_was_cancelled_can_be_had_back(desk: Page, world: World, portal: Portal) -> None:
    book_mine(world, 9)
    open_day(desk, portal, tomorrow(9))
    line_of(desk, world.gpu).locator(".entry").click()
    desk.get_by_role("button", name="Cancel…").click()
    desk.get_by_role("button", name="Yes, cancel it").click()
    expect(line_of(desk, world.gpu).locator(".entry")).to_have_count(0)
    desk.get_by_role("button", name="Undo").click()
    expect(desk.get_by_text("Taken back.")).to_be_visible()
    expect(line_of(desk, world.gpu).locator(".entry")).to_have_count(1)
    again = Lease.objects.exclude(status=Status.CANCELLED).select_related("reservation").get()
    assert (again.resource_id, again.starts_at, again.reservation.purpose) == (
        world.gpu.pk,
        tomorrow(9),
        "Ring",
    )


def test_undo_says_so_when_somebody_was_quicker(desk: Page, world: World, portal: Portal) -> None:
    lease = book_mine(world, 9)
    open_day(desk, portal, tomorrow(9))
    line_of(desk, world.gpu).locator(".entry").wait_for()
    drag(desk, spot(desk, world.gpu, tomorrow(10)), spot(desk, world.gpu, tomorrow(15)))
    expect(desk.get_by_role("status").filter(has_text="Now ")).to_be_visible()
    book_lease(world.gpu, starts_at=tomorrow(9), hours=2)
    desk.get_by_role("button", name="Undo").click()
    expect(desk.get_by_text("It could not be taken back.")).to_be_visible()
    lease.refresh_from_db()
    assert lease.starts_at == tomorrow(14)


def test_the_open_form_holds_its_devices_until_it_closes(desk: Page, world: World, portal: Portal) -> None:
    open_day(desk, portal, tomorrow(10))
    drag(desk, spot(desk, world.gpu, tomorrow(10, 4)), spot(desk, world.gpu, tomorrow(12)))
    expect(desk.get_by_text("Kept free for you until")).to_be_visible(timeout=60_000)
    held = Hold.objects.get(over_at=None)
    assert (held.holder, held.starts_at, held.ends_at) == (world.user, tomorrow(10), tomorrow(12))
    expect(line_of(desk, world.gpu).locator('.entry[data-state="hold"]')).to_have_count(1)
    desk.get_by_role("button", name="Close the panel").click()
    expect(line_of(desk, world.gpu).locator('.entry[data-state="hold"]')).to_have_count(0)
    held.refresh_from_db()
    assert held.outcome == Hold.Outcome.GIVEN_BACK
