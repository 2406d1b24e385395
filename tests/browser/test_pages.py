"""The pages beside the board: signing in, one's desk, a reservation, a resource, keys."""

import re
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from accounts.models import PersonalToken
from reservations.states import Status
from tests.browser.conftest import Portal, World, tomorrow
from tests.factories import book_lease, make_reservation, next_hour

pytestmark = pytest.mark.browser


def test_signing_in_leads_to_the_board_and_out_again(
    page: Page, world: World, faults: list[str], portal: Portal
) -> None:
    page.goto(f"{portal.url}/")
    expect(page).to_have_url(re.compile("/accounts/login/"))
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("alert").filter(has_text="password")).to_be_visible()
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill("a-long-password")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.locator(".line.device").first).to_be_visible()
    expect(page.get_by_text("Successfully signed in")).to_have_count(0)

    page.get_by_title("Account").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()


def test_one_click_fills_in_an_account_of_the_demonstration(
    page: Page, world: World, settings: Any, client: Any, faults: list[str], portal: Portal
) -> None:
    settings.SHARY_DEMONSTRATION_ACCOUNTS = [
        {"email": world.user.email, "password": "a-long-password", "role": "books devices"}
    ]
    served = client.get("/accounts/login/")
    policy = {"Content-Security-Policy": served.headers["Content-Security-Policy"]}
    page.route(
        "**/accounts/login/",
        lambda route: (
            route.fulfill(body=served.content, content_type="text/html", headers=policy)
            if route.request.method == "GET"
            else route.continue_()
        ),
    )
    page.context.add_cookies(
        [{"name": "csrftoken", "value": served.cookies["csrftoken"].value, "url": portal.url}]
    )
    page.goto(f"{portal.url}/accounts/login/")
    page.get_by_role("button", name=world.user.email).click()
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.locator(".line.device").first).to_be_visible()


def test_a_running_lease_shows_its_access_and_how_far_it_came(
    desk: Page, world: World, portal: Portal, context: BrowserContext
) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    lease = book_lease(
        world.gpu,
        holder=world.user,
        project=world.project,
        starts_at=next_hour() - timedelta(hours=2),
        hours=6,
        status=Status.ACTIVE,
        purpose="Ring",
    )
    desk.goto(f"{portal.url}/reservations/{lease.reservation_id}/")
    expect(desk.get_by_role("heading", name="Ring")).to_be_visible()
    expect(desk.locator('.station[aria-current="step"]')).to_contain_text("active")
    expect(desk.get_by_text(re.compile(r"\d+:\d\d:\d\d left"))).to_be_visible()
    expect(desk.get_by_text("Sign in with your ssh key.")).to_be_visible()
    desk.get_by_role("button", name="Copy Shell password").click()
    expect(desk.get_by_text("Copied")).to_be_visible()
    assert desk.evaluate("navigator.clipboard.readText()") == "opens-sesame"
    desk.get_by_text("History").click()
    expect(desk.get_by_text("Handed over")).to_be_visible()


def test_before_it_opens_a_lease_says_when_and_where(desk: Page, world: World, portal: Portal) -> None:
    lease = book_lease(
        world.far, holder=world.user, project=world.project, starts_at=tomorrow(9), purpose="Far"
    )
    desk.goto(f"{portal.url}/reservations/{lease.reservation_id}/")
    expect(desk.get_by_text("Access opens at 09:00 Europe/Rome")).to_be_visible()
    expect(desk.get_by_text(re.compile(r"10:00 – 11:00 Europe/Athens"))).to_be_visible()


