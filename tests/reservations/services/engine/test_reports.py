"""What the sites report: believed only when signed, and harmless when late, repeated or out of order."""

from datetime import timedelta
from itertools import permutations
from uuid import uuid4

import pytest

from adapters.contract import Observation
from adapters.contract.values import Access
from adapters.contract.wire import Failure, Report, from_json, new_key, private_key, public_text, seal
from reservations.models import Lease, OutgoingOrder
from reservations.services.engine.reports import take_report, take_reports
from reservations.states import Status
from resources.models import Resource, Site
from tests.factories import book_lease, make_resource, make_site, next_epoch
from tests.reservations.services.engine.site import ACCESS, SPOTLESS, says

pytestmark = pytest.mark.django_db

KEY = private_key(new_key())
OTHER_KEY = private_key(new_key())


def status_of(lease: Lease) -> str:
    return Lease.objects.get(pk=lease.pk).status


def test_a_signed_report_is_believed_and_the_site_counts_as_heard() -> None:
    site = make_site(public_key=public_text(KEY))
    lease = book_lease(make_resource(site), status=Status.PROVISIONING)
    messages = [
        seal(says(lease, "prepared"), key=KEY, sender=site.slug),
        seal(says(lease, "opened"), key=KEY, sender=site.slug),
    ]
    assert take_reports(messages, now=lease.starts_at) == 2
    lease.refresh_from_db()
    assert lease.status == Status.ACTIVE
    assert from_json(Access, lease.access) == ACCESS
    assert Site.objects.get(pk=site.pk).last_heard_at == lease.starts_at


@pytest.mark.parametrize(
    "forgery", ["other key", "another site's name", "no message", "unknown site", "changed"]
)
def test_forged_reports_change_nothing(forgery: str) -> None:
    site = make_site(public_key=public_text(KEY))
    other = make_site(public_key=public_text(OTHER_KEY))
    lease = book_lease(make_resource(site), status=Status.PROVISIONING)
    report = says(lease, "opened")
    good = seal(report, key=KEY, sender=site.slug)
    message = {
        "other key": seal(report, key=OTHER_KEY, sender=site.slug),
        "another site's name": seal(report, key=OTHER_KEY, sender=other.slug),
        "no message": "\x00{",
        "unknown site": seal(report, key=KEY, sender="atlantis"),
        "changed": good.replace("opened", "clean"),
    }[forgery]
    assert take_reports([message], now=lease.starts_at) == 0
    assert status_of(lease) == Status.PROVISIONING


def test_a_site_cannot_speak_about_another_sites_lease() -> None:
    stranger = make_site(public_key=public_text(OTHER_KEY))
    lease = book_lease(status=Status.RELEASING)
    report = says(lease, "clean", proof=SPOTLESS)
    take_report(report, site=stranger, now=lease.ends_at)
    assert status_of(lease) == Status.RELEASING


@pytest.mark.parametrize("order", list(permutations(["prepared", "opened", "isolated", "clean"])))
def test_any_order_of_arrival_repeated_ends_in_the_same_state(order: tuple[str, ...]) -> None:
    lease = book_lease(status=Status.PROVISIONING)
    site = lease.resource.site
    for _ in range(3):
        for event in order:
            facts = {"proof": SPOTLESS} if event == "clean" else {}
            take_report(says(lease, event, **facts), site=site, now=lease.starts_at)
    assert status_of(lease) == Status.ACTIVE
    assert lease.events.filter(to=Status.ACTIVE).count() == 1
    assert Lease.objects.get(pk=lease.pk).access


def test_a_report_of_another_epoch_is_of_the_past() -> None:
    lease = book_lease(status=Status.RELEASING)
    report = says(lease, "clean", proof=SPOTLESS, epoch=(lease.epoch or 0) - 1)
    take_report(report, site=lease.resource.site, now=lease.ends_at)
    assert status_of(lease) == Status.RELEASING
    assert not lease.proofs.exists()


def test_clean_twice_is_one_proof_and_one_move() -> None:
    lease = book_lease(status=Status.RELEASING)
    for _ in range(3):
        take_report(says(lease, "clean", proof=SPOTLESS), site=lease.resource.site, now=lease.ends_at)
    assert lease.events.filter(to=Status.RELEASED).count() == 1
    assert lease.proofs.count() == 1
    assert Lease.objects.get(pk=lease.pk).access == "", "a one-lease credential is not kept"


def test_a_failure_that_is_tried_again_is_shown_and_a_final_one_ends_the_lease() -> None:
    lease = book_lease(status=Status.PROVISIONING)
    failure = Failure(error="DeviceBusy", remedy="retry", verb="provision", message="The card is in use.")
    take_report(says(lease, "failed", failure=failure), site=lease.resource.site, now=lease.starts_at)
    lease.refresh_from_db()
    assert (lease.status, lease.trouble) == (Status.PROVISIONING, "The card is in use.")
    take_report(
        says(lease, "failed", failure=failure, final=True), site=lease.resource.site, now=lease.starts_at
    )
    assert status_of(lease) == Status.RELEASING


