"""Changing a reservation after it was made."""

from datetime import timedelta

import pytest

from reservations.errors import CannotBook, IllegalMove, Invalid, NotAllowed, NotFound
from reservations.models import CalendarEntry, Lease, OutgoingOrder, Reservation
from reservations.selectors.extension import latest_end
from reservations.services.changes import cancel, end_now, extend, move_window, shorten
from reservations.states import HOLDING, OVER, Status
from tests.factories import book_lease, make_project, make_reservation, make_resource, make_site, make_user

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


def of(lease: Lease) -> Reservation:
    return Reservation.objects.get(pk=lease.reservation_id)


def test_extending_pushes_back_the_end_and_tells_the_site() -> None:
    lease = book_lease(status=Status.ACTIVE)
    ends_at = lease.ends_at + HOUR
    now = lease.starts_at + HOUR / 2
    extend(reservation_id=lease.reservation_id, ends_at=ends_at, actor=lease.reservation.holder, now=now)
    before, lease = lease, Lease.objects.get(pk=lease.pk)
    assert (lease.ends_at, lease.next_action_at, of(lease).ends_at) == (ends_at, ends_at, ends_at)
    assert lease.revision == before.revision + 1
    assert [order.verb for order in OutgoingOrder.objects.filter(lease=lease)] == ["hold"]


def test_extending_into_somebody_elses_window_is_refused_with_the_reason() -> None:
    lease = book_lease()
    book_lease(lease.resource, starts_at=lease.ends_at + HOUR)
    with pytest.raises(CannotBook) as caught:
        extend(
            reservation_id=lease.reservation_id,
            ends_at=lease.ends_at + HOUR,
            actor=lease.reservation.holder,
            now=lease.starts_at - HOUR,
        )
    assert [refusal.resource for refusal in caught.value.refusals] == [lease.resource_id]
    assert of(lease).ends_at == lease.ends_at


def test_the_latest_end_is_the_last_that_can_be_had() -> None:
    lease = book_lease()
    following = book_lease(lease.resource, starts_at=lease.ends_at + 3 * HOUR)
    now = lease.starts_at - HOUR
    latest = latest_end(of(lease), now=now)
    assert latest is not None
    assert lease.ends_at < latest <= following.starts_at
    holder = lease.reservation.holder
    with pytest.raises(CannotBook):
        extend(
            reservation_id=lease.reservation_id, ends_at=latest + timedelta(minutes=1), actor=holder, now=now
        )
    extend(reservation_id=lease.reservation_id, ends_at=latest, actor=holder, now=now)
    assert of(lease).ends_at == latest


def test_the_site_limits_how_far_it_can_be_extended() -> None:
    site = make_site(longest_lease=2 * HOUR)
    lease = book_lease(make_resource(site))
    assert latest_end(of(lease), now=lease.starts_at) == lease.starts_at + 2 * HOUR
    with pytest.raises(CannotBook, match="at most 2 h"):
        extend(
            reservation_id=lease.reservation_id,
            ends_at=lease.starts_at + 3 * HOUR,
            actor=lease.reservation.holder,
            now=lease.starts_at - HOUR,
        )


def test_shortening_gives_the_rest_back_at_once() -> None:
    lease = book_lease(hours=4)
    at = lease.starts_at + HOUR
    shorten(
        reservation_id=lease.reservation_id,
        ends_at=at,
        actor=lease.reservation.holder,
        now=lease.starts_at - HOUR,
    )
    assert of(lease).ends_at == at
    assert book_lease(lease.resource, starts_at=at + HOUR).pk


def test_a_reservation_that_has_not_started_can_be_moved_into_its_own_window() -> None:
    lease = book_lease(hours=2)
    starts_at = lease.starts_at + HOUR
    move_window(
        reservation_id=lease.reservation_id,
        starts_at=starts_at,
        ends_at=starts_at + 2 * HOUR,
        actor=lease.reservation.holder,
        now=lease.starts_at - HOUR,
    )
    lease.refresh_from_db()
    assert lease.starts_at == starts_at
    assert lease.next_action_at == starts_at - timedelta(seconds=lease.preparation_s)


def test_a_reservation_that_has_started_cannot_be_moved() -> None:
    lease = book_lease(status=Status.ACTIVE)
    with pytest.raises(IllegalMove, match="has started"):
        move_window(
            reservation_id=lease.reservation_id,
            starts_at=lease.starts_at + HOUR,
            ends_at=lease.ends_at + HOUR,
            actor=lease.reservation.holder,
            now=lease.starts_at,
        )


