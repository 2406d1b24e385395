"""The portal is light: what a first visit carries, in bytes and requests, and how many nodes a long board has."""

import gzip
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Request

from accounts.models import User
from tests.browser.conftest import Portal, World, line_of, tomorrow
from tests.factories import book_lease, make_resource

pytestmark = pytest.mark.browser

BUDGET = 150_000

# Of each page: how many bytes may come, packed, and how many requests there may be. What is added has to be worth it.
BUDGETS = {
    "/": (110_000, 70),
    "/accounts/login/": (40_000, 20),
    "/mine/": (40_000, 30),
    "/reservations/{reservation}/": (70_000, 45),
}


@pytest.mark.parametrize("path", BUDGETS)
def test_a_first_visit_keeps_to_its_budget(
    page: Page, world: World, portal: Portal, sign_in: Callable[[User], None], faults: list[str], path: str
) -> None:
    lease = book_lease(world.gpu, holder=world.user, project=world.project, starts_at=tomorrow(9))
    if path != "/accounts/login/":
        sign_in(world.user)
    # A stream of events never finishes, and waiting for its body would not either.
    finished: list[Request] = []
    page.on("requestfinished", lambda request: finished.append(request))
    page.goto(portal.url + path.format(reservation=lease.reservation_id))
    page.wait_for_load_state("networkidle")
    answers = [answer for request in list(finished) if (answer := request.response()) is not None]
    sizes = {answer.url: len(gzip.compress(answer.body())) for answer in answers if answer.status == 200}
    assert sum(url.endswith(".js") for url in sizes) > 2, "the page's code was not among what came"
    most_bytes, most_requests = BUDGETS[path]
    found = f"{sum(sizes.values()):,} bytes in {len(answers)} requests: {sizes}"
    assert sum(sizes.values()) <= min(most_bytes, BUDGET), found
    assert len(answers) <= most_requests, found


@pytest.mark.parametrize("path", ["/", "/mine/", "/reservations/{reservation}/"])
def test_the_page_names_every_module_that_it_will_load(
    desk: Page, world: World, portal: Portal, path: str
) -> None:
    lease = book_lease(world.gpu, holder=world.user, project=world.project, starts_at=tomorrow(9))
    loaded: list[str] = []
    desk.on("response", lambda answer: loaded.append(answer.url) if answer.url.endswith(".js") else None)
    desk.goto(portal.url + path.format(reservation=lease.reservation_id))
    desk.wait_for_load_state("networkidle")
    named = desk.evaluate(
        "[...document.querySelectorAll('link[rel=modulepreload], script[src]')].map((node) => node.href ?? node.src)"
    )
    assert len(named) > 4
    assert set(loaded) == set(named)
    assert len(loaded) == len(set(loaded)), "a module came twice"


def test_a_long_board_draws_only_what_is_visible(desk: Page, world: World, portal: Portal) -> None:
    for number in range(10, 260):
        last = make_resource(world.rome, name=f"L40S {number}")
    desk.goto(f"{portal.url}/")
    line_of(desk, world.far).wait_for()
    assert desk.locator(".line").count() < 60
    # Scrolling on loads the second page of rows and takes away what has left the screen.
    grid = desk.get_by_role("grid")
    for _ in range(40):
        if line_of(desk, last).count():
            break
        grid.evaluate("(node) => { node.scrollTop += 600; }")
        desk.wait_for_load_state("networkidle")
    line_of(desk, last).wait_for()
    assert desk.locator(".line").count() < 60
