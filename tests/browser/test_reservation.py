"""The page of a reservation: what operators do there, and that it follows what happens elsewhere."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import BrowserContext, Page, expect

from reservations.models import Lease, Proof
from reservations.services.approval import approve_lease, reject_lease
from reservations.states import Status
from tests.browser.conftest import ROME, Portal, World, tomorrow
from tests.factories import (
    book_lease,
    make_reservation,
    make_ssh_key,
    make_user,
    next_hour,
    walk_lease,
)

pytestmark = pytest.mark.browser


def open_page(page: Page, portal: Portal, lease: Lease) -> None:
    page.set_default_timeout(15_000)
    page.goto(f"{portal.url}/reservations/{lease.reservation_id}/")
    page.locator(".lease").first.wait_for()


def asked(world: World, **more: Any) -> Lease:
    return book_lease(
        world.gpu,
        holder=world.user,
        project=world.project,
        starts_at=tomorrow(9),
        status=Status.REQUESTED,
        purpose="Ring",
        **more,
    )


def stuck(world: World) -> Lease:
    return book_lease(
        world.gpu,
        holder=world.user,
        project=world.project,
        starts_at=next_hour() - timedelta(hours=3),
        status=Status.RELEASE_FAILED,
        purpose="Ring",
    )


@pytest.fixture
def operator(page: Page, world: World, sign_in: Any, faults: list[str]) -> Page:
    """A page on which an operator of the world's first site is signed in."""
    sign_in(make_user("operator", operates=[world.rome]))
    return page


def test_an_operator_approves(operator: Page, world: World, portal: Portal) -> None:
    lease = asked(world)
    open_page(operator, portal, lease)
    operator.get_by_label("Reason, for the record").fill("Welcome")
    operator.get_by_role("button", name="Approve").click()
    expect(operator.locator(".state.big")).to_contain_text("scheduled")
    expect(operator.get_by_role("button", name="Approve")).to_have_count(0)
    event = Lease.objects.get(pk=lease.pk).events.get(to=Status.SCHEDULED)
    assert (event.actor.username, event.reason) == ("operator", "Welcome")


def test_an_operator_rejects_with_a_reason(operator: Page, world: World, portal: Portal) -> None:
    lease = asked(world)
    open_page(operator, portal, lease)
    operator.get_by_role("button", name="Reject").click()
    expect(operator.get_by_label("Reason, for the record")).to_be_focused()
    lease.refresh_from_db()
    assert lease.status == Status.REQUESTED
    operator.get_by_label("Reason, for the record").fill("The rack moves that day")
    operator.get_by_role("button", name="Reject").click()
    expect(operator.locator(".state.big")).to_contain_text("rejected")
    operator.get_by_text("History").click()
    expect(operator.get_by_text("The rack moves that day")).to_be_visible()


def test_an_operator_has_it_cleaned_again(operator: Page, world: World, portal: Portal) -> None:
    lease = stuck(world)
    open_page(operator, portal, lease)
    expect(operator.locator('.station[aria-current="step"]')).to_contain_text("blocked")
    operator.get_by_role("button", name="Clean it again").click()
    expect(operator.locator('.station[aria-current="step"]')).to_contain_text("cleaning")
    lease.refresh_from_db()
    assert lease.status == Status.RELEASING


def test_an_operator_vouches_only_with_words(operator: Page, world: World, portal: Portal) -> None:
    lease = stuck(world)
    open_page(operator, portal, lease)
    operator.get_by_role("button", name="I checked: it is clean").click()
    expect(operator.get_by_label("Reason, for the record")).to_be_focused()
    operator.get_by_label("Reason, for the record").fill("Wiped by hand")
    operator.get_by_role("button", name="I checked: it is clean").click()
    expect(operator.locator(".state.big")).to_contain_text("over")
    lease.refresh_from_db()
    assert lease.status == Status.RELEASED


def test_the_holder_has_no_buttons_of_operators(desk: Page, world: World, portal: Portal) -> None:
    open_page(desk, portal, asked(world))
    expect(desk.get_by_role("button", name="Cancel…")).to_be_visible()
    expect(desk.get_by_text("For operators")).to_have_count(0)


def test_the_page_follows_what_happens_elsewhere(desk: Page, world: World, portal: Portal) -> None:
    operator = make_user("operator", operates=[world.rome])
    lease = asked(world)
    with desk.expect_response("**/stream/"):
        open_page(desk, portal, lease)
    desk.evaluate("window.notReloaded = true")
    expect(desk.locator(".state.big")).to_contain_text("asked")

    approve_lease(lease_id=lease.pk, actor=operator, now=timezone.now())
    expect(desk.locator(".state.big")).to_contain_text("scheduled")
    walk_lease(lease, Status.ACTIVE, first=Status.SCHEDULED)
    expect(desk.locator(".state.big")).to_contain_text("active")
    expect(desk.get_by_text("Sign in with your ssh key.")).to_be_visible()
    assert desk.evaluate("window.notReloaded") is True


def test_a_rejection_elsewhere_reaches_the_page_as_well(desk: Page, world: World, portal: Portal) -> None:
    operator = make_user("operator", operates=[world.rome])
    lease = asked(world)
    with desk.expect_response("**/stream/"):
        open_page(desk, portal, lease)
    reject_lease(lease_id=lease.pk, actor=operator, reason="No power", now=timezone.now())
    expect(desk.locator(".state.big")).to_contain_text("rejected")


