"""The board as people use it: by the mouse, by the keyboard, by its address."""

import re
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from reservations.models import Lease, Reservation
from reservations.states import Status
from tests.browser.conftest import Portal, World, drag, line_of, open_day, spot, tomorrow
from tests.factories import book_lease, make_reservation, make_user

pytestmark = pytest.mark.browser


def test_the_board_shows_sites_devices_and_who_has_them(desk: Page, world: World, portal: Portal) -> None:
    book_lease(
        world.gpu, holder=world.user, project=world.project, starts_at=tomorrow(9), hours=4, purpose="Ring"
    )
    book_lease(world.spare, starts_at=tomorrow(9), hours=4, purpose="Not for others to know")
    open_day(desk, portal, tomorrow(9))

    mine = line_of(desk, world.gpu).locator(".entry")
    expect(mine).to_have_attribute("aria-label", re.compile(r"Ring, scheduled, yours, .*09:00 – 13:00"))
    others = line_of(desk, world.spare).locator(".entry")
    expect(others).to_have_attribute("aria-label", re.compile(r"Taken, scheduled, .*09:00 – 13:00"))
    expect(desk.locator(".line.site .name")).to_have_text(["Athens", "Roma"])
    expect(desk.locator("body")).not_to_contain_text("Not for others to know")


def test_dragging_over_a_row_books_it(desk: Page, world: World, portal: Portal) -> None:
    open_day(desk, portal, tomorrow(10))
    drag(desk, spot(desk, world.gpu, tomorrow(10, 4)), spot(desk, world.gpu, tomorrow(12)))
    panel = desk.get_by_role("complementary")
    expect(panel.get_by_role("heading", name="New booking")).to_be_visible()
    expect(panel.get_by_text("Roma · L40S 1")).to_be_visible()
    panel.get_by_label("Purpose").fill("Ring all-reduce")
    panel.get_by_role("button", name="Book 1 device").click()

    expect(panel.get_by_role("heading", name="Booked")).to_be_visible()
    expect(line_of(desk, world.gpu).locator(".entry[data-mine]")).to_have_count(1)
    lease = Lease.objects.select_related("reservation").get()
    assert (lease.resource_id, lease.starts_at, lease.ends_at) == (world.gpu.pk, tomorrow(10), tomorrow(12))
    assert lease.reservation.purpose == "Ring all-reduce"


def test_dragging_over_two_rows_books_both_in_one_reservation(desk: Page, world: World, portal: Portal) -> None:
    open_day(desk, portal, tomorrow(10))
    drag(desk, spot(desk, world.gpu, tomorrow(10, 4)), spot(desk, world.spare, tomorrow(12)))
    desk.get_by_role("button", name="Book 2 devices").click()
    expect(desk.get_by_role("heading", name="Booked")).to_be_visible()
    assert set(Reservation.objects.get().leases.values_list("resource", flat=True)) == {
        world.gpu.pk,
        world.spare.pk,
    }


def test_the_keyboard_books_as_well(desk: Page, world: World, portal: Portal) -> None:
    open_day(desk, portal, tomorrow(10))
    grid = desk.get_by_role("grid")
    grid.focus()
    cursor = desk.locator("#cursor")
    expect(cursor).to_have_attribute("aria-label", re.compile("00:00 – 00:30, free"))
    for _ in range(20):
        grid.press("ArrowRight")
    for _ in range(20):
        here = cursor.get_attribute("aria-label") or ""
        if "Roma · L40S 1" in here:
            break
        grid.press("ArrowDown")
        expect(cursor).not_to_have_attribute("aria-label", here)
    expect(cursor).to_have_attribute("aria-label", re.compile("Roma · L40S 1, .*10:00 – 10:30, free"))
    expect(grid).to_have_attribute("aria-activedescendant", "cursor")
    for _ in range(3):
        grid.press("Shift+ArrowRight")
    grid.press("Enter")
    expect(desk.get_by_role("heading", name="New booking")).to_be_focused()
    desk.get_by_label("Purpose").press("Enter")

    expect(desk.get_by_role("heading", name="Booked")).to_be_visible()
    lease = Lease.objects.get()
    assert (lease.resource_id, lease.starts_at, lease.ends_at) == (world.gpu.pk, tomorrow(10), tomorrow(12))


