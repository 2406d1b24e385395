"""Find a slot, and the wait list, in a browser."""

import re
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from reservations.models import Hold, Lease, WaitingWish
from reservations.services.changes import cancel
from reservations.services.waiting import serve_waiting
from tests.browser.conftest import Portal, World, tomorrow
from tests.browser.test_accessibility import assert_accessible
from tests.factories import book_lease

pytestmark = pytest.mark.browser


def address(portal: Portal, *lines: str, **more: object) -> str:
    return f"{portal.url}/find/?{urlencode([('line', line) for line in lines] + list(more.items()))}"


def line_for(world: World) -> str:
    return f"1*device*{world.gpu.pk}"


def test_an_address_that_was_sent_is_searched_for_and_one_click_books(
    desk: Page, world: World, portal: Portal
) -> None:
    desk.goto(address(portal, line_for(world), hours=2))
    answer = desk.get_by_role("article").first
    expect(answer).to_contain_text(world.gpu.name)
    expect(answer).to_contain_text("no price set")
    answer.get_by_role("button", name="Book").click()
    expect(desk).to_have_url(re.compile("/reservations/"))
    lease = Lease.objects.get()
    assert (lease.resource, lease.reservation.holder) == (world.gpu, world.user)
    assert lease.ends_at - lease.starts_at == timedelta(hours=2)


def test_the_whole_wish_stands_in_the_address(desk: Page, world: World, portal: Portal) -> None:
    desk.goto(f"{portal.url}/find/")
    desk.get_by_label("Kind of device").select_option("gpu")
    desk.get_by_label("How many").fill("2")
    desk.get_by_label("How many").blur()
    desk.get_by_label("for so many hours").fill("3")
    desk.get_by_label("for so many hours").blur()
    expect(desk).to_have_url(re.compile(r"line=2\*gpu.*hours=3"))
    expect(desk.get_by_role("article").first).to_be_visible()
    found = desk.get_by_role("article").first.get_by_role("heading").inner_text()
    desk.goto(desk.url)
    expect(desk.get_by_role("article").first.get_by_role("heading")).to_have_text(found)


def test_while_an_answer_is_open_its_devices_are_held(desk: Page, world: World, portal: Portal) -> None:
    desk.goto(address(portal, line_for(world), hours=2))
    answer = desk.get_by_role("article").first
    answer.get_by_text("Look closer").click()
    expect(answer).to_contain_text("Kept free for you until")
    assert Hold.objects.get().holder == world.user
    answer.get_by_label("What for").fill("A try")
    answer.get_by_role("button", name="Book").click()
    expect(desk).to_have_url(re.compile("/reservations/"))
    assert Lease.objects.get().reservation.purpose == "A try"
    assert Hold.objects.get().outcome == Hold.Outcome.BOOKED


def test_where_nothing_is_found_a_button_gives_up_what_is_in_the_way(
    desk: Page, world: World, portal: Portal
) -> None:
    start = tomorrow(9)
    book_lease(world.gpu, starts_at=start, hours=24)
    window = {"from": start.isoformat(), "to": (start + timedelta(hours=3)).isoformat()}
    desk.goto(address(portal, line_for(world), hours=2, **window))
    expect(desk.get_by_role("heading", name="Not within this time")).to_be_visible()
    assert_accessible(desk)
    desk.get_by_role("button", name="Later, within four weeks").click()
    expect(desk.get_by_role("article").first).to_contain_text(world.gpu.name)


def test_who_waits_is_offered_what_came_free_and_books_it_on_their_desk(
    desk: Page, world: World, portal: Portal
) -> None:
    start = tomorrow(9)
    lease = book_lease(world.gpu, starts_at=start, hours=2)
    window = {"from": start.isoformat(), "to": (start + timedelta(hours=2)).isoformat()}
    desk.goto(address(portal, line_for(world), hours=2, **window))
    desk.get_by_role("button", name="Tell me when it frees up").click()
    expect(desk.get_by_text("You are number 1 in line")).to_be_visible()
    desk.goto(f"{portal.url}/mine/")
    expect(desk.get_by_text("Number 1 in line.")).to_be_visible()
    now = timezone.now()
    cancel(reservation_id=lease.reservation_id, actor=lease.reservation.holder, now=now)
    assert serve_waiting(now=now) == 1
    desk.reload()
    expect(desk.get_by_text("It is held for you until")).to_be_visible()
    assert_accessible(desk)
    desk.get_by_role("button", name="Book it").click()
    expect(desk).to_have_url(re.compile("/reservations/"))
    wish = WaitingWish.objects.get()
    assert wish.state == WaitingWish.State.BOOKED
    assert wish.reservation is not None
    assert wish.reservation.starts_at == start


def test_leaving_the_wait_list_takes_the_wish_away(desk: Page, world: World, portal: Portal) -> None:
    start = tomorrow(9)
    book_lease(world.gpu, starts_at=start, hours=2)
    window = {"from": start.isoformat(), "to": (start + timedelta(hours=2)).isoformat()}
    desk.goto(address(portal, line_for(world), hours=2, **window))
    desk.get_by_role("button", name="Tell me when it frees up").click()
    expect(desk.get_by_text("You are number 1 in line")).to_be_visible()
    desk.goto(f"{portal.url}/mine/")
    desk.get_by_role("button", name="Leave the wait list").click()
    expect(desk.get_by_text("Number 1 in line.")).to_have_count(0)
    assert WaitingWish.objects.get().state == WaitingWish.State.LEFT


def test_it_is_accessible_and_a_phone_is_enough(desk: Page, world: World, portal: Portal) -> None:
    desk.goto(address(portal, "2*gpu", line_for(world), hours=2))
    expect(desk.get_by_role("article").first).to_be_visible()
    assert_accessible(desk)
    desk.set_viewport_size({"width": 390, "height": 844})
    too_wide = desk.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert too_wide <= 0
    small = desk.evaluate(
        "[...document.querySelectorAll('#find :is(button, select, input:not([type=checkbox]))')]"
        ".filter((one) => one.checkVisibility() && one.getBoundingClientRect().height < 44).map((one) => one.outerHTML)"
    )
    assert small == []
