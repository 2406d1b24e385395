"""The tick: every lease in its time, whatever is lost, late or repeated."""

from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from django.db import connection

from reservations.models import CalendarEntry, Lease, OutgoingMail, OutgoingOrder
from reservations.services.cleaning import retry_release, vouch
from reservations.services.engine.reports import take_report
from reservations.services.engine.tick import tick
from reservations.states import HOLDING, Status
from resources.models import Resource
from tests.factories import (
    book_lease,
    make_reservation,
    make_resource,
    make_site,
    make_superuser,
    make_user,
)
from tests.reservations.services.engine.site import DIRTY, SPOTLESS, says

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


def status_of(lease: Lease) -> str:
    return Lease.objects.get(pk=lease.pk).status


def verbs_for(lease: Lease) -> list[str]:
    return list(OutgoingOrder.objects.filter(lease=lease).order_by("pk").values_list("verb", flat=True))


def test_preparation_begins_ahead_of_the_start_and_never_before() -> None:
    lease = book_lease()
    begins = lease.starts_at - timedelta(seconds=lease.preparation_s)
    tick(now=begins - SECOND)
    assert status_of(lease) == Status.SCHEDULED
    tick(now=begins)
    lease.refresh_from_db()
    assert lease.status == Status.PROVISIONING
    assert lease.deadline_at == lease.starts_at + lease.resource.site.start_grace
    assert verbs_for(lease) == ["hold"]


def test_each_hand_over_has_a_higher_epoch_than_all_before() -> None:
    card = make_resource()
    epochs = []
    at = book_lease().starts_at
    for number in range(3):
        lease = book_lease(card, starts_at=at + number * 3 * HOUR)
        tick(now=lease.starts_at)
        lease.refresh_from_db()
        epochs.append(lease.epoch)
        take_report(says(lease, "opened"), site=card.site, now=lease.starts_at)
        tick(now=lease.ends_at)
        take_report(says(lease, "clean", proof=SPOTLESS), site=card.site, now=lease.ends_at)
    assert epochs == sorted(set(epochs))


def test_a_lease_that_is_over_is_taken_back_before_the_next_one_starts() -> None:
    card = make_resource(preparation_s=0, cleanup_s=0)
    first = book_lease(card, status=Status.ACTIVE)
    following = book_lease(card, starts_at=first.ends_at)
    now = first.ends_at
    tick(now=now)
    assert (status_of(first), status_of(following)) == (Status.RELEASING, Status.SCHEDULED)
    following.refresh_from_db()
    assert "proven clean" in following.trouble
    first.refresh_from_db()
    take_report(says(first, "clean", proof=SPOTLESS), site=card.site, now=now + SECOND)
    tick(now=now + SECOND)
    assert (status_of(first), status_of(following)) == (Status.RELEASED, Status.PROVISIONING)


def test_a_part_waits_for_the_proof_of_its_whole_and_the_other_way_round() -> None:
    host = make_resource(kind="gpu_host")
    card = make_resource(parent=host)
    first = book_lease(host, status=Status.RELEASE_FAILED)
    second = book_lease(card, starts_at=first.ends_at + HOUR)
    tick(now=second.starts_at)
    assert status_of(second) == Status.SCHEDULED


def test_one_that_is_blocked_too_long_is_cancelled_with_its_siblings_and_told() -> None:
    card = make_resource()
    before = book_lease(card, status=Status.RELEASE_FAILED)
    other = make_resource()
    reservation = make_reservation([card, other], starts_at=before.ends_at + HOUR)
    Lease.objects.filter(reservation=reservation, resource=other).update(
        next_action_at=reservation.starts_at + 2 * HOUR
    )
    Lease.objects.filter(pk=before.pk).update(next_action_at=before.ends_at + 100 * HOUR)
    tick(now=reservation.starts_at + card.site.start_grace + SECOND)
    assert {lease.status for lease in reservation.leases.all()} == {Status.CANCELLED}
    assert OutgoingMail.objects.filter(to=reservation.holder).exists()


