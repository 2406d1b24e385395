"""Holds: devices kept free for some minutes, honoured by all ways to book, and never for longer."""

import threading
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Project, User
from reservations.errors import CannotBook, IllegalMove, NotAllowed, NotFound
from reservations.models import CalendarEntry, Hold, Lease, Reservation
from reservations.policy import HELD_AT_MOST, HOLD_RENEWALS, KEEP_HOLDS, MOST_HOLDS
from reservations.selectors.availability import HeldBy, Wanted, free_resource_ids
from reservations.services.asks import Ask
from reservations.services.booking import Request, book, check_booking
from reservations.services.changes import extend, move_window
from reservations.services.engine.tick import tick
from reservations.services.holds import HoldRequest, forget_holds, give_back_hold, hold, renew_hold
from reservations.services.maintenance import plan_maintenance
from resources.models import Resource
from tests.factories import book_lease, make_project, make_resource, make_site, make_user

NOW = datetime(2030, 1, 7, 9, tzinfo=UTC)
START = NOW + timedelta(hours=2)
LASTS = timedelta(minutes=5)


@pytest.fixture
def project(db: None) -> Project:
    return make_project("quantum")


@pytest.fixture
def user(project: Project) -> User:
    return make_user(projects=[project])


@pytest.fixture
def other(project: Project) -> User:
    return make_user(projects=[project])


def hold_it(user: User, *asks: Ask, starts_at: datetime = START, hours: float = 1, **more: object) -> Hold:
    now = more.pop("now", NOW)
    ends_at = starts_at + timedelta(hours=hours)
    return hold(HoldRequest(user=user, starts_at=starts_at, ends_at=ends_at, asks=asks, **more), now=now)  # type: ignore[arg-type]


def book_it(
    user: User, *asks: Ask, starts_at: datetime = START, hours: float = 1, now: datetime = NOW
) -> Reservation:
    ends_at = starts_at + timedelta(hours=hours)
    return book(Request(user=user, project="quantum", starts_at=starts_at, ends_at=ends_at, asks=asks), now=now)


def test_others_cannot_book_what_is_held_and_are_told_until_when(user: User, other: User) -> None:
    card = make_resource(name="L40S 1", site=make_site("roma", name="Roma"))
    kept = hold_it(user, Ask(resource=card.pk))
    assert kept.expires_at == NOW + LASTS
    with pytest.raises(CannotBook) as caught:
        book_it(other, Ask(resource=card.pk))
    (refusal,) = caught.value.refusals
    assert (refusal.reason, refusal.until, refusal.never) == ("held", NOW + LASTS, False)
    assert (
        "Roma · L40S 1 is held for somebody who is about to book it, until Mon 07 Jan 09:05" in refusal.message
    )
    with pytest.raises(CannotBook):
        hold_it(other, Ask(resource=card.pk))
    assert not Lease.objects.exists()


def test_a_touching_window_is_not_held(user: User, other: User) -> None:
    card = make_resource(preparation_s=0, cleanup_s=0)
    hold_it(user, Ask(resource=card.pk))
    assert book_it(other, Ask(resource=card.pk), starts_at=START + timedelta(hours=1)).pk


def test_its_holder_books_it_and_that_ends_it(user: User) -> None:
    card = make_resource()
    kept = hold_it(user, Ask(resource=card.pk))
    made = book_it(user, Ask(resource=card.pk), now=NOW + timedelta(minutes=1))
    kept.refresh_from_db()
    assert (kept.outcome, kept.over_at) == (Hold.Outcome.BOOKED, NOW + timedelta(minutes=1))
    assert [entry.lease.reservation_id for entry in CalendarEntry.objects.all() if entry.lease] == [made.pk]
    assert not CalendarEntry.objects.filter(hold__isnull=False).exists()


def test_a_refused_booking_leaves_the_hold_as_it_was(user: User, other: User) -> None:
    card, taken = make_resource(), make_resource()
    book_it(other, Ask(resource=taken.pk))
    kept = hold_it(user, Ask(resource=card.pk))
    with pytest.raises(CannotBook):
        book_it(user, Ask(resource=card.pk), Ask(resource=taken.pk))
    kept.refresh_from_db()
    assert kept.is_open(NOW)
    with pytest.raises(CannotBook):
        book_it(other, Ask(resource=card.pk))