def test_a_refusal_says_why_and_books_what_would_work(desk: Page, world: World, portal: Portal) -> None:
    open_day(desk, portal, tomorrow(10))
    drag(desk, spot(desk, world.gpu, tomorrow(10, 4)), spot(desk, world.gpu, tomorrow(12)))
    expect(desk.get_by_title("Free for the whole window")).to_be_visible()
    book_lease(world.gpu, starts_at=tomorrow(11), hours=2)  # somebody is quicker
    desk.get_by_role("button", name="Book 1 device").click()

    refusal = desk.get_by_role("alert")
    expect(refusal).to_contain_text("Not booked for")
    expect(refusal).to_contain_text("Roma · L40S 1 is taken until")
    assert Lease.objects.count() == 1
    refusal.get_by_role("button", name=re.compile("^Book ")).first.click()
    expect(desk.get_by_role("heading", name="Booked")).to_be_visible()
    booked = Lease.objects.get(reservation__holder=world.user)
    assert booked.resource_id == world.gpu.pk
    assert booked.ends_at - booked.starts_at == timedelta(hours=2)


def test_an_entry_moves_by_dragging_and_undo_brings_it_back(desk: Page, world: World, portal: Portal) -> None:
    lease = book_lease(
        world.gpu, holder=world.user, project=world.project, starts_at=tomorrow(9), hours=2, purpose="Ring"
    )
    open_day(desk, portal, tomorrow(9))
    line_of(desk, world.gpu).locator(".entry").wait_for()
    drag(desk, spot(desk, world.gpu, tomorrow(10)), spot(desk, world.gpu, tomorrow(13)))
    toast = desk.get_by_role("status").filter(has_text="Now ")
    expect(toast).to_contain_text("12:00 – 14:00")
    lease.refresh_from_db()
    assert lease.starts_at == tomorrow(12)

    toast.get_by_role("button", name="Undo").click()
    expect(desk.get_by_text("Taken back.")).to_be_visible()
    lease.refresh_from_db()
    assert (lease.starts_at, lease.ends_at) == (tomorrow(9), tomorrow(11))


def test_an_entry_that_cannot_move_springs_back_with_the_reason(
    desk: Page, world: World, portal: Portal
) -> None:
    lease = book_lease(
        world.gpu, holder=world.user, project=world.project, starts_at=tomorrow(6), hours=2, purpose="Ring"
    )
    book_lease(world.gpu, starts_at=tomorrow(12), hours=4)
    open_day(desk, portal, tomorrow(6))
    line_of(desk, world.gpu).locator(".entry").first.wait_for()
    drag(desk, spot(desk, world.gpu, tomorrow(7)), spot(desk, world.gpu, tomorrow(13)))

    expect(desk.get_by_role("alert")).to_contain_text("is taken until")
    expect(line_of(desk, world.gpu).locator(".ghost")).to_have_count(0)
    lease.refresh_from_db()
    assert lease.starts_at == tomorrow(6)


def test_cancelling_in_the_panel_asks_once_more(desk: Page, world: World, portal: Portal) -> None:
    lease = book_lease(
        world.gpu, holder=world.user, project=world.project, starts_at=tomorrow(9), hours=2, purpose="Ring"
    )
    open_day(desk, portal, tomorrow(9))
    line_of(desk, world.gpu).locator(".entry").click()
    desk.get_by_role("button", name="Cancel…").click()
    lease.refresh_from_db()
    assert lease.status == Status.SCHEDULED
    desk.get_by_role("button", name="Yes, cancel it").click()
    expect(line_of(desk, world.gpu).locator(".entry")).to_have_count(0)
    lease.refresh_from_db()
    assert lease.status == Status.CANCELLED


