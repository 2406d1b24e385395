"""Choosing one's messages in a browser."""

import re
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from reservations.messages.letters import unsubscribe_address
from reservations.models import MessageChoices
from tests.browser.conftest import Portal, World
from tests.browser.test_accessibility import SMALL, assert_accessible

pytestmark = pytest.mark.browser


def test_every_choice_is_kept_at_once(desk: Page, world: World, portal: Portal) -> None:
    desk.goto(f"{portal.url}/account/notifications/")
    desk.get_by_role("checkbox", name=re.compile("^Ready")).check()
    expect(desk.get_by_text("You get “Ready”.")).to_be_visible()
    desk.get_by_label("Before a start").select_option("60")
    expect(desk.get_by_text("Kept.")).to_be_visible()
    choices = MessageChoices.objects.get(user=world.user)
    assert (choices.wanted, choices.start_lead) == ({"ready": True}, timedelta(hours=1))
    desk.reload()
    expect(desk.get_by_role("checkbox", name=re.compile("^Ready"))).to_be_checked()
    expect(desk.get_by_label("Before a start")).to_have_value("60")


def test_what_everybody_must_hear_cannot_be_switched_off(desk: Page, world: World, portal: Portal) -> None:
    desk.goto(f"{portal.url}/account/notifications/")
    expect(desk.get_by_label("Your account and your projects", exact=False)).to_be_disabled()


def test_a_letter_s_own_address_stops_its_kind_after_a_question(
    page: Page, world: World, portal: Portal, faults: list[str]
) -> None:
    path = unsubscribe_address(world.user, "booked").partition("8000")[2]
    page.goto(f"{portal.url}{path}")
    assert not MessageChoices.objects.exists()
    page.get_by_role("button", name="Stop them").click()
    expect(page.get_by_role("heading", name="Stopped")).to_be_visible()
    assert MessageChoices.objects.get(user=world.user).wanted == {"booked": False}


def test_the_page_is_accessible_and_fits_a_phone(desk: Page, world: World, portal: Portal) -> None:
    desk.goto(f"{portal.url}/account/notifications/")
    expect(desk.get_by_label("Before an end")).to_be_visible()
    assert_accessible(desk)
    desk.set_viewport_size({"width": 390, "height": 844})
    desk.reload()
    expect(desk.get_by_label("Before an end")).to_be_visible()
    assert desk.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert desk.evaluate(SMALL) == []