def test_an_order_that_is_not_answered_is_sent_again_with_longer_pauses() -> None:
    lease = book_lease(make_resource(preparation_s=3600))
    now = lease.starts_at - HOUR
    tick(now=now)
    sent_at = [now]
    while len(sent_at) < 5:
        now += SECOND
        before = len(verbs_for(lease))
        tick(now=now)
        if len(verbs_for(lease)) > before:
            sent_at.append(now)
    pauses = [(b - a).total_seconds() for a, b in pairwise(sent_at)]
    assert pauses == [10, 10, 20, 40]
    assert Lease.objects.get(pk=lease.pk).revision == 1, "it is the same order, so a second one does no harm"


def test_one_that_is_prepared_is_not_told_again_before_its_start() -> None:
    lease = book_lease(make_resource(preparation_s=3600))
    tick(now=lease.starts_at - HOUR)
    lease.refresh_from_db()
    take_report(
        says(lease, "prepared", at=lease.starts_at - HOUR), site=lease.resource.site, now=lease.starts_at
    )
    tick(now=lease.starts_at - SECOND)
    assert verbs_for(lease) == ["hold"]


def test_a_site_that_never_answers_at_the_start_ends_the_lease_and_tells_the_holder() -> None:
    lease = book_lease()
    tick(now=lease.starts_at - SECOND)
    tick(now=lease.starts_at + lease.resource.site.start_grace)
    assert status_of(lease) == Status.RELEASING
    assert OutgoingMail.objects.filter(to=lease.reservation.holder).exists()


def test_a_site_that_never_proves_it_clean_has_its_device_quarantined() -> None:
    operator = make_user()
    lease = book_lease(make_resource(make_site(operators=[operator])), status=Status.ACTIVE)
    tick(now=lease.ends_at)
    tick(now=lease.ends_at + HOUR)
    assert status_of(lease) == Status.RELEASE_FAILED
    assert Resource.objects.get(pk=lease.resource_id).quarantined_at == lease.ends_at + HOUR
    assert OutgoingMail.objects.filter(to=operator).exists()


def test_a_failed_release_is_tried_again_by_itself_and_mends_itself() -> None:
    lease = book_lease(status=Status.ACTIVE)
    site = lease.resource.site
    tick(now=lease.ends_at)
    tick(now=lease.ends_at + HOUR)
    tick(now=lease.ends_at + 2 * HOUR)
    lease.refresh_from_db()
    assert lease.status == Status.RELEASING
    take_report(says(lease, "clean", proof=SPOTLESS), site=site, now=lease.ends_at + 2 * HOUR)
    assert status_of(lease) == Status.RELEASED
    assert Resource.objects.get(pk=lease.resource_id).quarantined_at is None


def test_a_proof_that_does_not_prove_is_kept_and_quarantines_the_device() -> None:
    lease = book_lease(status=Status.RELEASING)
    take_report(says(lease, "clean", proof=DIRTY), site=lease.resource.site, now=lease.ends_at)
    lease.refresh_from_db()
    assert lease.status == Status.RELEASE_FAILED
    assert "expected 0, found 3" in lease.trouble
    assert not lease.proofs.get().is_clean
    assert CalendarEntry.objects.get(lease=lease).on_device


def test_quarantine_moves_later_wishes_elsewhere_and_warns_those_who_named_the_device() -> None:
    site = make_site()
    card, spare = make_resource(site), make_resource(site)
    lease = book_lease(card, status=Status.RELEASING)
    wish = {"kind": "gpu", "model": "L40S", "site": "", "minimum": {"memory_gib": 40}}
    wished = book_lease(card, starts_at=lease.ends_at + HOUR, wish=wish)
    named = book_lease(card, starts_at=lease.ends_at + 4 * HOUR)
    take_report(says(lease, "clean", proof=DIRTY), site=site, now=lease.ends_at)
    assert Lease.objects.get(pk=wished.pk).resource_id == spare.pk
    assert Lease.objects.get(pk=named.pk).resource_id == card.pk
    told = {mail.to_id: mail.subject for mail in OutgoingMail.objects.all()}
    assert "was moved" in told[wished.reservation.holder_id]
    assert "at risk" in told[named.reservation.holder_id]