def test_a_whole_device_takes_its_parts_along(desk: Page, world: World, portal: Portal) -> None:
    book_lease(world.whole, starts_at=tomorrow(9), hours=3)
    open_day(desk, portal, tomorrow(9))
    expect(line_of(desk, world.part).locator(".entry[data-via]")).to_have_count(1)
    desk.get_by_role("button", name="Close the parts of A100 1").click()
    expect(line_of(desk, world.part)).to_have_count(0)
    expect(desk).to_have_url(re.compile(f"closed={world.whole.pk}"))


def test_the_address_holds_the_view(desk: Page, world: World, portal: Portal) -> None:
    desk.goto(f"{portal.url}/")
    desk.get_by_role("button", name="Athens", exact=True).click()
    desk.get_by_role("button", name="Day", exact=True).click()
    expect(desk.locator(".line.site .name")).to_have_text(["Athens"])
    expect(desk).to_have_url(re.compile(r"view=day.*site=athens"))
    desk.reload()
    expect(desk.get_by_role("button", name="Athens", exact=True)).to_have_attribute("aria-pressed", "true")
    expect(desk.locator(".line.site .name")).to_have_text(["Athens"])
    desk.get_by_label("Search devices").fill("nothing like it")
    expect(desk.get_by_text("No device matches “nothing like it” here.")).to_be_visible()
    desk.get_by_role("button", name="Show all devices").click()
    expect(desk.locator(".line.site .name")).to_have_text(["Athens", "Roma"])


def test_free_now_hides_what_is_taken(desk: Page, world: World, portal: Portal) -> None:
    now = tomorrow(0) - timedelta(days=1)
    book_lease(world.gpu, starts_at=now, hours=48, status=Status.ACTIVE)
    desk.goto(f"{portal.url}/")
    expect(line_of(desk, world.gpu).locator(".entry")).to_have_count(1)
    desk.get_by_role("button", name="Free now").click()
    expect(line_of(desk, world.gpu)).to_have_count(0)
    expect(line_of(desk, world.spare)).to_have_count(1)


def test_times_follow_the_zone_that_the_viewer_chooses(desk: Page, world: World, portal: Portal) -> None:
    lease = book_lease(world.gpu, starts_at=tomorrow(9), hours=2)
    open_day(desk, portal, tomorrow(9))
    entry = line_of(desk, world.gpu).locator(".entry")
    expect(entry).to_have_attribute("aria-label", re.compile("09:00 – 11:00"))
    desk.get_by_title("Time zone").click()
    desk.get_by_role("button", name="UTC", exact=True).click()
    expect(entry).to_have_attribute("aria-label", re.compile(f"{lease.starts_at:%H:%M} – "))
    expect(desk.get_by_role("columnheader", name="Device")).to_contain_text("UTC")


def test_a_calendar_that_stops_updating_says_as_of_when(desk: Page, world: World, portal: Portal) -> None:
    open_day(desk, portal, tomorrow(9))
    desk.route("**/api/v1/calendar/**", lambda route: route.fulfill(status=503, body="{}"))
    desk.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(desk.get_by_text(re.compile(r"Not updating\. As of \d\d:\d\d:\d\d\."))).to_be_visible()
    desk.unroute("**/api/v1/calendar/**")
    desk.get_by_role("button", name="Try again").click()
    expect(desk.get_by_text("Not updating")).to_have_count(0)


def test_a_site_that_waits_for_its_operator_shows_the_wish_as_asked(
    desk: Page, world: World, portal: Portal
) -> None:
    make_reservation(
        [world.gpu],
        holder=world.user,
        project=world.project,
        starts_at=tomorrow(9),
        status=Status.REQUESTED,
        purpose="Ring",
    )
    open_day(desk, portal, tomorrow(9))
    expect(line_of(desk, world.gpu).locator(".entry")).to_have_attribute("data-state", "requested")


def test_somebody_without_a_project_is_told_how_to_get_one(
    page: Page, world: World, sign_in: Any, faults: list[str], portal: Portal
) -> None:
    sign_in(make_user("newcomer"))
    page.goto(f"{portal.url}/")
    page.get_by_role("button", name="Book", exact=True).click()
    expect(page.get_by_text("You are in no project yet.")).to_be_visible()