def test_a_failure_of_an_earlier_order_does_not_end_a_later_one() -> None:
    lease = book_lease(status=Status.RELEASING)
    Lease.objects.filter(pk=lease.pk).update(revision=3)
    failure = Failure(error="DeviceRefused", remedy="stop", verb="provision", message="No.")
    take_report(
        says(lease, "failed", failure=failure, final=True, revision=2),
        site=lease.resource.site,
        now=lease.ends_at,
    )
    assert status_of(lease) == Status.RELEASING


def test_a_site_that_closed_by_an_old_end_is_told_the_new_one() -> None:
    lease = book_lease(status=Status.ACTIVE)
    early = lease.ends_at - timedelta(minutes=10)
    take_report(says(lease, "isolated", at=early), site=lease.resource.site, now=early)
    assert [order.verb for order in OutgoingOrder.objects.filter(lease=lease)] == ["hold"]
    take_report(says(lease, "opened", at=early + timedelta(seconds=5)), site=lease.resource.site, now=early)
    assert Lease.objects.get(pk=lease.pk).isolated_at is None


def test_a_site_that_has_seen_later_hand_overs_teaches_the_hub_and_fails_closed() -> None:
    """As after a restore from a backup: the hub counts epochs that the site has seen long ago."""
    lease = book_lease(status=Status.PROVISIONING)
    seen = (lease.epoch or 0) + 1000
    take_report(
        says(lease, "stale", detail={"highest_epoch": seen}), site=lease.resource.site, now=lease.starts_at
    )
    assert status_of(lease) == Status.RELEASING
    assert next_epoch() > seen


def test_observations_set_the_health_of_a_device() -> None:
    card = make_resource()
    at = book_lease().starts_at
    seen = Observation(healthy=True, carries=None, measurements={"memory_used_mib": 3.0})
    _observe(card, at, observation=seen)
    card.refresh_from_db()
    assert (card.health, card.observed_at, card.measurements) == ("healthy", at, {"memory_used_mib": 3.0})
    _observe(card, at - timedelta(hours=1), observation=Observation(healthy=False, carries=None))
    card.refresh_from_db()
    assert card.health == "healthy", "an older look does not overrule a newer one"
    failure = Failure(error="DeviceUnreachable", remedy="retry", verb="observe", message="No route to host.")
    _observe(card, at + timedelta(hours=1), failure=failure)
    card.refresh_from_db()
    assert (card.health, card.health_detail) == ("unhealthy", "No route to host.")
    assert card.measurements == {"memory_used_mib": 3.0}


def test_a_device_that_carries_a_lease_that_is_over_or_foreign_is_unhealthy() -> None:
    lease = book_lease(status=Status.RELEASED)
    card = lease.resource
    for carried, word in (
        (str(lease.pk), "over"),
        (str(uuid4()), "none of ours"),
        ("not-a-lease", "none of ours"),
    ):
        _observe(card, lease.ends_at, observation=Observation(healthy=True, carries=carried))
        card = Resource.objects.get(pk=card.pk)
        assert card.health == "unhealthy"
        assert word in card.health_detail
        Resource.objects.filter(pk=card.pk).update(observed_at=None)
    active = book_lease(status=Status.ACTIVE)
    _observe(active.resource, active.starts_at, observation=Observation(healthy=True, carries=str(active.pk)))
    assert Resource.objects.get(pk=active.resource_id).health == "healthy"


@pytest.mark.parametrize("leased", ["host", "card"])
def test_a_host_shows_the_lease_of_its_card_and_the_other_way_round(leased: str) -> None:
    host = make_resource(kind="gpu_host")
    card = make_resource(parent=host)
    lease = book_lease(host if leased == "host" else card, status=Status.ACTIVE)
    for seen in (host, card):
        _observe(seen, lease.starts_at, observation=Observation(healthy=True, carries=str(lease.pk)))
        seen.refresh_from_db()
        assert (seen.health, seen.observed_at) == ("healthy", lease.starts_at)


def test_a_site_cannot_speak_about_another_sites_device() -> None:
    card = make_resource()
    report = Report(
        site="x", event="observed", at=book_lease().starts_at, resource_id=str(card.pk), observation=None
    )
    take_report(report, site=make_site(), now=report.at)
    assert Resource.objects.get(pk=card.pk).health == "healthy"


def _observe(card: Resource, at: object, **facts: object) -> None:
    report = Report(site=card.site.slug, event="observed", at=at, resource_id=str(card.pk), **facts)  # type: ignore[arg-type]
    take_report(report, site=card.site, now=report.at)
