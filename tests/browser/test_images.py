"""The pictures in the README, taken from the portal as it is: `SHARY_IMAGES=1 pytest tests/browser/test_images.py`."""

import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page

from reservations.states import Status
from resources.models import MaintenanceWindow, Resource, Site
from tests.browser.conftest import Portal, World, tomorrow
from tests.factories import book_lease, make_resource, make_site, make_ssh_key, next_hour

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not os.environ.get("SHARY_IMAGES"), reason="Takes pictures only when SHARY_IMAGES is set."
    ),
]

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
MOST_BYTES = 300 * 1024


def device(site: Site, name: str, model: str, kind: str = "gpu", adapter: str = "gpu_lxd") -> Resource:
    return make_resource(site, name=name, kind=kind, adapter=adapter, attributes={"model": model})


def at(day: int, hour: int = 0) -> datetime:
    """Return an hour of a day from tomorrow on, which is day 1."""
    return tomorrow(hour) + timedelta(days=day - 1)


def fill(world: World) -> None:
    """Put a busy week on the board, in all states."""
    osaka = make_site("osaka", name="Osaka", time_zone="Asia/Tokyo")
    switch, nic = ("p4_switch", "p4_switch"), ("smart_nic", "smart_nic_bluefield")
    first = device(osaka, "H100 1", "NVIDIA H100")
    second = device(osaka, "H100 2", "NVIDIA H100")
    edge = device(osaka, "Edge switch", "BMv2", *switch)
    tofino = device(world.rome, "Tofino 1", "Tofino 2", *switch)
    bluefield = device(world.rome, "BlueField 1", "BlueField-3", *nic)
    other_nic = device(world.athens, "BlueField 2", "BlueField-2", *nic)
    now = next_hour() - timedelta(hours=2)

    def book(resource: Resource, start: datetime, hours: float, **facts: Any) -> None:
        book_lease(resource, starts_at=start, hours=hours, **facts)

    def mine(resource: Resource, start: datetime, hours: float, purpose: str, **facts: Any) -> None:
        book(resource, start, hours, holder=world.user, project=world.project, purpose=purpose, **facts)

    mine(world.far, now, 22, "Warm-up run", status=Status.ACTIVE)
    book(world.far, at(2, 6), 44)
    mine(world.far, at(4, 8), 34, "Ring all-reduce")
    book(other_nic, now, 30, status=Status.ACTIVE)
    mine(other_nic, at(2, 12), 30, "Offload of TLS")
    book(other_nic, at(4, 8), 34)

    book(first, now, 54, status=Status.ACTIVE)
    mine(first, at(3, 6), 48, "Fine-tuning, part 2", status=Status.REQUESTED)
    mine(second, at(1, 0), 40, "Fine-tuning, part 1")
    book(second, at(3, 6), 26)
    book(second, at(5, 0), 40)
    mine(edge, at(3, 6), 48, "Telemetry in the path", status=Status.REQUESTED)
    book(edge, now, 18, status=Status.RELEASING)

    book(world.whole, at(4, 0), 50)
    mine(world.part, now, 40, "Inference at night", status=Status.ACTIVE)
    mine(world.gpu, now, 30, "Aggregation in the switch", status=Status.ACTIVE)
    mine(world.spare, now, 30, "Aggregation in the switch", status=Status.ACTIVE)
    book(world.gpu, at(2, 8), 30)
    mine(world.gpu, at(4, 8), 34, "Ring all-reduce")
    book(world.spare, at(3, 0), 62)
    mine(tofino, now, 30, "Aggregation in the switch", status=Status.PROVISIONING)
    mine(tofino, at(4, 8), 34, "Ring all-reduce")
    book(tofino, at(2, 8), 36)
    book(bluefield, now - timedelta(hours=8), 7, status=Status.RELEASE_FAILED)
    MaintenanceWindow.objects.create(
        resource=bluefield, starts_at=at(2, 8), ends_at=at(3, 18), reason="New firmware"
    )
    mine(bluefield, at(4, 8), 34, "Ring all-reduce")
    make_ssh_key(world.user)
    Site.objects.update(last_heard_at=timezone.now())


def test_the_board_has_its_picture_taken(desk: Page, world: World, portal: Portal) -> None:
    fill(world)
    IMAGES.mkdir(parents=True, exist_ok=True)
    desk.set_viewport_size({"width": 1280, "height": 840})
    for scheme, name in (("light", "board.png"), ("dark", "board-dark.png")):
        desk.emulate_media(color_scheme=scheme)
        desk.goto(f"{portal.url}/")
        desk.locator(".entry").first.wait_for()
        desk.wait_for_load_state("networkidle")
        desk.screenshot(path=IMAGES / name)
        assert 10_000 < (IMAGES / name).stat().st_size < MOST_BYTES
