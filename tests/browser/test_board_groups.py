"""The board with many devices: groups, what is loaded, and hearing of changes."""

import re

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from reservations.services.asks import Ask
from reservations.services.changes import cancel
from reservations.services.holds import HoldRequest, hold
from tests.browser.conftest import Portal, World, line_of, open_day, tomorrow
from tests.factories import book_lease, make_project, make_resource, make_site, make_user

pytestmark = pytest.mark.browser


def test_devices_are_grouped_as_the_viewer_chooses_and_the_address_keeps_it(
    desk: Page, world: World, portal: Portal
) -> None:
    desk.goto(f"{portal.url}/")
    expect(desk.locator(".line.outer .name")).to_have_text(["Athens", "Roma"])
    desk.get_by_label("Group by").select_option("model")
    expect(desk.locator(".line.outer .name")).to_have_text(["A100", "L40S"])
    expect(desk.locator(".line.inner .name")).to_have_text(["Roma", "Athens", "Roma"])
    expect(desk.locator(".line.outer .count")).to_have_text(["1", "3"])
    expect(desk).to_have_url(re.compile("group=model"))
    desk.get_by_role("button", name="Close L40S").click()
    expect(line_of(desk, world.gpu)).to_have_count(0)
    expect(line_of(desk, world.part)).to_have_count(1)
    desk.reload()
    expect(desk.locator(".line.outer .name")).to_have_text(["A100", "L40S"])
    expect(line_of(desk, world.gpu)).to_have_count(0)


def test_a_group_says_how_many_of_its_devices_are_free_over_time(
    desk: Page, world: World, portal: Portal
) -> None:
    book_lease(world.gpu, starts_at=tomorrow(9), hours=4)
    open_day(desk, portal, tomorrow(9))
    steps = desk.locator('[data-line="site:rome"] .free-step')
    expect(steps).to_have_count(3)
    assert [steps.nth(n).get_attribute("title") for n in range(3)] == [
        "3 of 3 free",
        "2 of 3 free",
        "3 of 3 free",
    ]


def test_jumping_to_the_end_loads_what_is_there_and_not_what_lies_between(
    desk: Page, world: World, portal: Portal
) -> None:
    tokyo = make_site("tokyo", name="Tokyo")
    for number in range(1, 401):
        last = make_resource(tokyo, name=f"H200 {number}")
    asked: list[str] = []
    desk.on("request", lambda request: asked.append(request.url) if "/calendar/?" in request.url else None)
    desk.goto(f"{portal.url}/")
    line_of(desk, world.far).wait_for()
    desk.get_by_role("grid").evaluate("(node) => { node.scrollTop = node.scrollHeight; }")
    line_of(desk, last).wait_for()
    # The head of the site stays in sight, and what was passed over was never asked for.
    expect(desk.locator(".above .outer .name")).to_have_text("Tokyo")
    assert not any(f"offset={offset}&" in url for url in asked for offset in (180, 240))
    assert desk.locator(".line").count() < 60


def test_a_change_by_somebody_else_appears_without_asking(desk: Page, world: World, portal: Portal) -> None:
    open_day(desk, portal, tomorrow(9))
    with desk.expect_response(
        lambda answer: answer.url.endswith("/calendar/stream/"), timeout=60_000
    ) as answer:
        pass
    assert answer.value.status == 200
    lease = book_lease(world.gpu, starts_at=tomorrow(9), hours=2)
    entry = line_of(desk, world.gpu).locator(".entry")
    # Without the stream the next look would come after a quarter of a minute, beside it after ninety seconds.
    expect(entry).to_have_attribute("data-state", "scheduled", timeout=60_000)
    cancel(reservation_id=lease.reservation_id, actor=lease.reservation.holder, now=timezone.now())
    expect(entry).to_have_count(0, timeout=60_000)


def test_what_is_held_by_somebody_is_seen_by_others(desk: Page, world: World, portal: Portal) -> None:
    other = make_user(projects=[make_project()])
    window = {"starts_at": tomorrow(9), "ends_at": tomorrow(11)}
    hold(HoldRequest(user=other, asks=[Ask(resource=world.gpu.pk)], **window), now=timezone.now())
    open_day(desk, portal, tomorrow(9))
    entry = line_of(desk, world.gpu).locator(".entry")
    expect(entry).to_have_attribute("data-state", "hold")
    expect(entry).to_have_attribute("aria-label", re.compile(r"Held, held, .*09:00 – 11:00, .*until"))
    entry.click()
    expect(desk.get_by_text("Somebody is about to book it.")).to_be_visible()
