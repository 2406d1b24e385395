"""Cutting cards into slices: planned around bookings, carried out once, entered as the site found it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from adapters.catalogue import CATALOGUE
from adapters.contract import FoundDevice
from adapters.contract.wire import Failure, Report
from reservations.errors import IllegalMove, Invalid, LeasesInTheWay, NotAllowed
from reservations.models import CalendarEntry, GeometryChange, OutgoingMail, OutgoingOrder
from reservations.services import maintenance
from reservations.services.engine.geometry import press_geometry
from reservations.services.engine.orders import reshape_order
from reservations.services.engine.reports import take_report
from reservations.services.geometry import cancel_geometry, look_ahead, plan_geometry
from reservations.states import Status
from resources.models import MaintenanceWindow, Resource
from tests.factories import book_lease, make_resource, make_site, make_user, next_epoch, next_hour

pytestmark = pytest.mark.django_db

H100 = "NVIDIA H100 80GB HBM3"
SETTINGS = {
    "endpoint": "https://gpu1.uni-a.example:8443",
    "certificate_secret": "lxd.crt",
    "key_secret": "lxd.key",
    "server_certificate_secret": "lxd-server.crt",
    "image": "ubuntu-gpu",
    "instance_type": "container",
    "pci": "0000:65:00.0",
    "nvml_is_local": True,
}


@pytest.fixture(autouse=True)
def reshaping_adapter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CATALOGUE, "gpu_lxd", replace(CATALOGUE["gpu_lxd"], can_reshape=True))


@pytest.fixture
def operator() -> User:
    return make_user()


@pytest.fixture
def card(operator: User) -> Resource:
    site = make_site(operators=[operator])
    return make_resource(site, name="H100 1", attributes={"model": H100, "memory_gib": 80}, settings=SETTINGS)


def make_slice(card: Resource, profile: str, number: int) -> Resource:
    return make_resource(
        parent=card,
        name=f"H100 1 {profile} {number}",
        kind="gpu_slice",
        attributes={"model": f"{H100} MIG {profile}", "memory_gib": 40},
        settings={"mig_uuid": f"MIG-old-{number}"},
    )


def answer(change: GeometryChange, profiles: Sequence[str] | None = None, **facts: object) -> Report:
    parts = tuple(
        FoundDevice(
            name=f"MIG-new-{number}",
            kind="gpu_slice",
            model=f"{H100} MIG {profile}",
            attributes={"model": f"{H100} MIG {profile}", "memory_gib": 10.0},
            settings={"pci": "0000:65:00.0", "mig_uuid": f"MIG-new-{number}"},
        )
        for number, profile in enumerate(change.geometry if profiles is None else profiles)
    )
    values = {
        "site": change.resource.site.slug,
        "event": "reshaped",
        "at": timezone.now(),
        "resource_id": str(change.resource_id),
        "epoch": change.epoch,
        "devices": (FoundDevice(name="0000:65:00.0", kind="gpu", model=H100, parts=parts),),
    }
    return Report(**(values | facts))


def plan(card: Resource, operator: User, *profiles: str, at: datetime | None = None) -> GeometryChange:
    return plan_geometry(
        resource_id=card.pk, geometry=profiles, starts_at=at, actor=operator, now=timezone.now()
    )


def carried_out(change: GeometryChange, **facts: object) -> GeometryChange:
    now = change.starts_at
    press_geometry(now=now)
    change.refresh_from_db()
    take_report(answer(change, **facts), site=change.resource.site, now=now + timedelta(seconds=5))
    change.refresh_from_db()
    return change


def names_of(card: Resource) -> list[str]:
    return list(card.parts.filter(in_service=True).order_by("name").values_list("name", flat=True))


def test_an_idle_card_is_cut_at_once_and_its_slices_can_be_booked(card: Resource, operator: User) -> None:
    change = carried_out(plan(card, operator, "3g.40gb", "3g.40gb"))
    assert change.state == GeometryChange.State.DONE
    assert names_of(card) == ["H100 1 3g.40gb 1", "H100 1 3g.40gb 2"]
    assert {part.settings["mig_uuid"] for part in card.parts.all()} == {"MIG-new-0", "MIG-new-1"}
    assert not MaintenanceWindow.objects.exists()
    assert not CalendarEntry.objects.filter(maintenance__isnull=False).exists()
    assert OutgoingOrder.objects.filter(verb="watch", site=card.site).exists()


def test_an_accepted_baseline_follows_the_cut_and_none_comes_about_by_it(
    card: Resource, operator: User
) -> None:
    def cut(profile: str) -> None:
        change = plan(card, operator, profile)
        (plain,) = answer(change).devices
        now_cut = {"mig_enabled": True, "geometry": [profile]}
        carried_out(change, devices=(replace(plain, settings={"pci": SETTINGS["pci"], "baseline": now_cut}),))
        card.refresh_from_db()

    cut("3g.40gb")
    assert "baseline" not in card.settings

    card.settings = {**SETTINGS, "baseline": {"mig_enabled": False, "geometry": []}}
    card.save()
    cut("4g.40gb")
    assert card.settings["baseline"] == {"mig_enabled": True, "geometry": ["4g.40gb"]}


def test_the_order_carries_an_epoch_and_all_that_it_takes(card: Resource, operator: User) -> None:
    old = make_slice(card, "7g.80gb", 1)
    change = plan(card, operator, "3g.40gb")
    press_geometry(now=change.starts_at)
    change.refresh_from_db()
    order = reshape_order(change)
    assert (order.verb, order.geometry) == ("reshape", ("3g.40gb",))
    assert order.epoch is not None
    assert order.epoch < next_epoch()
    assert set(order.covers) == {str(card.pk), str(old.pk)}
    assert order.targets[0].settings["pci"] == "0000:65:00.0"


def test_a_card_in_use_is_cut_after_its_lease(card: Resource, operator: User) -> None:
    lease = book_lease(card, starts_at=timezone.now() - timedelta(minutes=30), status=Status.ACTIVE)
    change = plan(card, operator, "3g.40gb")
    assert change.starts_at >= lease.ends_at
    press_geometry(now=change.starts_at)
    change.refresh_from_db()
    assert (change.state, change.epoch) == (GeometryChange.State.PLANNED, None)
    assert "proven clean" in change.detail


def test_a_card_that_is_never_given_back_in_time_is_not_cut(card: Resource, operator: User) -> None:
    book_lease(card, starts_at=timezone.now() - timedelta(minutes=30), status=Status.ACTIVE)
    change = plan(card, operator, "3g.40gb")
    press_geometry(now=change.deadline_at)
    change.refresh_from_db()
    assert change.state == GeometryChange.State.FAILED
    card.refresh_from_db()
    assert card.quarantined_at is None
    assert OutgoingMail.objects.filter(to=operator, subject__contains="not done").exists()


def test_a_gap_between_bookings_is_used(card: Resource, operator: User) -> None:
    book_lease(card, starts_at=next_hour(after_h=1), hours=1)
    book_lease(card, starts_at=next_hour(after_h=3), hours=1)
    change = plan(card, operator, "3g.40gb", at=next_hour(after_h=2.3))
    assert change.starts_at == next_hour(after_h=2.3)
    cancel_geometry(change_id=change.pk, actor=operator, now=timezone.now())
    with pytest.raises(LeasesInTheWay) as refusal:
        plan(card, operator, "3g.40gb", at=next_hour(after_h=3.2))
    assert "In the way" in refusal.value.message


def test_a_slice_that_is_booked_later_is_not_cut_away(card: Resource, operator: User) -> None:
    booked, idle = make_slice(card, "3g.40gb", 1), make_slice(card, "3g.40gb", 2)
    lease = book_lease(booked, starts_at=next_hour(after_h=5), hours=2)
    with pytest.raises(LeasesInTheWay) as refusal:
        plan(card, operator, "7g.80gb", at=next_hour(after_h=1))
    assert refusal.value.leases == (lease.pk,)
    assert "keep such a slice" in refusal.value.message
    assert look_ahead(card, ("7g.80gb",), now=timezone.now()).earliest >= lease.ends_at
    change = carried_out(plan(card, operator, "3g.40gb", "2g.20gb", at=next_hour(after_h=1)))
    assert change.state == GeometryChange.State.DONE
    booked.refresh_from_db()
    idle.refresh_from_db()
    assert booked.in_service
    assert booked.settings["mig_uuid"].startswith("MIG-new")
    assert not idle.in_service


def test_a_vanishing_slice_cannot_be_booked_beyond_the_cut(card: Resource, operator: User) -> None:
    old = make_slice(card, "7g.80gb", 1)
    change = plan(card, operator, "3g.40gb", at=next_hour(after_h=4))
    book_lease(old, starts_at=next_hour(after_h=2), hours=1)
    closed = CalendarEntry.objects.filter(resource=old, maintenance__in=change.closings.all())
    assert [entry.occupies.lower for entry in closed] == [change.deadline_at]
    with pytest.raises(IllegalMove, match="Cancel the plan"):
        maintenance.cancel_maintenance(window_id=change.window_id, actor=operator)


def test_a_cancelled_plan_gives_every_time_back(card: Resource, operator: User) -> None:
    make_slice(card, "7g.80gb", 1)
    change = plan(card, operator, "3g.40gb", at=next_hour(after_h=4))
    cancel_geometry(change_id=change.pk, actor=operator, now=timezone.now())
    assert not MaintenanceWindow.objects.exists()
    press_geometry(now=change.starts_at)
    assert not OutgoingOrder.objects.filter(verb="reshape").exists()
    with pytest.raises(IllegalMove):
        cancel_geometry(change_id=change.pk, actor=operator, now=timezone.now())


def test_slices_cut_away_come_back_under_their_old_names(card: Resource, operator: User) -> None:
    carried_out(plan(card, operator, "3g.40gb", "3g.40gb"))
    first = {part.name: part.pk for part in card.parts.all()}
    carried_out(plan(card, operator))
    assert names_of(card) == []
    carried_out(plan(card, operator, "3g.40gb", "3g.40gb"))
    assert {part.name: part.pk for part in card.parts.filter(in_service=True)} == first


def test_an_order_is_sent_again_until_it_is_answered_and_the_answer_counts_once(
    card: Resource, operator: User
) -> None:
    change = plan(card, operator, "3g.40gb")
    press_geometry(now=change.starts_at)
    press_geometry(now=change.starts_at + timedelta(seconds=1))
    assert OutgoingOrder.objects.filter(verb="reshape").count() == 1
    press_geometry(now=change.starts_at + timedelta(seconds=15))
    assert OutgoingOrder.objects.filter(verb="reshape").count() == 2
    change.refresh_from_db()
    for _ in range(3):
        take_report(answer(change), site=card.site, now=change.starts_at)
    assert card.parts.count() == 1


def test_the_answer_of_another_site_or_hand_over_is_no_answer(card: Resource, operator: User) -> None:
    change = plan(card, operator, "3g.40gb")
    press_geometry(now=change.starts_at)
    change.refresh_from_db()
    take_report(answer(change), site=make_site(), now=change.starts_at)
    take_report(answer(change, epoch=change.epoch - 1), site=card.site, now=change.starts_at)
    take_report(answer(change, resource_id="no id"), site=card.site, now=change.starts_at)
    change.refresh_from_db()
    assert change.state == GeometryChange.State.ORDERED
    assert card.parts.count() == 0


@pytest.mark.parametrize(
    ("error", "quarantined"), [("DeviceBusy", False), ("OutcomeUnknown", True), ("DeviceRefused", True)]
)
def test_a_card_that_may_be_half_cut_is_quarantined(
    card: Resource, operator: User, error: str, quarantined: bool
) -> None:
    failure = Failure(error=error, remedy="stop", verb="reshape", message="Process 42 uses it.")
    change = carried_out(plan(card, operator, "3g.40gb"), failure=failure, devices=())
    assert change.state == GeometryChange.State.FAILED
    assert "Process 42" in change.detail
    card.refresh_from_db()
    assert (card.quarantined_at is not None) is quarantined
    assert not MaintenanceWindow.objects.exists()


def test_other_slices_than_were_asked_for_are_not_entered(card: Resource, operator: User) -> None:
    change = carried_out(plan(card, operator, "3g.40gb"), profiles=["2g.20gb"])
    assert change.state == GeometryChange.State.FAILED
    assert "2g.20gb" in change.detail
    assert card.parts.count() == 0


def test_a_site_that_does_not_answer_is_given_up(card: Resource, operator: User) -> None:
    change = plan(card, operator, "3g.40gb")
    press_geometry(now=change.starts_at)
    press_geometry(now=change.deadline_at)
    change.refresh_from_db()
    assert (change.state, change.detail) == ("failed", "the site has not answered in time")


def test_a_hand_over_that_the_site_saw_later_is_overtaken(card: Resource, operator: User) -> None:
    change = plan(card, operator, "3g.40gb")
    press_geometry(now=change.starts_at)
    change.refresh_from_db()
    highest = next_epoch() + 100
    failure = Failure(error="DeviceRefused", remedy="stop", verb="reshape", message="Stale.")
    report = answer(change, failure=failure, devices=(), detail={"highest_epoch": highest})
    take_report(report, site=card.site, now=change.starts_at)
    change.refresh_from_db()
    assert change.state == GeometryChange.State.ORDERED
    assert change.epoch > highest


def test_what_cannot_be_is_refused_with_the_field_and_the_reason(card: Resource, operator: User) -> None:
    with pytest.raises(Invalid) as refusal:
        plan(card, operator, "4g.40gb", "4g.40gb")
    assert list(refusal.value.errors) == ["geometry"]
    with pytest.raises(Invalid, match="no slice"):
        plan(card, operator, "9g.90gb")
    with pytest.raises(Invalid, match="cut like that already"):
        plan(card, operator)
    switch = make_resource(card.site, kind="p4_switch", adapter="p4_switch", attributes={}, name="Tofino")
    with pytest.raises(Invalid, match="cannot be cut"):
        plan(switch, operator, "3g.40gb")


def test_one_cut_at_a_time_and_only_by_the_sites_operators(card: Resource, operator: User) -> None:
    with pytest.raises(NotAllowed):
        plan(card, make_user(), "3g.40gb")
    change = plan(card, operator, "3g.40gb", at=next_hour(after_h=1))
    with pytest.raises(LeasesInTheWay):
        plan(card, operator, "7g.80gb", at=next_hour(after_h=9))
    with pytest.raises(NotAllowed):
        cancel_geometry(change_id=change.pk, actor=make_user(), now=timezone.now())
