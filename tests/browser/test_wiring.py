"""The picture of how a reservation's devices are wired, and the wish that they are."""

from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from reservations.models import Lease, VlanAllotment
from resources.models import Cable, Resource
from tests.browser.conftest import Portal, World, drag, open_day, spot, tomorrow
from tests.factories import make_reservation, make_resource

pytestmark = pytest.mark.browser


def test_a_reservation_shows_its_links_as_a_picture_and_as_words(
    page: Page, world: World, portal: Portal, sign_in: Any, faults: list[str]
) -> None:
    switch, host, other = (
        make_resource(world.rome, name=name, kind=kind)
        for name, kind in (("Tofino 1", "p4_switch"), ("Host L40S", "gpu_host"), ("BlueField-3", "smart_nic"))
    )
    lone: Resource = make_resource(world.rome, name="Lone card")
    tagged = Cable.objects.create(a=switch, a_port="1/0", b=host, b_port="eth2", speed_gbps=100)
    Cable.objects.create(a=switch, a_port="3/0", b=other, b_port="p0", speed_gbps=200)
    made = make_reservation(
        [switch, host, other, lone], holder=world.user, project=world.project, starts_at=tomorrow(9)
    )
    VlanAllotment.objects.create(
        reservation=made, cable=tagged, site=world.rome, vlan=204, occupies=(made.starts_at, made.ends_at)
    )
    sign_in(world.user)
    page.set_default_timeout(15_000)
    page.goto(f"{portal.url}/reservations/{made.pk}/")
    wired = page.get_by_role("region", name="How it is wired")
    expect(wired.get_by_role("listitem")).to_have_text(
        [
            "Tofino 1 port 1/0 ↔ Host L40S port eth2, 100 Gbit/s, VLAN 204",
            "Tofino 1 port 3/0 ↔ BlueField-3 port p0, 200 Gbit/s",
        ]
    )
    expect(wired.get_by_text("No cable to the others is known of Lone card.")).to_be_visible()
    expect(wired.locator(".wiring-device")).to_have_count(3)
    expect(wired.locator(".wiring-cable.tagged")).to_have_count(1)
    page.set_viewport_size({"width": 375, "height": 720})
    picture = wired.locator(".wiring-picture")
    page.wait_for_function("document.querySelector('.wiring-picture').getAttribute('width') < 360")
    expect(picture).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    page.goto(f"{portal.url}/resources/{switch.pk}/")
    expect(wired.get_by_role("listitem")).to_have_text(
        [
            "Tofino 1 port 1/0 ↔ Host L40S port eth2, 100 Gbit/s",
            "Tofino 1 port 3/0 ↔ BlueField-3 port p0, 200 Gbit/s",
        ]
    )
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_devices_that_have_to_be_wired_are_booked_only_when_they_are(
    desk: Page, world: World, portal: Portal
) -> None:
    start = tomorrow(9)
    open_day(desk, portal, start)
    drag(desk, spot(desk, world.gpu, start), spot(desk, world.spare, start + timedelta(hours=2)))
    panel = desk.locator("form.booking")
    panel.get_by_label("They have to be wired to each other").check()
    book = desk.get_by_role("button", name="Book 2 devices")
    book.click()
    expect(panel.get_by_role("alert")).to_contain_text("are not joined")
    assert not Lease.objects.exists()
    Cable.objects.create(a=world.gpu, a_port="eth0", b=world.spare, b_port="eth0", speed_gbps=100)
    book.click()
    expect(desk.get_by_role("heading", name="Booked")).to_be_visible()
    assert Lease.objects.count() == 2
