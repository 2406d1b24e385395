"""What the looks at a device say: unwell comes and goes, unfit stays until an operator has looked."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import permutations
from threading import Barrier
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import User
from adapters.contract import Observation
from adapters.contract.wire import Report
from reservations.errors import CannotBook, IllegalMove, NotAllowed
from reservations.models import Lease, OutgoingMail
from reservations.policy import UNHEALTHY_IS_SAID_AFTER
from reservations.services.asks import Ask
from reservations.services.booking import Request, book
from reservations.services.engine.health import warn_of_unhealthy
from reservations.services.engine.reports import take_report
from reservations.services.engine.tick import tick
from reservations.services.quarantine import put_back_in_service
from reservations.states import Status
from resources.models import Resource, Site, Unfitness
from tests.factories import book_lease, make_project, make_resource, make_site, make_user
from tests.reservations.services.engine.site import DIRTY, SPOTLESS, says

pytestmark = pytest.mark.django_db
NOW = timezone.now()
ECC = "12 uncorrectable memory errors since it was accepted."
XID = "The driver reported Xid 79: the card has fallen off the bus."


@pytest.fixture
def site() -> Site:
    return make_site("roma", name="Roma")


@pytest.fixture
def operator(site: Site) -> User:
    return make_user("operator", operates=[site])


@pytest.fixture
def card(site: Site, operator: User) -> Resource:
    """A card in a host with a sister, cut into two slices."""
    host = make_resource(site, name="Host", kind="gpu_host")
    make_resource(parent=host, name="Sister")
    card = make_resource(parent=host, name="Card")
    for number in (1, 2):
        make_resource(parent=card, name=f"Slice {number}", kind="gpu_slice")
    return card


def look(device: Resource, *, at: datetime = NOW, unfit: str = "", healthy: bool = True, **fields: Any) -> None:
    """Have the site report what it saw of a device."""
    seen = Observation(healthy=healthy and not unfit, carries=None, unfit=unfit, **fields)
    report = Report(
        site=device.site.slug, event="observed", at=at, resource_id=str(device.pk), observation=seen
    )
    take_report(report, site=device.site, now=at)


def quarantined(site: Site) -> set[str]:
    return set(Resource.objects.filter(site=site, quarantined_at__isnull=False).values_list("name", flat=True))


def mails(user: User | None = None) -> list[str]:
    found = OutgoingMail.objects.order_by("id")
    return [mail.subject for mail in (found.filter(to=user) if user else found)]


def ask_for(resource: Resource, *, hours: int = 30) -> Request:
    user = make_user(projects=[project := make_project()])
    starts_at = NOW + timedelta(hours=hours)
    return Request(
        user=user,
        project=project.slug,
        starts_at=starts_at,
        ends_at=starts_at + timedelta(hours=1),
        asks=[Ask(resource=resource.pk)],
    )


def lift(device: Resource, operator: User, *, at: datetime) -> None:
    put_back_in_service(resource_id=device.pk, actor=operator, reason="Replaced the riser", now=at)


def test_an_unfit_card_takes_its_host_and_its_slices_along_but_not_its_sister(
    site: Site, card: Resource
) -> None:
    look(card, unfit=ECC)
    assert quarantined(site) == {"Host", "Card", "Slice 1", "Slice 2"}
    card.refresh_from_db()
    assert (card.quarantine_reason, card.health, card.health_detail) == (ECC, "unhealthy", ECC)
    with pytest.raises(CannotBook, match="in quarantine and waits for its operator"):
        book(ask_for(Resource.objects.get(name="Host")), now=NOW)
    assert book(ask_for(Resource.objects.get(name="Sister")), now=NOW).leases.count() == 1


def test_the_same_report_ten_times_is_one_quarantine_and_one_mail(
    site: Site, card: Resource, operator: User
) -> None:
    for seconds in range(10):
        look(card, unfit=ECC, at=NOW + timedelta(seconds=seconds))
    assert Unfitness.objects.count() == 1
    assert mails() == ["Roma · Card must not be lent"]
    assert Unfitness.objects.get().last_seen_at == NOW + timedelta(seconds=9)


def test_the_current_holder_is_told_and_goes_on_and_later_ones_are_told_or_moved(
    site: Site, card: Resource, operator: User
) -> None:
    spare = make_resource(site, name="Spare", kind="gpu_slice")
    one, two = card.parts.order_by("name")
    running = book_lease(one, status=Status.ACTIVE, starts_at=NOW - timedelta(hours=1), hours=3)
    named = book_lease(card, starts_at=NOW + timedelta(hours=6))
    wished = book_lease(
        two,
        starts_at=NOW + timedelta(hours=9),
        wish={"kind": "gpu_slice", "model": "", "site": "", "minimum": {}},
    )
    look(card, unfit=ECC)
    running.refresh_from_db()
    wished.refresh_from_db()
    assert running.status == Status.ACTIVE
    assert mails(running.reservation.holder) == ["Your lease of Roma · Slice 1 runs on a device with an error"]
    assert mails(named.reservation.holder) == ["Your lease of Roma · Card is at risk"]
    assert wished.resource == spare
    assert mails(wished.reservation.holder) == ["Your lease of Roma · Slice 2 was moved"]
    (mail,) = OutgoingMail.objects.filter(to=operator)
    for lease, fate in (
        (running, "has it now and goes on; told"),
        (named, "at risk, told"),
        (wished, "moved to Roma · Spare"),
    ):
        line = next(line for line in mail.body.splitlines() if lease.reservation.holder.email in line)
        assert fate in line
    assert ECC in mail.body
    assert "“Back in service”" in mail.body


def test_a_site_whose_policy_says_so_ends_the_lease(site: Site, card: Resource) -> None:
    Site.objects.update(ends_unfit_leases=True)
    running = book_lease(card, status=Status.ACTIVE, starts_at=NOW - timedelta(hours=1), hours=3)
    look(card, unfit=XID)
    running.refresh_from_db()
    assert running.status == Status.RELEASING
    assert XID in running.events.order_by("-id").first().reason
    assert mails(running.reservation.holder) == ["Your lease of Roma · Card was ended"]


def test_a_lease_in_preparation_does_not_begin_on_an_unfit_device(site: Site, card: Resource) -> None:
    preparing = book_lease(card, status=Status.PROVISIONING, starts_at=NOW)
    look(card, unfit=XID)
    preparing.refresh_from_db()
    assert preparing.status == Status.RELEASING
    assert mails(preparing.reservation.holder) == ["Your lease of Roma · Card could not be made ready"]


def test_a_clean_proof_does_not_bring_an_unfit_device_back(site: Site, card: Resource) -> None:
    running = book_lease(card, status=Status.RELEASING, starts_at=NOW - timedelta(hours=3))
    look(card, unfit=ECC)
    take_report(says(running, "clean", proof=SPOTLESS), site=site, now=NOW)
    running.refresh_from_db()
    assert running.status == Status.RELEASED
    assert "Card" in quarantined(site)


def test_a_lease_waits_for_the_quarantine_and_is_told_the_reason_when_given_up(
    site: Site, card: Resource
) -> None:
    lease = book_lease(card, starts_at=NOW + timedelta(minutes=1))
    look(card, unfit=ECC)
    tick(now=NOW + timedelta(minutes=1))
    lease.refresh_from_db()
    assert lease.status == Status.SCHEDULED
    assert lease.trouble == f"Waiting until Roma · Card is out of quarantine: {ECC}"
    tick(now=NOW + timedelta(minutes=30))
    lease.refresh_from_db()
    assert lease.status == Status.CANCELLED
    assert ECC in lease.events.order_by("-id").first().reason


def test_back_in_service_frees_the_family_and_tells_who_was_at_risk(
    site: Site, card: Resource, operator: User
) -> None:
    later = book_lease(card.parts.first(), starts_at=NOW + timedelta(hours=6))
    look(card, unfit=ECC)
    lift(card, operator, at=NOW + timedelta(hours=1))
    assert quarantined(site) == set()
    unfitness = Unfitness.objects.get()
    assert (unfitness.lifted_by, unfitness.lifted_because) == (operator, "Replaced the riser")
    assert mails(later.reservation.holder)[-1] == "Your lease of Roma · Slice 1 is safe again"
    assert book(ask_for(Resource.objects.get(name="Host")), now=NOW).leases.count() == 1


def test_what_was_lifted_does_not_come_back_with_the_same_reports_but_with_a_new_error(
    site: Site, card: Resource, operator: User
) -> None:
    look(card, unfit=ECC)
    lift(card, operator, at=NOW + timedelta(hours=1))
    for minutes in range(61, 71):
        look(card, unfit=ECC, at=NOW + timedelta(minutes=minutes))
    assert quarantined(site) == set()
    look(card, unfit=XID, at=NOW + timedelta(minutes=80))
    assert "Card" in quarantined(site)
    assert mails(operator) == ["Roma · Card must not be lent"] * 2


def test_an_error_that_was_gone_and_comes_again_is_new(site: Site, card: Resource, operator: User) -> None:
    look(card, unfit=ECC)
    lift(card, operator, at=NOW + timedelta(minutes=1))
    look(card, at=NOW + timedelta(minutes=2))
    assert quarantined(site) == set()
    look(card, unfit=ECC, at=NOW + timedelta(minutes=3))
    assert "Card" in quarantined(site)


def test_an_error_that_is_gone_by_itself_still_waits_for_the_operator(site: Site, card: Resource) -> None:
    look(card, unfit=XID)
    look(card, at=NOW + timedelta(minutes=1))
    card.refresh_from_db()
    assert card.health == "healthy"
    assert "Card" in quarantined(site)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_reports_in_any_order_end_in_the_same_state(
    site: Site, card: Resource, operator: User, order: tuple[int, ...]
) -> None:
    reports = [("", 1), (ECC, 2), ("", 3)]
    for place in order:
        unfit, minutes = reports[place]
        look(card, unfit=unfit, at=NOW + timedelta(minutes=minutes))
    assert "Card" in quarantined(site), "it was unfit at some time, whatever was seen before and after"
    lift(card, operator, at=NOW + timedelta(minutes=4))
    for place in order:
        unfit, minutes = reports[place]
        look(card, unfit=unfit, at=NOW + timedelta(minutes=minutes))
    assert quarantined(site) == set(), "all of this was known when it was lifted"


def test_back_in_service_is_refused_while_a_lease_is_not_proven_clean(
    site: Site, card: Resource, operator: User
) -> None:
    failed = book_lease(card.parts.first(), status=Status.RELEASE_FAILED, starts_at=NOW - timedelta(hours=4))
    look(card, unfit=ECC)
    with pytest.raises(IllegalMove, match="retry its release, or vouch for it first"):
        lift(card, operator, at=NOW)
    assert Unfitness.objects.get().lifted_at is None
    take_report(says(failed, "clean", proof=SPOTLESS), site=site, now=NOW)
    lift(card, operator, at=NOW)
    assert quarantined(site) == set()


def test_back_in_service_is_for_operators_with_a_reason_and_for_the_device_itself(
    site: Site, card: Resource, operator: User
) -> None:
    with pytest.raises(IllegalMove, match="not in quarantine"):
        lift(card, operator, at=NOW)
    look(card, unfit=ECC)
    for stranger in (make_user(), make_user(operates=[make_site()])):
        with pytest.raises(NotAllowed):
            lift(card, stranger, at=NOW)
    with pytest.raises(IllegalMove, match="Say what you looked at"):
        put_back_in_service(resource_id=card.pk, actor=operator, reason="  ", now=NOW)
    with pytest.raises(IllegalMove, match="kept back because of Roma · Card"):
        lift(Resource.objects.get(name="Host"), operator, at=NOW)
    assert "Card" in quarantined(site)


def test_an_error_of_a_device_that_was_not_proven_clean_is_told_too_and_rising_numbers_once(
    site: Site, card: Resource, operator: User
) -> None:
    running = book_lease(card, status=Status.RELEASING, starts_at=NOW - timedelta(hours=3))
    take_report(says(running, "clean", proof=DIRTY), site=site, now=NOW)
    assert mails(operator) == ["Roma · Card is quarantined"]
    for errors in range(1, 6):
        look(card, unfit=f"{errors} uncorrectable memory errors.", at=NOW + timedelta(minutes=errors))
    assert mails(operator) == ["Roma · Card is quarantined", "Roma · Card must not be lent"]
    assert Resource.objects.get(pk=card.pk).quarantine_reason == "5 uncorrectable memory errors."


def test_two_unfit_cards_keep_their_host_back_until_both_are_well(
    site: Site, card: Resource, operator: User
) -> None:
    sister = Resource.objects.get(name="Sister")
    look(card, unfit=ECC)
    look(sister, unfit=XID)
    lift(card, operator, at=NOW)
    assert quarantined(site) == {"Sister", "Host"}
    assert XID in Resource.objects.get(name="Host").quarantine_reason
    lift(sister, operator, at=NOW)
    assert quarantined(site) == set()


def test_what_was_kept_back_for_its_own_reason_is_not_freed_with_its_relatives(
    site: Site, card: Resource, operator: User
) -> None:
    Resource.objects.filter(name="Slice 1").update(quarantined_at=NOW, quarantine_reason="Cut half-way")
    look(card, unfit=ECC)
    lift(card, operator, at=NOW)
    assert quarantined(site) == {"Slice 1"}


def test_a_site_cannot_make_another_sites_device_unfit(card: Resource) -> None:
    seen = Observation(healthy=False, carries=None, unfit=ECC)
    report = Report(site="x", event="observed", at=NOW, resource_id=str(card.pk), observation=seen)
    take_report(report, site=make_site(), now=NOW)
    assert not Unfitness.objects.exists()


def test_unhealthy_since_is_when_it_began_and_ends_by_itself(card: Resource) -> None:
    for minutes, healthy in ((0, True), (1, False), (2, False), (3, True), (4, False)):
        look(card, healthy=healthy, at=NOW + timedelta(minutes=minutes))
        card.refresh_from_db()
        began = {1: 1, 2: 1, 4: 4}.get(minutes)
        assert card.unhealthy_since == (None if began is None else NOW + timedelta(minutes=began))


def test_holders_are_warned_once_when_their_device_has_been_unhealthy_for_long(
    site: Site, card: Resource
) -> None:
    soon = book_lease(card.parts.first(), starts_at=NOW + timedelta(minutes=40))
    later = book_lease(card, starts_at=NOW + timedelta(hours=5))
    look(card, healthy=False, detail="too hot")
    warn_of_unhealthy(now=NOW + UNHEALTHY_IS_SAID_AFTER - timedelta(seconds=1))
    assert mails() == [], "it may be over in a moment"
    for seconds in range(3):
        warn_of_unhealthy(now=NOW + UNHEALTHY_IS_SAID_AFTER + timedelta(seconds=seconds))
    assert mails(soon.reservation.holder) == ["Your lease of Roma · Slice 1 may start late"]
    assert mails(later.reservation.holder) == []
    assert "too hot" in OutgoingMail.objects.get().body
    assert Lease.objects.get(pk=soon.pk).status == Status.SCHEDULED


@pytest.mark.django_db(transaction=True)
def test_a_host_and_its_cards_that_become_unfit_at_once_neither_wait_for_each_other_nor_are_told_twice() -> (
    None
):
    site = make_site("roma", name="Roma")
    operator = make_user("operator", operates=[site])
    host = make_resource(site, name="Host", kind="gpu_host")
    devices = [host, *(make_resource(parent=host, name=f"Card {number}") for number in range(3))]
    together = Barrier(2 * len(devices))

    def report(device: Resource) -> None:
        together.wait(10)
        try:
            look(device, unfit=f"Error of {device.name}")
        finally:
            connection.close()

    with ThreadPoolExecutor(2 * len(devices)) as threads:
        list(threads.map(report, [*devices, *devices]))
    assert quarantined(site) == {device.name for device in devices}
    assert Unfitness.objects.count() == len(devices)
    assert len(mails(operator)) == len(set(mails(operator)))
