"""The files of a lease: a failed trial is seen, better files are given, and the project keeps its versions."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from adapters import emulators
from adapters.contract import Check
from adapters.contract import Rehearsal as Outcome
from adapters.contract.wire import Report
from reservations.models import Artefact, Lease, Rehearsal
from reservations.services.artefacts import accept_artefact
from reservations.services.engine.rehearsals import plan_rehearsals, take_rehearsed
from tests.browser.conftest import Portal, World, tomorrow
from tests.factories import book_lease, make_resource

pytestmark = pytest.mark.browser

EXAMPLE = Path(emulators.__file__).parent / "p4runtime" / "example"
FILES = {"p4info": "forward.p4info.txtpb", "device_config": "forward.json"}


@pytest.fixture
def lease(world: World) -> Lease:
    switch = make_resource(
        world.rome, name="Switch 1", kind="p4_switch", adapter="p4_switch", attributes={"model": "BMv2"}
    )
    lease = book_lease(
        switch, holder=world.user, project=world.project, starts_at=tomorrow(9), purpose="In-network sums"
    )
    for name, filename in FILES.items():
        lease.artefacts.add(upload(world, name, filename, (EXAMPLE / filename).read_bytes()))
    plan_rehearsals([lease], now=timezone.now())
    return lease


def upload(world: World, name: str, filename: str, content: bytes) -> Artefact:
    return accept_artefact(
        user=world.user,
        project=world.project.slug,
        adapter="p4_switch",
        name=name,
        filename=filename,
        content=content,
    )


def answer(lease: Lease, *steps: tuple[str, str, bool]) -> None:
    """Have the site say how the trial went."""
    checks = tuple(Check(name=name, expected="it works", found=found, passed=ok) for name, found, ok in steps)
    outcome = Outcome(
        passed=all(check.passed for check in checks), steps=checks, stage="an emulated P4Runtime switch"
    )
    report = Report(
        site=lease.resource.site.slug,
        event="rehearsed",
        at=timezone.now(),
        lease_id=str(lease.pk),
        rehearsal=outcome,
        detail={"order": str(Rehearsal.objects.get(lease=lease).order)},
    )
    take_rehearsed(report, site=lease.resource.site, now=timezone.now())


def open_page(page: Page, portal: Portal, lease: Lease) -> None:
    page.set_default_timeout(15_000)
    page.goto(f"{portal.url}/reservations/{lease.reservation_id}/")
    page.locator(".lease").first.wait_for()


def test_a_failed_trial_is_seen_and_better_files_are_tried(
    desk: Page, world: World, portal: Portal, lease: Lease, tmp_path: Path
) -> None:
    with desk.expect_response("**/stream/"):
        open_page(desk, portal, lease)
    files = desk.locator(".files")
    expect(files).to_contain_text("Waiting for Roma to try these files")

    answer(lease, ("push", "it took it", True), ("table Forward.mac", "no action of this table", False))
    expect(files.get_by_role("alert").first).to_contain_text("The lease would fail with these files")
    expect(files).to_contain_text("table Forward.mac: no action of this table")
    expect(desk.get_by_text("For operators")).to_have_count(0)

    files.get_by_text("Give it other files…").click()
    bad = tmp_path / "bad.p4info.txtpb"
    bad.write_text("tables {")
    files.get_by_label(re.compile("^P4Info keeps")).set_input_files(bad)
    expect(files.get_by_text("bad.p4info.txtpb: This is no P4Info")).to_be_visible()
    expect(files.get_by_role("button", name="Use these files")).to_be_disabled()

    good = tmp_path / "forward.p4info.txtpb"
    good.write_bytes((EXAMPLE / "forward.p4info.txtpb").read_bytes() + b"\n# mended\n")
    files.get_by_label(re.compile("^P4Info keeps")).set_input_files(good)
    expect(files.get_by_text("Accepted: forward.p4info.txtpb, version 2")).to_be_visible()
    files.get_by_role("button", name="Use these files").click()
    expect(files).to_contain_text("Waiting for Roma to try these files")
    expect(files.locator("dl")).to_contain_text("forward.p4info.txtpb version 2")
    assert Rehearsal.objects.get(lease=lease).state == "waiting"

    answer(lease, ("push", "it took it", True))
    expect(files).to_contain_text("They work on an emulated P4Runtime switch")


def test_a_file_of_the_project_is_picked_instead_of_uploaded(
    desk: Page, world: World, portal: Portal, lease: Lease
) -> None:
    better = upload(
        world, "p4info", "other.p4info.txtpb", (EXAMPLE / FILES["p4info"]).read_bytes() + b"\n# x\n"
    )
    open_page(desk, portal, lease)
    files = desk.locator(".files")
    files.get_by_text("Give it other files…").click()
    files.get_by_label("P4Info of the project").select_option(label="other.p4info.txtpb, version 1")
    files.get_by_role("button", name="Use these files").click()
    expect(files.locator("dl")).to_contain_text("other.p4info.txtpb version 1")
    assert lease.artefacts.get(name="p4info") == better


def test_the_files_of_a_project_have_a_page_with_versions_and_origin(
    desk: Page, world: World, portal: Portal, lease: Lease, faults: Any
) -> None:
    spare = upload(world, "p4info", FILES["p4info"], (EXAMPLE / FILES["p4info"]).read_bytes() + b"\n# 2\n")
    desk.goto(f"{portal.url}/artefacts/")
    block = desk.get_by_role("region", name="Network group")
    expect(block.get_by_role("row")).to_have_count(4)
    expect(block).to_contain_text("forward.p4info.txtpb version 2")
    expect(block).to_contain_text("Uploaded by ada")
    block.get_by_role("button", name="Delete forward.p4info.txtpb, version 2").click()
    block.get_by_role("button", name="Delete it").click()
    expect(block.get_by_role("row")).to_have_count(3)
    assert not Artefact.objects.filter(pk=spare.pk).exists()
