"""What people do again and again: series, templates, hand-over."""

from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from reservations.models import Lease, Reservation, Series, Template
from tests.browser.conftest import Portal, World, line_of, tomorrow
from tests.browser.test_accessibility import SMALL, assert_accessible
from tests.factories import book_lease, make_user, next_hour

pytestmark = pytest.mark.browser


def begin(desk: Page, portal: Portal, world: World) -> None:
    """Open the booking form with one device, tomorrow from nine to eleven."""
    desk.goto(f"{portal.url}/?view=week&zone=Europe/Rome")
    line_of(desk, world.gpu).wait_for()
    desk.get_by_role("button", name="Book", exact=True).click()
    desk.get_by_role("button", name="Add L40S 1 to the booking").click(force=True)
    for name, hour in (("From", 9), ("To", 11)):
        field = desk.get_by_label(name, exact=True)
        field.fill(f"{tomorrow(12):%Y-%m-%d}T{hour:02}:00")
        field.dispatch_event("change")
    desk.get_by_label("Purpose").fill("Labs")


def repeat_daily(desk: Page, times: int) -> None:
    desk.get_by_text("Repeat…").click()
    desk.get_by_label("Unit").select_option("day")
    desk.get_by_label("Times", exact=True).fill(str(times))
    desk.get_by_label("Times", exact=True).dispatch_event("change")
    desk.get_by_role("button", name="Show each occurrence").click()


def test_a_series_is_shown_with_its_conflict_decided_and_booked(
    desk: Page, world: World, portal: Portal
) -> None:
    other = make_user()
    book_lease(world.gpu, holder=other, starts_at=tomorrow(10) + timedelta(days=1), purpose="In the way")
    begin(desk, portal, world)
    repeat_daily(desk, 3)
    expect(desk.locator(".occurrence")).to_have_count(3)
    conflict = desk.locator('.occurrence[data-outlook="conflict"]')
    expect(conflict).to_contain_text("is taken until")
    expect(desk.get_by_role("button", name="Book 2 occurrences")).to_be_disabled()
    assert_accessible(desk)
    conflict.get_by_role("button", name="Skip").click()
    expect(desk.locator('.occurrence[data-outlook="skipped"]')).to_have_count(1)
    desk.get_by_role("button", name="Book 2 occurrences").click()
    expect(desk.get_by_role("heading", name="Labs")).to_be_visible()
    expect(desk.get_by_role("region", name="Occurrences").get_by_role("listitem")).to_have_count(3)
    series = Series.objects.get()
    assert series.zone == "Europe/Rome"
    assert f"/series/{series.pk}/" in desk.url
    starts = sorted(Lease.objects.filter(reservation__series=series).values_list("starts_at", flat=True))
    assert starts == [tomorrow(9), tomorrow(9) + timedelta(days=2)]
    assert_accessible(desk)


def test_an_occurrence_in_conflict_goes_to_another_device(desk: Page, world: World, portal: Portal) -> None:
    book_lease(world.gpu, starts_at=tomorrow(9))
    begin(desk, portal, world)
    repeat_daily(desk, 2)
    desk.locator('.occurrence[data-outlook="conflict"]').get_by_role("combobox").select_option(
        label="Roma · L40S 2"
    )
    desk.get_by_role("button", name="Book 2 occurrences").click()
    expect(desk.get_by_role("heading", name="Labs")).to_be_visible()
    leases = Lease.objects.filter(reservation__series__isnull=False).order_by("starts_at")
    assert [lease.resource_id for lease in leases] == [world.spare.pk, world.gpu.pk]


def test_a_series_is_extended_and_the_rest_cancelled(desk: Page, world: World, portal: Portal) -> None:
    begin(desk, portal, world)
    repeat_daily(desk, 2)
    desk.get_by_role("button", name="Book 2 occurrences").click()
    desk.get_by_role("button", name="Extend or change…").click()
    last = tomorrow(12) + timedelta(days=3)
    desk.get_by_label("Last day").fill(f"{last:%Y-%m-%d}")
    desk.get_by_label("Last day").dispatch_event("change")
    desk.get_by_role("button", name="Show each occurrence").click()
    expect(desk.locator('.occurrence[data-outlook="kept"]')).to_have_count(2)
    expect(desk.locator('.occurrence[data-outlook="free"]')).to_have_count(2)
    desk.get_by_role("button", name="Change the series").click()
    expect(desk.get_by_text("4 occurrences to come or running")).to_be_visible()
    desk.get_by_role("button", name="Cancel the rest…").click()
    desk.get_by_role("button", name="Cancel the rest", exact=True).click()
    expect(desk.get_by_text("The rest was cancelled")).to_be_visible()
    assert not Lease.objects.exclude(status="CANCELLED").exists()


