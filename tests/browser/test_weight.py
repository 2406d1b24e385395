"""The portal is light: what a first visit carries, and how many nodes a long board has."""

import gzip

import pytest
from playwright.sync_api import Page, Response

from tests.browser.conftest import Portal, World, line_of
from tests.factories import make_resource

pytestmark = pytest.mark.browser

BUDGET = 150_000


def test_a_first_visit_weighs_less_than_150_kilobytes(desk: Page, world: World, portal: Portal) -> None:
    answers: list[Response] = []
    desk.on("response", lambda answer: answers.append(answer))
    desk.goto(f"{portal.url}/")
    desk.wait_for_load_state("networkidle")
    sizes = {answer.url: len(gzip.compress(answer.body())) for answer in answers if answer.status == 200}
    assert any(url.endswith("board.js") for url in sizes), "the board's code was not among what came"
    assert sum(sizes.values()) < BUDGET, sizes


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