def test_one_that_ran_out_stands_in_nobodys_way_though_no_tick_came(user: User, other: User) -> None:
    card = make_resource()
    kept = hold_it(user, Ask(resource=card.pk))
    later = NOW + LASTS
    made = book_it(other, Ask(resource=card.pk), now=later)
    assert made.holder == other
    kept.refresh_from_db()
    assert (kept.outcome, kept.over_at) == (Hold.Outcome.LAPSED, later)


def test_the_tick_ends_what_ran_out_and_nothing_else(user: User, other: User) -> None:
    old = hold_it(user, Ask(resource=make_resource().pk))
    young = hold_it(other, Ask(resource=make_resource().pk), now=NOW + timedelta(minutes=2))
    tick(now=NOW + LASTS)
    assert set(CalendarEntry.objects.values_list("hold", flat=True)) == {young.pk}
    old.refresh_from_db()
    assert old.outcome == Hold.Outcome.LAPSED


def test_searches_leave_out_own_holds_and_those_that_ran_out(user: User, other: User) -> None:
    card = make_resource(preparation_s=0, cleanup_s=0)
    hold_it(user, Ask(kind="gpu"))
    ends = START + timedelta(hours=1)

    def free(person: User | None, now: datetime) -> bool:
        held = HeldBy(now=now, by_others_than=person)
        found = free_resource_ids(Wanted(kind="gpu"), starts_at=START, ends_at=ends, held=held)
        return found == [card.pk]

    assert free(user, NOW)
    assert not free(other, NOW)
    assert not free(None, NOW)
    assert free(other, NOW + LASTS)
    wish = Request(user=other, project="quantum", starts_at=START, ends_at=ends, asks=[Ask(kind="gpu")])
    with pytest.raises(CannotBook):
        check_booking(wish, now=NOW)
    assert check_booking(wish, now=NOW + LASTS) == [card.pk]


def test_a_wish_takes_another_device_where_one_is_held(user: User, other: User) -> None:
    site = make_site()
    cards = {make_resource(site).pk, make_resource(site).pk}
    kept = hold_it(user, Ask(kind="gpu"))
    (mine,) = kept.held.values_list("resource", flat=True)
    made = book_it(other, Ask(kind="gpu"))
    assert {lease.resource_id for lease in made.leases.all()} == cards - {mine}
    with pytest.raises(CannotBook):
        book_it(make_user(projects=[made.project]), Ask(kind="gpu"))


def test_a_part_is_held_with_its_whole_and_a_whole_with_its_part(user: User, other: User) -> None:
    host = make_resource(kind="gpu_host", name="Host")
    card, neighbour = make_resource(parent=host), make_resource(parent=host)
    kept = hold_it(user, Ask(resource=card.pk))
    with pytest.raises(CannotBook):
        book_it(other, Ask(resource=host.pk))
    assert book_it(other, Ask(resource=neighbour.pk))
    give_back_hold(hold_id=kept.pk, actor=user, now=NOW)
    empty = make_resource(kind="gpu_host", name="Empty")
    hold_it(user, Ask(resource=empty.pk))
    late = make_resource(parent=empty)
    with pytest.raises(CannotBook):
        book_it(other, Ask(resource=late.pk))
    assert book_it(user, Ask(resource=late.pk)), "the holder books a part of what they hold"


def test_extending_and_moving_honour_holds_of_others_only(user: User, other: User, project: Project) -> None:
    card = make_resource(preparation_s=0, cleanup_s=0)
    lease = book_lease(card, holder=user, project=project, starts_at=START)
    after = START + timedelta(hours=1)
    kept = hold_it(other, Ask(resource=card.pk), starts_at=after)
    ends_at = after + timedelta(minutes=30)
    change = {"reservation_id": lease.reservation_id, "actor": user, "now": NOW}
    with pytest.raises(CannotBook) as caught:
        extend(ends_at=ends_at, **change)  # type: ignore[arg-type]
    assert [refusal.reason for refusal in caught.value.refusals] == ["held"]
    with pytest.raises(CannotBook):
        move_window(starts_at=after, ends_at=ends_at, **change)  # type: ignore[arg-type]
    assert extend(ends_at=ends_at, **change | {"now": NOW + LASTS}).ends_at == ends_at  # type: ignore[arg-type]
    kept.refresh_from_db()
    assert kept.outcome == Hold.Outcome.LAPSED