def test_a_template_is_kept_in_the_form_and_used(desk: Page, world: World, portal: Portal) -> None:
    begin(desk, portal, world)
    desk.get_by_text("Save as template…").click()
    desk.get_by_label("Name", exact=True).fill("My usual experiment")
    desk.get_by_role("button", name="Save", exact=True).click()
    expect(desk.get_by_text("Kept under Templates")).to_be_visible()
    assert Template.objects.get().duration_s == 7200
    desk.goto(f"{portal.url}/templates/")
    expect(desk.get_by_role("heading", name="My usual experiment")).to_be_visible()
    assert_accessible(desk)
    desk.get_by_role("link", name="Use My usual experiment").click()
    expect(desk.get_by_label("Purpose")).to_have_value("Labs")
    desk.get_by_role("button", name="Book 1 device").click()
    expect(desk.get_by_role("heading", name="Booked")).to_be_visible()
    lease = Lease.objects.get()
    assert lease.resource_id == world.gpu.pk
    assert lease.ends_at - lease.starts_at == timedelta(hours=2)


def test_a_template_is_renamed_shared_and_deleted(desk: Page, world: World, portal: Portal) -> None:
    lease = book_lease(world.gpu, holder=world.user, project=world.project, purpose="Labs")
    desk.goto(f"{portal.url}/reservations/{lease.reservation_id}/")
    desk.get_by_text("Save as template…").click()
    desk.get_by_role("button", name="Save", exact=True).click()
    expect(desk.get_by_text("Kept under Templates: Labs.")).to_be_visible()
    desk.goto(f"{portal.url}/templates/")
    desk.get_by_role("button", name="Edit Labs").click()
    desk.get_by_label("Name", exact=True).fill("Ours")
    desk.get_by_label("Share it with the project").check()
    desk.get_by_role("button", name="Save", exact=True).click()
    expect(desk.get_by_role("heading", name="Ours")).to_be_visible()
    assert Template.objects.get().is_shared
    desk.get_by_role("button", name="Delete Ours").click()
    desk.get_by_role("button", name="Delete Ours for good").click()
    expect(desk.get_by_text("No templates yet.")).to_be_visible()
    assert not Template.objects.exists()


def test_a_reservation_is_offered_and_taken_over(
    desk: Page, world: World, portal: Portal, sign_in: Any
) -> None:
    grace = make_user("grace", projects=[world.project], first_name="Grace", last_name="H.")
    lease = book_lease(world.gpu, holder=world.user, project=world.project, purpose="Labs")
    address = f"{portal.url}/reservations/{lease.reservation_id}/"
    desk.goto(address)
    desk.get_by_role("button", name="Hand over…").click()
    expect(desk.get_by_label("To whom in Network group")).to_be_visible()
    assert_accessible(desk)
    desk.get_by_role("button", name="Offer it").click()
    expect(desk.get_by_text("Offered to Grace H.; it waits for an answer.")).to_be_visible()
    sign_in(grace)
    desk.goto(f"{portal.url}/mine/")
    desk.get_by_role("link", name="Answer").click()
    desk.get_by_role("button", name="Take it over").click()
    expect(desk.get_by_text("You hold it now.")).to_be_visible()
    assert Reservation.objects.get().holder == grace


def test_the_pages_fit_a_phone(desk: Page, world: World, portal: Portal) -> None:
    desk.set_viewport_size({"width": 390, "height": 844})
    lease = book_lease(world.gpu, holder=world.user, project=world.project, starts_at=next_hour(after_h=9))
    series = Series.objects.create(
        project=world.project,
        holder=world.user,
        first_on=lease.starts_at.date(),
        last_on=lease.starts_at.date(),
        start="09:00",
        end="10:00",
        zone="UTC",
        lines=[{"resource": str(world.gpu.pk)}],
    )
    Reservation.objects.update(series=series, occurrence_on=series.first_on)
    Template.objects.create(
        project=world.project, owner=world.user, name="Usual", duration_s=3600, lines=series.lines
    )
    for path, words in ((f"/series/{series.pk}/", "Occurrences"), ("/templates/", "Usual")):
        desk.goto(f"{portal.url}{path}")
        expect(desk.get_by_role("heading", name=words)).to_be_visible()
        assert desk.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        assert desk.evaluate(SMALL) == [], path