def test_ending_now_brings_the_end_to_now_and_has_the_device_cleaned() -> None:
    lease = book_lease(status=Status.ACTIVE)
    now = lease.starts_at + HOUR / 2
    end_now(reservation_id=lease.reservation_id, actor=lease.reservation.holder, now=now)
    lease.refresh_from_db()
    assert (lease.status, lease.ends_at) == (Status.RELEASING, now)
    assert [order.verb for order in OutgoingOrder.objects.filter(lease=lease)] == ["release"]
    entry = CalendarEntry.objects.get(lease=lease)
    assert entry.holding
    assert entry.occupies.upper == now + timedelta(seconds=lease.cleanup_s)


def test_ending_what_has_not_started_says_to_cancel_it() -> None:
    lease = book_lease()
    with pytest.raises(IllegalMove, match="cancel it instead"):
        end_now(reservation_id=lease.reservation_id, actor=lease.reservation.holder, now=lease.starts_at - HOUR)


@pytest.mark.parametrize("status", list(Status))
def test_cancelling_is_always_legal_and_twice_is_once(status: Status) -> None:
    lease = book_lease(status=status)
    now = lease.starts_at + HOUR / 2
    for _ in range(2):
        cancel(reservation_id=lease.reservation_id, actor=lease.reservation.holder, now=now)
    lease.refresh_from_db()
    expected = {
        Status.REQUESTED: Status.CANCELLED,
        Status.SCHEDULED: Status.CANCELLED,
        Status.PROVISIONING: Status.RELEASING,
        Status.ACTIVE: Status.RELEASING,
    }.get(status, status)
    assert lease.status == expected
    if status in HOLDING - {expected}:
        assert lease.events.last().actor == lease.reservation.holder
        assert lease.events.filter(to=expected).count() == 1


def test_a_cancelled_window_is_free_at_once() -> None:
    lease = book_lease()
    cancel(reservation_id=lease.reservation_id, actor=lease.reservation.holder, now=lease.starts_at - HOUR)
    assert book_lease(lease.resource, starts_at=lease.starts_at).pk


def test_all_leases_of_a_bundle_change_together() -> None:
    reservation = make_reservation([make_resource(), make_resource()])
    cancel(reservation_id=reservation.pk, actor=reservation.holder, now=reservation.starts_at - HOUR)
    assert {lease.status for lease in reservation.leases.all()} <= OVER


@pytest.mark.parametrize("verb", [extend, shorten, cancel, end_now, move_window])
def test_what_is_not_yours_does_not_exist(verb: object) -> None:
    lease = book_lease(status=Status.ACTIVE)
    when = {extend: {"ends_at": lease.ends_at + HOUR}, shorten: {"ends_at": lease.ends_at - HOUR / 2}}
    arguments = when.get(verb, {})  # type: ignore[call-overload]
    if verb is move_window:
        arguments = {"starts_at": lease.starts_at, "ends_at": lease.ends_at}
    with pytest.raises(NotFound):
        verb(reservation_id=lease.reservation_id, actor=make_user(), now=lease.starts_at, **arguments)  # type: ignore[operator]


def test_a_colleague_sees_it_and_a_leader_may_change_it() -> None:
    project = make_project()
    member, leader = make_user(projects=[project]), make_user(leads=[project])
    lease = book_lease(project=project)
    now = lease.starts_at - HOUR
    with pytest.raises(NotAllowed, match="Only its holder and the leaders"):
        cancel(reservation_id=lease.reservation_id, actor=member, now=now)
    cancel(reservation_id=lease.reservation_id, actor=leader, now=now)


def test_an_operator_of_the_site_can_end_but_not_extend() -> None:
    lease = book_lease(status=Status.ACTIVE)
    operator = make_user(operates=[lease.resource.site])
    with pytest.raises(NotAllowed):
        extend(
            reservation_id=lease.reservation_id,
            ends_at=lease.ends_at + HOUR,
            actor=operator,
            now=lease.starts_at,
        )
    end_now(reservation_id=lease.reservation_id, actor=operator, now=lease.starts_at + HOUR / 2)


def test_an_end_that_makes_no_sense_is_refused() -> None:
    lease = book_lease(status=Status.ACTIVE)
    holder, now = lease.reservation.holder, lease.starts_at + HOUR / 2
    for verb, ends_at in (
        (extend, lease.ends_at),
        (extend, lease.ends_at - timedelta(minutes=1)),
        (shorten, lease.ends_at),
        (shorten, now - timedelta(minutes=1)),
        (extend, lease.ends_at.replace(tzinfo=None)),
        (extend, lease.ends_at + timedelta(days=400)),
    ):
        with pytest.raises(Invalid):
            verb(reservation_id=lease.reservation_id, ends_at=ends_at, actor=holder, now=now)
