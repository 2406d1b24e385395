"""What SHARY is for, in the browser: cards, a switch and a smart NIC of two sites, in one booking."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from adapters import emulators
from reservations.models import Lease, Reservation
from tests.browser.conftest import Portal, World, drag, line_of, open_day, spot, tomorrow
from tests.factories import book_lease, make_resource, make_ssh_key

pytestmark = pytest.mark.browser

EXAMPLE = Path(emulators.__file__).parent / "p4runtime" / "example"


def test_two_cards_a_switch_and_a_smart_nic_are_booked_together(
    page: Page, world: World, faults: list[str], portal: Portal
) -> None:
    switch = make_resource(
        world.athens, name="Tofino 1", kind="p4_switch", adapter="p4_switch", attributes={"model": "Tofino"}
    )
    nic = make_resource(
        world.athens,
        name="BlueField 1",
        kind="smart_nic",
        adapter="smart_nic_bluefield",
        attributes={"model": "BlueField-3"},
    )
    page.set_default_timeout(15_000)
    page.goto(f"{portal.url}/accounts/login/?next=/%3Fview=day%26date={tomorrow(9):%Y-%m-%d}")
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill("a-long-password")
    page.get_by_role("button", name="Sign in", exact=True).click()

    line_of(page, world.gpu).wait_for()
    drag(page, spot(page, world.gpu, tomorrow(10, 4)), spot(page, world.spare, tomorrow(14)))
    panel = page.get_by_role("complementary")
    expect(panel.get_by_text("You have no ssh key yet.")).to_be_visible()
    for device in (switch, nic):
        line_of(page, device).hover()
        page.get_by_role("button", name=f"Add {device.name} to the booking").click()
    panel.get_by_label("Purpose").fill("Aggregation in the switch")
    panel.get_by_role("button", name="Book 4 devices").click()
    expect(panel.get_by_role("alert")).to_contain_text("Still missing: P4Info, Device configuration.")

    panel.get_by_label("P4Info").set_input_files(EXAMPLE / "forward.json")
    expect(panel.get_by_label("P4Info")).to_have_attribute("aria-invalid", "true")
    panel.get_by_label("P4Info").set_input_files(EXAMPLE / "forward.p4info.txtpb")
    expect(panel.get_by_text("Accepted: forward.p4info.txtpb")).to_be_visible()
    panel.get_by_label("Device configuration").set_input_files(EXAMPLE / "forward.json")
    expect(panel.get_by_text("Accepted: forward.json")).to_be_visible()
    expect(panel.get_by_title("Free for the whole window")).to_have_count(4)
    panel.get_by_role("button", name="Book 4 devices").click()

    expect(panel.get_by_role("heading", name="Booked")).to_be_visible()
    reservation = Reservation.objects.get()
    leases = {lease.resource_id: lease for lease in reservation.leases.all()}
    assert set(leases) == {world.gpu.pk, world.spare.pk, switch.pk, nic.pk}
    assert (reservation.starts_at, reservation.ends_at) == (tomorrow(10), tomorrow(14))
    assert reservation.purpose == "Aggregation in the switch"
    files = leases[switch.pk].artefacts.values_list("filename", flat=True)
    assert set(files) == {"forward.p4info.txtpb", "forward.json"}
    for device in (world.gpu, world.spare, switch, nic):
        expect(line_of(page, device).locator(".entry[data-mine]")).to_have_count(1)

    panel.get_by_role("link", name="Open the reservation").click()
    expect(page.get_by_role("region", name="Athens · Tofino 1")).to_be_visible()
    expect(page.locator(".lease")).to_have_count(4)


def test_an_entry_is_stretched_by_its_edge_and_undo_brings_it_back(
    desk: Page, world: World, portal: Portal
) -> None:
    make_ssh_key(world.user)
    lease = book_lease(
        world.gpu, holder=world.user, project=world.project, starts_at=tomorrow(9), hours=2, purpose="Ring"
    )
    open_day(desk, portal, tomorrow(9))
    line_of(desk, world.gpu).locator(".entry").wait_for()
    x, y = spot(desk, world.gpu, tomorrow(11))
    drag(desk, (x - 3, y), spot(desk, world.gpu, tomorrow(13)))

    toast = desk.get_by_role("status").filter(has_text="Now ")
    expect(toast).to_contain_text("09:00 – 13:00")
    lease.refresh_from_db()
    assert (lease.starts_at, lease.ends_at) == (tomorrow(9), tomorrow(13))
    toast.get_by_role("button", name="Undo").click()
    expect(desk.get_by_text("Taken back.")).to_be_visible()
    lease.refresh_from_db()
    assert lease.ends_at - lease.starts_at == timedelta(hours=2)
    entry = line_of(desk, world.gpu).locator(".entry")
    expect(entry).to_have_attribute("aria-label", re.compile("09:00 – 11:00"))
    assert Lease.objects.count() == 1