def test_a_reservation_is_extended_and_cancelled_on_its_page(desk: Page, world: World, portal: Portal) -> None:
    reservation = make_reservation(
        [world.gpu], holder=world.user, project=world.project, starts_at=tomorrow(9), hours=2, purpose="Ring"
    )
    desk.goto(f"{portal.url}/reservations/{reservation.pk}/")
    desk.get_by_role("button", name="Extend…").click()
    desk.get_by_role("button", name="+ 2 h").click()
    expect(desk.get_by_text(re.compile("09:00 – 13:00"))).to_be_visible()
    reservation.refresh_from_db()
    assert reservation.ends_at == tomorrow(13)

    desk.get_by_role("button", name="Cancel…").click()
    expect(desk.get_by_text("Cancel this reservation for good?")).to_be_visible()
    desk.get_by_role("button", name="Cancel it").click()
    expect(desk.locator(".state.big")).to_contain_text("cancelled")
    assert reservation.leases.get().status == Status.CANCELLED


def test_the_desk_sorts_what_runs_comes_and_is_over(desk: Page, world: World, portal: Portal) -> None:
    desk.goto(f"{portal.url}/mine/")
    expect(desk.get_by_text("You have no reservations yet.")).to_be_visible()
    mine = {"holder": world.user, "project": world.project}
    book_lease(
        world.gpu,
        **mine,
        starts_at=next_hour() - timedelta(hours=2),
        hours=6,
        status=Status.ACTIVE,
        purpose="Now",
    )
    book_lease(world.spare, **mine, starts_at=tomorrow(9), purpose="Later")
    book_lease(world.whole, **mine, starts_at=tomorrow(9), status=Status.REQUESTED, purpose="Perhaps")
    book_lease(
        world.far, **mine, starts_at=tomorrow(9) - timedelta(days=9), status=Status.RELEASED, purpose="Before"
    )
    desk.reload()
    for title, purpose in (
        ("Running now", "Now"),
        ("Waiting for approval", "Perhaps"),
        ("Next", "Later"),
        ("Past", "Before"),
    ):
        expect(
            desk.get_by_role("region", name=title).get_by_role("link", name=purpose, exact=True)
        ).to_be_visible()


def test_a_resource_shows_what_it_is_and_books_from_its_own_board(
    desk: Page, world: World, portal: Portal
) -> None:
    desk.goto(f"{portal.url}/resources/{world.whole.pk}/")
    expect(desk.get_by_role("heading", name="A100 1")).to_be_visible()
    expect(desk.get_by_role("region", name="What it is")).to_contain_text("80")
    expect(desk.get_by_role("region", name="Parts")).to_contain_text("A100 1, slice 1")
    expect(desk.locator(f'[data-line="{world.whole.pk}"]')).to_be_visible()
    expect(desk.locator(f'[data-line="{world.gpu.pk}"]')).to_have_count(0)


def test_keys_are_checked_and_tokens_shown_once(desk: Page, world: World, portal: Portal) -> None:
    desk.goto(f"{portal.url}/account/keys/")
    desk.get_by_label("Public key").fill("not a key")
    desk.get_by_role("button", name="Add the key").click()
    expect(desk.get_by_label("Public key")).to_have_attribute("aria-invalid", "true")
    desk.get_by_role("region", name="Tokens for scripts").get_by_label("Name").fill("nightly")
    desk.get_by_role("button", name="Make a token").click()
    expect(desk.get_by_text(re.compile("^shy_"))).to_be_visible()
    assert PersonalToken.objects.get().name == "nightly"
    desk.reload()
    expect(desk.get_by_role("cell", name="nightly", exact=True)).to_be_visible()
    expect(desk.get_by_text(re.compile("^shy_"))).to_have_count(0)


def test_an_address_that_does_not_exist_leads_back(
    page: Page, world: World, sign_in: Any, portal: Portal
) -> None:
    sign_in(world.user)
    answer = page.goto(f"{portal.url}/no/such/page/")
    assert answer is not None
    assert answer.status == 404
    page.get_by_role("link", name="To the board", exact=True).click()
    expect(page.locator(".line.device").first).to_be_visible()


def test_the_theme_is_remembered(desk: Page, world: World, portal: Portal) -> None:
    desk.emulate_media(color_scheme="light")
    desk.goto(f"{portal.url}/mine/")
    desk.get_by_role("button", name="Use the dark theme").click()
    desk.reload()
    assert desk.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