def test_maintenance_takes_precedence_over_a_hold_but_not_over_a_booking(user: User, other: User) -> None:
    operator = make_user()
    card = make_resource(make_site(operators=[operator]))
    kept = hold_it(user, Ask(resource=card.pk))
    plan_maintenance(
        resource_id=card.pk,
        starts_at=START,
        ends_at=START + timedelta(hours=1),
        reason="Fan",
        actor=operator,
        now=NOW,
    )
    kept.refresh_from_db()
    assert kept.outcome == Hold.Outcome.DISPLACED
    with pytest.raises(CannotBook) as caught:
        book_it(user, Ask(resource=card.pk))
    assert [refusal.reason for refusal in caught.value.refusals] == ["maintenance"]


def test_a_hold_never_pushes_aside_a_booking(user: User, other: User) -> None:
    card = make_resource()
    book_it(other, Ask(resource=card.pk))
    with pytest.raises(CannotBook) as caught:
        hold_it(user, Ask(resource=card.pk))
    assert [refusal.reason for refusal in caught.value.refusals] == ["taken"]
    assert caught.value.alternatives
    assert not Hold.objects.exists()


def test_what_cannot_be_booked_cannot_be_held(user: User) -> None:
    closed, kept_back = make_resource(in_service=False), make_resource(quarantined_at=NOW)
    for key, reason in ((closed.pk, "closed"), (kept_back.pk, "quarantined"), (uuid4(), "unknown")):
        with pytest.raises(CannotBook) as caught:
            hold_it(user, Ask(resource=key))
        assert [refusal.reason for refusal in caught.value.refusals] == [reason]
    with pytest.raises(NotAllowed):
        hold_it(make_user(), Ask(resource=make_resource().pk))


def test_a_person_holds_a_few_things_at_once(user: User) -> None:
    for _ in range(MOST_HOLDS):
        first = hold_it(user, Ask(resource=make_resource().pk))
    card = make_resource()
    with pytest.raises(CannotBook) as caught:
        hold_it(user, Ask(resource=card.pk))
    assert [refusal.reason for refusal in caught.value.refusals] == ["limit"]
    assert hold_it(user, Ask(resource=card.pk), instead_of=first.pk), "one takes the place of another"
    first.refresh_from_db()
    assert first.outcome == Hold.Outcome.REPLACED


def test_another_window_of_the_same_device_takes_the_place_of_the_first(user: User) -> None:
    card = make_resource()
    first = hold_it(user, Ask(resource=card.pk))
    second = hold_it(user, Ask(resource=card.pk), starts_at=START + timedelta(minutes=30))
    first.refresh_from_db()
    assert first.outcome == Hold.Outcome.REPLACED
    assert second.is_open(NOW)


def test_it_can_be_renewed_a_few_times_by_its_holder(user: User, other: User) -> None:
    kept = hold_it(user, Ask(resource=make_resource().pk))
    now = NOW
    for _ in range(HOLD_RENEWALS):
        now += timedelta(minutes=4)
        kept = renew_hold(hold_id=kept.pk, actor=user, now=now)
        assert kept.expires_at == now + LASTS
    with pytest.raises(IllegalMove):
        renew_hold(hold_id=kept.pk, actor=user, now=now)
    with pytest.raises(NotFound):
        renew_hold(hold_id=kept.pk, actor=other, now=now)
    with pytest.raises(IllegalMove):
        renew_hold(hold_id=kept.pk, actor=user, now=kept.expires_at)