def test_the_project_has_its_name_and_times_the_viewers_zone(desk: Page, world: World, portal: Portal) -> None:
    lease = book_lease(
        world.gpu, holder=world.user, project=world.project, starts_at=tomorrow(9), purpose="Ring"
    )
    open_page(desk, portal, lease)
    expect(desk.locator(".summary")).to_contain_text("Network group")
    expect(desk.locator(".step")).to_contain_text(re.compile(r"Preparation begins .*08:59 Europe/Rome\."))


def test_somebody_without_a_key_is_told_until_there_is_one(
    desk: Page, world: World, portal: Portal, context: BrowserContext
) -> None:
    lease = asked(world)
    open_page(desk, portal, lease)
    notice = desk.get_by_text("You have no ssh key yet.")
    expect(notice).to_be_visible()
    with context.expect_page() as opened:
        desk.get_by_role("link", name="Add one").click()
    expect(opened.value).to_have_url(f"{portal.url}/account/keys/")
    make_ssh_key(world.user)
    opened.value.close()
    desk.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(notice).to_have_count(0)


def running(world: World, **more: Any) -> Lease:
    """Return a lease that runs, with hours before and after it."""
    start = next_hour() - timedelta(hours=2)
    return book_lease(
        world.gpu,
        holder=world.user,
        project=world.project,
        starts_at=start,
        hours=4,
        status=Status.ACTIVE,
        **more,
    )


def test_the_latest_end_is_said_with_what_comes_then_and_taken_back_again(
    desk: Page, world: World, portal: Portal
) -> None:
    lease = running(world)
    book_lease(world.gpu, starts_at=lease.ends_at + timedelta(hours=3))
    open_page(desk, portal, lease)
    expect(desk.locator(".latest")).to_contain_text("then others have a device of it")
    desk.get_by_role("button", name="Extend…").click()
    desk.get_by_role("button", name="+ 30 min").click()
    expect(desk.locator(".toast")).to_contain_text("It now ends")
    lease.refresh_from_db()
    assert lease.ends_at == lease.starts_at + timedelta(hours=4, minutes=30)
    desk.get_by_role("button", name="Undo").click()
    expect(desk.locator(".toast")).to_contain_text("Taken back.")
    lease.refresh_from_db()
    assert lease.ends_at == lease.starts_at + timedelta(hours=4)
    desk.get_by_text("History").click()
    expect(desk.locator(".history")).to_contain_text("Extended until")


def test_one_that_has_not_started_is_moved_and_moved_back(desk: Page, world: World, portal: Portal) -> None:
    lease = book_lease(world.gpu, holder=world.user, project=world.project, starts_at=tomorrow(9))
    open_page(desk, portal, lease)
    desk.get_by_role("button", name="Move…").click()
    desk.get_by_label("New start, Europe/Rome").fill(f"{tomorrow(14).astimezone(ROME):%Y-%m-%dT%H:%M}")
    desk.get_by_role("button", name="Move", exact=True).click()
    expect(desk.locator(".toast")).to_contain_text("It is now")
    lease.refresh_from_db()
    assert lease.starts_at == tomorrow(14)
    desk.get_by_role("button", name="Undo").click()
    expect(desk.locator(".toast")).to_contain_text("Taken back.")
    lease.refresh_from_db()
    assert lease.starts_at == tomorrow(9)


def test_the_ssh_configuration_is_saved_while_access_is_open(desk: Page, world: World, portal: Portal) -> None:
    make_ssh_key(world.user)
    lease = running(world)
    open_page(desk, portal, lease)
    with desk.expect_download() as download:
        desk.get_by_role("link", name="Save the ssh configuration").click()
    assert "HostName gpu1.uni-a.example" in Path(download.value.path()).read_text()


def test_a_bundle_has_one_line_of_life_and_one_history(desk: Page, world: World, portal: Portal) -> None:
    reservation = make_reservation(
        [world.gpu, world.spare],
        holder=world.user,
        project=world.project,
        starts_at=next_hour() - timedelta(hours=2),
        hours=5,
        status=Status.ACTIVE,
    )
    open_page(desk, portal, reservation.leases.first())
    whole = desk.get_by_role("list", name="Line of life of the reservation")
    expect(whole.locator('[aria-current="step"]')).to_contain_text("active")
    expect(desk.locator(".lease .life")).to_have_count(2)
    desk.get_by_text("History").click()
    expect(desk.locator(".history li").first).to_contain_text("all 2 devices")


def test_after_the_end_it_says_that_the_devices_were_proven_clean(
    desk: Page, world: World, portal: Portal
) -> None:
    lease = book_lease(
        world.gpu,
        holder=world.user,
        project=world.project,
        starts_at=next_hour() - timedelta(hours=5),
        status=Status.RELEASED,
    )
    Proof.objects.create(
        lease=lease,
        resource=world.gpu,
        epoch=lease.epoch,
        is_clean=True,
        checks=[{"name": "memory", "expected": "empty", "found": "empty", "passed": True, "method": "nvml"}],
        verified_at=lease.ends_at,
        verifier="worker of roma",
        digest="a" * 64,
    )
    open_page(desk, portal, lease)
    expect(desk.get_by_text("Its device was proven clean.")).to_be_visible()
    expect(desk.get_by_role("link", name="Save for my calendar")).to_have_count(0)


def test_the_desk_leads_to_access_with_one_tap(desk: Page, world: World, portal: Portal) -> None:
    lease = running(world, purpose="Training")
    desk.set_viewport_size({"width": 390, "height": 844})
    desk.goto(f"{portal.url}/mine/")
    expect(desk.get_by_text("You have no ssh key:")).to_be_visible()
    desk.get_by_role("link", name="Access to “Training”").click()
    expect(desk).to_have_url(f"{portal.url}/reservations/{lease.reservation_id}/#access")
    expect(desk.locator(".access")).to_be_in_viewport()
