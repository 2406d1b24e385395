"""The pictures in the README, taken from the portal as it is: `SHARY_IMAGES=1 pytest tests/browser/test_images.py`."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import Page

from reservations.states import Status
from resources.models import Site
from tests.browser.conftest import Portal, World, tomorrow
from tests.factories import book_lease, make_resource, make_site, next_hour

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not os.environ.get("SHARY_IMAGES"), reason="Takes pictures only when SHARY_IMAGES is set."
    ),
]

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"


def test_the_board_has_its_picture_taken(desk: Page, world: World, portal: Portal) -> None:
    porto = make_site("porto", name="Porto", time_zone="Europe/Lisbon")
    now = next_hour() - timedelta(hours=2)
    mine = {"holder": world.user, "project": world.project}
    switch = {"kind": "p4_switch", "adapter": "p4_switch"}
    nic = {"kind": "smart_nic", "adapter": "smart_nic_redfish"}
    tofino = make_resource(world.rome, name="Tofino 1", attributes={"model": "Tofino"}, **switch)
    soft = make_resource(world.athens, name="bmv2 1", attributes={"model": "bmv2"}, **switch)
    bluefield = make_resource(world.athens, name="BlueField 1", attributes={"model": "BlueField-3"}, **nic)
    other = make_resource(porto, name="H100 1", attributes={"model": "H100"})
    book_lease(world.gpu, **mine, starts_at=now, hours=20, status=Status.ACTIVE, purpose="Fine-tuning")
    book_lease(world.gpu, starts_at=now + timedelta(hours=40), hours=30)
    book_lease(world.spare, starts_at=now, hours=34, status=Status.ACTIVE)
    book_lease(world.spare, **mine, starts_at=now + timedelta(hours=52), hours=26, purpose="Ring all-reduce")
    book_lease(world.whole, starts_at=now + timedelta(hours=20), hours=30)
    book_lease(
        tofino, **mine, starts_at=tomorrow(9), hours=30, status=Status.REQUESTED, purpose="INT telemetry"
    )
    book_lease(soft, starts_at=now, hours=12, status=Status.RELEASING)
    book_lease(soft, **mine, starts_at=tomorrow(12), hours=28, purpose="P4 course")
    book_lease(bluefield, **mine, starts_at=now, hours=26, status=Status.PROVISIONING, purpose="Offload")
    book_lease(world.far, starts_at=tomorrow(3), hours=50)
    book_lease(other, starts_at=now, hours=60, status=Status.ACTIVE)
    Site.objects.update(last_heard_at=timezone.now())
    IMAGES.mkdir(parents=True, exist_ok=True)
    for scheme, name in (("light", "board.png"), ("dark", "board-dark.png")):
        desk.emulate_media(color_scheme=scheme)
        desk.goto(f"{portal.url}/")
        desk.locator(".entry").first.wait_for()
        desk.wait_for_load_state("networkidle")
        desk.screenshot(path=IMAGES / name)
        assert (IMAGES / name).stat().st_size > 10_000
