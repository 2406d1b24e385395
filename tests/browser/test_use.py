"""Measured use on the page of a reservation: drawn, said, read by keyboard, and kept current."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from adapters.contract.values import UseBlock
from adapters.contract.wire import Report
from reservations.models import Lease
from reservations.services.engine.reports import take_report
from reservations.states import Status
from tests.browser.conftest import ROME, Portal, World
from tests.browser.test_accessibility import assert_accessible
from tests.factories import book_lease

pytestmark = pytest.mark.browser

LOAD = "utilisation_percent"


@pytest.fixture
def lease(world: World) -> Lease:
    starts_at = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=100)
    lease = book_lease(
        world.gpu,
        holder=world.user,
        project=world.project,
        starts_at=starts_at,
        hours=6,
        status=Status.ACTIVE,
        purpose="Ring",
    )
    Lease.objects.filter(pk=lease.pk).update(opened_at=starts_at)
    lease.refresh_from_db()
    return lease


def measure(lease: Lease, columns: dict[str, Sequence[float | None]], **facts: Any) -> None:
    now = datetime.now(UTC)
    block = UseBlock(
        began_at=lease.starts_at, step_s=60, columns={name: tuple(values) for name, values in columns.items()}
    )
    report = Report(
        site=lease.resource.site.slug,
        event="used",
        at=now,
        lease_id=str(lease.pk),
        epoch=lease.epoch,
        use=block,
        **facts,
    )
    take_report(report, site=lease.resource.site, now=now)


def open_page(page: Page, portal: Portal, lease: Lease) -> None:
    page.goto(f"{portal.url}/reservations/{lease.reservation_id}/")
    page.locator(".use").wait_for()


def clock_of(moment: datetime) -> str:
    return f"{moment.astimezone(ROME):%H:%M}"


def test_the_page_shows_and_says_how_the_device_is_used(desk: Page, portal: Portal, lease: Lease) -> None:
    measure(
        lease,
        {
            LOAD: [80.0] * 40 + [None] * 10 + [0.0] * 50,
            f"{LOAD}_max": [95.0] * 40 + [None] * 10 + [0.0] * 50,
            "memory_used_mib": [20480.0] * 40 + [None] * 10 + [20480.0] * 50,
            "memory_total_mib": [46068.0] * 100,
            "power_w": [250.0] * 40 + [None] * 10 + [250.0] * 50,
        },
    )
    open_page(desk, portal, lease)
    use = desk.get_by_role("region", name="Use")
    since = clock_of(lease.starts_at + timedelta(minutes=50))
    expect(use).to_contain_text("36 % busy on average, measured over 1 h 30 min.")
    expect(use).to_contain_text(re.compile(rf"Idle since .*{since}"))
    expect(use).to_contain_text("Shaded: nothing was seen.")
    chart = use.get_by_role("group", name="Use over time.")
    expect(chart).to_contain_text("of 45.0 GiB")
    expect(chart.locator(".use-now")).to_have_text(["0 %", "20.0 GiB", "250 W"])
    assert chart.locator(".use-gap").first.get_attribute("width") == "100"


def test_arrow_keys_read_single_moments_aloud(desk: Page, portal: Portal, lease: Lease) -> None:
    measure(lease, {LOAD: [10.0, 20.0, 30.0], "power_w": [100.0, 200.0, None]})
    open_page(desk, portal, lease)
    chart = desk.get_by_role("group", name="Use over time.")
    chart.focus()
    chart.press("Home")
    status = chart.get_by_role("status")
    expect(status).to_contain_text(f"{clock_of(lease.starts_at)}: Utilisation 10 %, Power 100 W")
    chart.press("ArrowRight")
    expect(status).to_contain_text("Utilisation 20 %, Power 200 W")
    chart.press("End")
    expect(status).to_contain_text("Utilisation 30 %, Power not measured")
    expect(chart.locator(".use-mark").first).to_be_visible()
    chart.press("Escape")
    expect(chart.locator(".use-mark").first).to_be_hidden()


def test_the_same_numbers_are_there_as_a_table_and_as_a_file(desk: Page, portal: Portal, lease: Lease) -> None:
    measure(lease, {LOAD: [10.0] * 24 + [50.0] * 24, "0000:65:00.0 power_w": [61.0] * 48})
    open_page(desk, portal, lease)
    desk.get_by_text("As a table").click()
    rows = desk.locator(".use-table tbody tr")
    expect(rows).to_have_count(24)
    expect(rows.first).to_contain_text("50 %")
    expect(rows.last).to_contain_text(clock_of(lease.starts_at))
    with desk.expect_download() as download:
        desk.get_by_role("link", name="CSV").click()
    assert len(download.value.path().read_text().splitlines()) == 49


def test_new_numbers_appear_by_themselves_and_close_no_form(desk: Page, portal: Portal, lease: Lease) -> None:
    measure(lease, {LOAD: [10.0]})
    open_page(desk, portal, lease)
    expect(desk.locator(".use-words")).to_contain_text("10 % busy")
    desk.get_by_role("button", name="Shorten…").click()
    form = desk.get_by_label(re.compile("New end"))
    form.fill("2030-01-01T10:00")
    measure(lease, {LOAD: [10.0, 90.0]})
    expect(desk.locator(".use-words")).to_contain_text("50 % busy", timeout=20_000)
    expect(form).to_have_value("2030-01-01T10:00")


def test_what_cannot_be_measured_is_said(desk: Page, portal: Portal, lease: Lease) -> None:
    open_page(desk, portal, lease)
    expect(desk.locator(".use")).to_contain_text("Not measured: this device does not tell how it is used")
    why = "The card is inside a virtual machine."
    measure(lease, {}, detail={"unmeasured": why})
    expect(desk.locator(".use")).to_contain_text("Not measured: the card is inside a", timeout=20_000)
    measure(lease, {"cpu_seconds_per_s": [2.5]}, detail={"unmeasured": why})
    expect(desk.locator(".use")).to_contain_text("load is not measured: the card is inside", timeout=20_000)
    expect(desk.locator(".use-now")).to_have_text(["2.5 cores"])


def test_before_access_is_open_there_is_nothing_to_show(desk: Page, portal: Portal, world: World) -> None:
    lease = book_lease(world.gpu, holder=world.user, project=world.project)
    desk.goto(f"{portal.url}/reservations/{lease.reservation_id}/")
    desk.locator(".lease").wait_for()
    expect(desk.locator(".use")).to_have_count(0)


def test_each_card_of_a_host_is_listed(desk: Page, portal: Portal, lease: Lease) -> None:
    measure(lease, {f"0000:65:00.0 {LOAD}": [20.0] * 60, f"0000:b1:00.0 {LOAD}": [60.0] * 60})
    open_page(desk, portal, lease)
    expect(desk.locator(".use-words")).to_contain_text("40 % busy on average, measured over 1 h on 2 cards.")
    desk.get_by_text("Each card").click()
    expect(desk.locator(".use-cards li")).to_have_text(
        [re.compile("65:00.0.*20 %"), re.compile("b1:00.0.*60 %")]
    )


def test_the_page_fits_a_phone(desk: Page, portal: Portal, lease: Lease) -> None:
    measure(lease, {LOAD: [30.0] * 90, "memory_used_mib": [600.0] * 90})
    desk.set_viewport_size({"width": 360, "height": 740})
    open_page(desk, portal, lease)
    desk.locator(".use-chart").wait_for()
    assert desk.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    plot = desk.locator(".use-plot").first.bounding_box()
    assert plot is not None
    assert plot["width"] > 280


def test_the_chart_and_its_table_are_accessible(desk: Page, portal: Portal, lease: Lease) -> None:
    measure(lease, {LOAD: [80.0] * 20 + [None] * 5 + [0.0] * 75, "power_w": [90.0] * 100})
    open_page(desk, portal, lease)
    desk.get_by_text("As a table").click()
    desk.locator(".use-idle").wait_for()
    assert_accessible(desk)