def test_an_operator_retries_or_vouches() -> None:
    lease = book_lease(status=Status.RELEASE_FAILED)
    Resource.objects.filter(pk=lease.resource_id).update(quarantined_at=lease.ends_at)
    operator = make_user(operates=[lease.resource.site])
    retry_release(lease, actor=operator, now=lease.ends_at)
    lease.refresh_from_db()
    assert (lease.status, verbs_for(lease)) == (Status.RELEASING, ["release"])
    tick(now=lease.ends_at + HOUR)
    lease.refresh_from_db()
    vouch(lease, actor=operator, reason="Looked at it and wiped it", now=lease.ends_at + HOUR)
    lease.refresh_from_db()
    assert lease.status == Status.RELEASED
    assert lease.events.last().actor == operator
    assert lease.proofs.get().verifier == f"operator {operator.username}"
    assert Resource.objects.get(pk=lease.resource_id).quarantined_at is None


def test_approval_that_does_not_come_lapses_at_the_start() -> None:
    lease = book_lease(status=Status.REQUESTED)
    Lease.objects.filter(pk=lease.pk).update(next_action_at=lease.starts_at)
    tick(now=lease.starts_at - SECOND)
    assert status_of(lease) == Status.REQUESTED
    tick(now=lease.starts_at)
    assert status_of(lease) == Status.CANCELLED


def test_nothing_of_a_bundle_starts_before_every_site_has_approved() -> None:
    reservation = make_reservation([make_resource()])
    asked = book_lease(status=Status.REQUESTED)
    Lease.objects.filter(pk=asked.pk).update(reservation=reservation, next_action_at=reservation.starts_at)
    tick(now=reservation.starts_at - SECOND)
    assert set(reservation.leases.values_list("status", flat=True)) == {Status.REQUESTED, Status.SCHEDULED}
    tick(now=reservation.starts_at)
    assert set(reservation.leases.values_list("status", flat=True)) == {Status.CANCELLED}


def test_many_leases_move_in_as_few_statements_as_a_few() -> None:
    site = make_site()
    leases = [book_lease(make_resource(site)) for _ in range(25)]
    counter = Count()
    with connection.execute_wrapper(counter):
        tick(now=leases[0].starts_at)
    few = counter.statements
    leases = [book_lease(make_resource(site)) for _ in range(100)]
    counter = Count()
    with connection.execute_wrapper(counter):
        tick(now=leases[0].starts_at)
    assert counter.statements == few
    assert set(Lease.objects.values_list("status", flat=True)) == {Status.PROVISIONING}


def test_any_lease_left_alone_is_over_in_the_end_or_waits_for_an_operator() -> None:
    """Nothing hangs: with sites that never say a word, every lease leaves every passing state."""
    make_superuser()
    leases = [book_lease(status=status) for status in sorted(HOLDING)]
    now: datetime = leases[0].starts_at - HOUR
    for _ in range(60):
        now += timedelta(minutes=5)
        tick(now=now)
    assert set(Lease.objects.values_list("status", flat=True)) <= {
        Status.CANCELLED,
        Status.RELEASE_FAILED,
        Status.RELEASING,
    }
    for lease in Lease.objects.filter(status=Status.RELEASING):
        assert lease.deadline_at is not None
        assert lease.deadline_at > now


class Count:
    """Counts the statements of a connection."""

    def __init__(self) -> None:
        self.statements = 0

    def __call__(self, execute: object, sql: object, params: object, many: object, context: object) -> object:
        self.statements += 1
        return execute(sql, params, many, context)  # type: ignore[operator]