def test_nobody_holds_a_device_again_and_again_without_booking_it(user: User, other: User) -> None:
    card = make_resource()
    now = NOW
    for _ in range(HELD_AT_MOST // LASTS):
        hold_it(user, Ask(resource=card.pk), now=now)
        now += LASTS
    with pytest.raises(CannotBook) as caught:
        hold_it(user, Ask(resource=card.pk), now=now)
    (refusal,) = caught.value.refusals
    assert refusal.reason == "limit"
    assert refusal.until == NOW + timedelta(hours=1)
    assert hold_it(other, Ask(resource=card.pk), now=now), "somebody else can"
    now += LASTS
    assert book_it(user, Ask(resource=card.pk), now=now), "to book it needs no hold"


def test_giving_back_frees_it_and_a_second_time_changes_nothing(user: User, other: User) -> None:
    card = make_resource()
    kept = hold_it(user, Ask(resource=card.pk))
    with pytest.raises(NotFound):
        give_back_hold(hold_id=kept.pk, actor=other, now=NOW)
    for _ in range(2):
        give_back_hold(hold_id=kept.pk, actor=user, now=NOW)
    kept.refresh_from_db()
    assert kept.outcome == Hold.Outcome.GIVEN_BACK
    assert book_it(other, Ask(resource=card.pk))


def test_holds_that_were_over_long_ago_are_forgotten(user: User) -> None:
    kept = hold_it(user, Ask(resource=make_resource().pk))
    tick(now=NOW + LASTS)
    forget_holds(now=NOW + KEEP_HOLDS)
    assert Hold.objects.filter(pk=kept.pk).exists()
    forget_holds(now=NOW + KEEP_HOLDS + LASTS + timedelta(seconds=1))
    assert not Hold.objects.exists()


def test_booking_costs_no_statement_more_with_holds_about(user: User, other: User) -> None:
    def statements(card: Resource, now: datetime) -> int:
        with CaptureQueriesContext(connection) as counted:
            book_it(user, Ask(resource=card.pk), now=now)
        return len(counted)

    plain, mine, lapsed = make_resource(), make_resource(), make_resource()
    hold_it(user, Ask(resource=mine.pk))
    hold_it(other, Ask(resource=lapsed.pk))
    without = statements(plain, NOW)
    assert statements(mine, NOW) == without
    assert statements(lapsed, NOW + LASTS) == without


def test_the_length_of_a_hold_is_a_setting(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "SHARY_HOLD_MINUTES", 2)
    assert hold_it(user, Ask(resource=make_resource().pk)).expires_at == NOW + timedelta(minutes=2)


def _at_once(*actions: object) -> list[object]:
    """Do all of these at the same time, on connections of their own; return what came of each."""
    start = threading.Barrier(len(actions))
    results: list[object] = [None] * len(actions)

    def act(place: int, action: object) -> None:
        try:
            start.wait(60)
            results[place] = action()  # type: ignore[operator]
        except CannotBook as refusal:
            results[place] = refusal
        finally:
            connection.close()

    threads = [threading.Thread(target=act, args=pair) for pair in enumerate(actions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


@pytest.mark.django_db(transaction=True)
def test_of_many_who_hold_and_book_at_once_exactly_one_gets_the_device() -> None:
    project = make_project("quantum")
    for _ in range(4):
        card = make_resource()
        people = [make_user(projects=[project]) for _ in range(8)]
        holds = [lambda u=u, c=card: hold_it(u, Ask(resource=c.pk)) for u in people[:4]]
        books = [lambda u=u, c=card: book_it(u, Ask(resource=c.pk)) for u in people[4:]]
        results = _at_once(*holds, *books)
        winners = [result for result in results if not isinstance(result, CannotBook)]
        assert len(winners) == 1, results
        assert CalendarEntry.objects.filter(resource=card).count() == 1


@pytest.mark.django_db(transaction=True)
def test_while_one_runs_out_one_of_many_gets_it_and_its_holder_loses_nothing_by_trying() -> None:
    project = make_project("quantum")
    for _ in range(4):
        card, owner = make_resource(), make_user(projects=[project])
        kept = hold_it(owner, Ask(resource=card.pk))
        later = NOW + LASTS
        people = [owner, *(make_user(projects=[project]) for _ in range(5))]
        books = [lambda u=u, c=card, at=later: book_it(u, Ask(resource=c.pk), now=at) for u in people]
        results = _at_once(*books, lambda at=later: tick(now=at))[:-1]
        assert sum(isinstance(result, Reservation) for result in results) == 1, results
        kept.refresh_from_db()
        assert kept.over_at is not None


@pytest.mark.django_db(transaction=True)
def test_a_bundle_held_in_any_order_never_deadlocks_with_bookings() -> None:
    project = make_project("quantum")
    cards = [make_resource() for _ in range(4)]
    people = [make_user(projects=[project]) for _ in range(6)]
    forth = [Ask(resource=card.pk) for card in cards]
    actions = [lambda u=u: hold_it(u, *forth) for u in people[:3]]
    actions += [lambda u=u: book_it(u, *reversed(forth)) for u in people[3:]]  # type: ignore[misc]
    results = _at_once(*actions)
    assert sum(not isinstance(result, CannotBook) for result in results) == 1, results


@pytest.mark.django_db(transaction=True)
def test_one_person_cannot_get_past_the_limit_by_asking_at_once() -> None:
    user = make_user(projects=[make_project("quantum")])
    cards = [make_resource() for _ in range(MOST_HOLDS + 3)]
    _at_once(*(lambda c=card: hold_it(user, Ask(resource=c.pk)) for card in cards))
    assert Hold.objects.filter(over_at__isnull=True).count() == MOST_HOLDS
