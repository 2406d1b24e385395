"""An operator's work in a real browser: decide, look first, take back, and let another confirm."""

import os
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from accounts.models import User
from reservations.models import Lease, MaintenancePlan
from reservations.states import Status
from resources.models import Resource, Site
from tests.browser.conftest import Portal, SignIn, World
from tests.factories import book_lease, make_user, next_hour

pytestmark = pytest.mark.browser

ROME = ZoneInfo("Europe/Rome")
KNOWN = {"landmark-unique", "landmark-banner-is-top-level", "region", "page-has-heading-one", "heading-order"}
"""What the theme's own frame does to its landmarks and headings, on every page of the desk."""


@pytest.fixture
def operator(world: World) -> User:
    return make_user("operator", operates=[world.rome], time_zone="Europe/Rome")


@pytest.fixture
def at_desk(page: Page, operator: User, sign_in: SignIn, faults: list[str]) -> Page:
    """A page on which the operator of Roma is signed in."""
    sign_in(operator)
    page.set_default_timeout(20_000)
    return page


def assert_sound(page: Page) -> None:
    """No findings in light and dark, and nothing wider than a phone."""
    shots = os.environ.get("SHARY_SHOTS")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.evaluate(f"document.documentElement.classList.toggle('dark', {str(scheme == 'dark').lower()})")
        if shots:
            name = page.title().split(" |")[0].replace(" ", "-").replace("/", "-")[:40]
            page.screenshot(path=f"{shots}/{name}-{scheme}.png", full_page=True)
        found = Axe().run(page, context="#content").response
        assert found["passes"], "axe looked at nothing"
        wrong = [
            f"{scheme}: {one['id']}: {node['html'][:160]} {node['failureSummary']}"
            for one in found["violations"]
            if one["id"] not in KNOWN
            for node in one["nodes"]
        ]
        assert not wrong, "\n".join(wrong)
    page.evaluate("document.documentElement.classList.remove('dark')")
    page.set_viewport_size({"width": 390, "height": 844})
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if shots:
        page.screenshot(path=f"{shots}/{name}-phone.png", full_page=True)
    assert wide <= 0, f"{page.url} is {wide} px wider than a phone"
    page.set_viewport_size({"width": 1280, "height": 800})


def test_today_decides_with_one_click_and_a_reason(at_desk: Page, world: World, portal: Portal) -> None:
    first = book_lease(world.gpu, status=Status.REQUESTED, starts_at=next_hour(after_h=9))
    second = book_lease(world.spare, status=Status.REQUESTED, starts_at=next_hour(after_h=9))
    book_lease(world.whole, status=Status.RELEASE_FAILED, starts_at=next_hour() - timedelta(hours=9))
    Resource.objects.filter(pk=world.spare.pk).update(health="unhealthy", health_detail="hot")
    at_desk.goto(f"{portal.url}/admin/")
    assert_sound(at_desk)
    at_desk.get_by_label(f"A word to the holder of {first.resource}").fill("Welcome")
    row = at_desk.get_by_role("listitem").filter(has_text=str(first.resource))
    row.get_by_role("button", name="Approve").click()
    expect(at_desk.get_by_text("approved.")).to_be_visible()
    at_desk.get_by_label(f"A word to the holder of {second.resource}").fill("Being painted")
    row = at_desk.get_by_role("listitem").filter(has_text=str(second.resource))
    row.get_by_role("button", name="Reject").click()
    expect(at_desk.get_by_text("rejected.")).to_be_visible()
    assert at_desk.url == f"{portal.url}/admin/"
    for lease, status, words in (
        (first, Status.SCHEDULED, "Welcome"),
        (second, Status.REJECTED, "Being painted"),
    ):
        lease.refresh_from_db()
        assert (lease.status, lease.events.last().reason) == (status, words)


def test_today_follows_what_happens_by_itself(at_desk: Page, world: World, portal: Portal) -> None:
    Site.objects.filter(pk=world.rome.pk).update(last_heard_at=next_hour(after_h=2))
    at_desk.clock.install()
    at_desk.goto(f"{portal.url}/admin/")
    expect(at_desk.get_by_text("Nothing waits for you")).to_be_visible()
    book_lease(world.gpu, status=Status.REQUESTED, starts_at=next_hour(after_h=9))
    at_desk.clock.run_for(25_000)
    expect(at_desk.get_by_role("heading", name="Waiting for approval")).to_be_visible()


def test_maintenance_shows_whom_it_displaces_and_is_taken_back(
    at_desk: Page, world: World, portal: Portal
) -> None:
    lease = book_lease(world.gpu, starts_at=next_hour(after_h=30))
    at_desk.goto(f"{portal.url}/admin/maintenance/plan/rome/")
    at_desk.get_by_role("checkbox", name="L40S 1").check()
    starts = lease.starts_at.astimezone(ROME)
    at_desk.get_by_label("From").fill(f"{starts:%Y-%m-%dT%H:%M}")
    at_desk.get_by_label("Until").fill(f"{starts + timedelta(hours=3):%Y-%m-%dT%H:%M}")
    at_desk.get_by_label("What is done").fill("New fan")
    at_desk.get_by_role("button", name="See whom it displaces").click()
    expect(at_desk.get_by_text("It displaces 1 lease")).to_be_visible()
    expect(at_desk.get_by_label("Where L40S 1 goes")).to_have_value(str(world.spare.pk))
    assert_sound(at_desk)
    assert not MaintenancePlan.objects.exists()
    at_desk.get_by_role("button", name="Plan it and displace 1 lease").click()
    expect(at_desk.get_by_text("Moved: Roma · L40S 2")).to_be_visible()
    lease.refresh_from_db()
    assert lease.resource == world.spare
    assert_sound(at_desk)
    at_desk.get_by_role("button", name="Call it off").click()
    expect(at_desk.get_by_text("moved back")).to_be_visible()
    lease.refresh_from_db()
    assert lease.resource == world.gpu


def test_a_policy_says_what_it_would_have_refused(at_desk: Page, world: World, portal: Portal) -> None:
    for hours in (2, 30):
        book_lease(world.gpu, starts_at=next_hour(after_h=3 * hours), hours=hours)
    at_desk.goto(f"{portal.url}/admin/policy/rome/")
    at_desk.get_by_label("Longest lease").fill("1 00:00:00")
    at_desk.get_by_role("button", name="See what it would have meant").click()
    expect(at_desk.get_by_text("This would have refused 1 of last month’s 2 bookings.")).to_be_visible()
    assert_sound(at_desk)
    at_desk.get_by_role("button", name="Save the policy").click()
    expect(at_desk.get_by_text("Longest lease: no limit → 1 d")).to_be_visible()
    assert Site.objects.get(pk=world.rome.pk).longest_lease == timedelta(days=1)


def test_an_import_names_row_and_column_of_what_is_wrong(at_desk: Page, world: World, portal: Portal) -> None:
    at_desk.goto(f"{portal.url}/admin/devices/import/")
    at_desk.get_by_text("Or paste its text").click()
    at_desk.get_by_label("Text", exact=True).fill("name,kind,adapter\nL40S 1,toaster,gpu_lxd\n")
    at_desk.get_by_role("button", name="See the differences").click()
    row = at_desk.get_by_role("row").filter(has_text="kind")
    expect(row.filter(has_text="drives: gpu").first).to_be_visible()
    expect(at_desk.get_by_text("Nothing is imported as long as a row is wrong.")).to_be_visible()
    expect(at_desk.get_by_role("button", name="Import", exact=True)).to_have_count(0)
    assert_sound(at_desk)


def test_retry_and_vouch_stand_with_the_log_and_vouching_takes_two(
    at_desk: Page, world: World, portal: Portal, sign_in: SignIn
) -> None:
    Site.objects.filter(pk=world.rome.pk).update(second_person=True)
    start = next_hour() - timedelta(hours=9)
    lease = book_lease(world.gpu, status=Status.RELEASE_FAILED, starts_at=start)
    at_desk.goto(f"{portal.url}/admin/reservations/lease/{lease.pk}/change/")
    expect(at_desk.get_by_role("region", name="Log of this lease")).to_be_visible()
    expect(at_desk.get_by_role("link", name="Retry release")).to_be_visible()
    at_desk.get_by_role("link", name="Vouch: it is clean").click()
    at_desk.get_by_label("How you made sure").fill("Powered off")
    at_desk.get_by_role("button", name="Vouch: it is clean").click()
    expect(at_desk.get_by_text("has to confirm it").first).to_be_visible()
    assert Lease.objects.get().status == Status.RELEASE_FAILED
    sign_in(make_user("colleague", operates=[world.rome]))
    at_desk.goto(f"{portal.url}/admin/")
    at_desk.get_by_role("link", name="Look and confirm").click()
    expect(at_desk.get_by_text("Their words: “Powered off”")).to_be_visible()
    assert_sound(at_desk)
    at_desk.get_by_label("How you made sure").fill("Memory tested")
    at_desk.get_by_role("button", name="Vouch: it is clean").click()
    expect(at_desk.get_by_text("vouched for").first).to_be_visible()
    assert Lease.objects.get().status == Status.RELEASED
