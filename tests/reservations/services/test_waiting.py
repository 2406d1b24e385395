"""The wait list: the first who can be served gets the devices held, and is told."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Membership, Project, User
from reservations.errors import CannotBook, IllegalMove, NotAllowed, NotFound
from reservations.models import Hold, OutgoingMail, Reservation, WaitingWish
from reservations.policy import MOST_MISSED_OFFERS, MOST_WAITING_WISHES, WAIT_LIST_ROUND_EVERY
from reservations.selectors.waiting import positions_of
from reservations.services.asks import Ask
from reservations.services.booking import Request, book
from reservations.services.changes import cancel, shorten
from reservations.services.engine.tick import tick
from reservations.services.finding import SlotWish
from reservations.services.maintenance import cancel_maintenance, plan_maintenance
from reservations.services.waiting import join, leave, serve_waiting, take_offer
from resources.models import Resource
from scheduling.wiring import everything_of
from tests.factories import make_project, make_resource, make_site, make_user

NOW = datetime(2030, 1, 7, 9, tzinfo=UTC)
START = NOW + timedelta(hours=2)
HOUR = timedelta(hours=1)
OFFER = timedelta(minutes=15)
State = WaitingWish.State


@pytest.fixture
def project(db: None) -> Project:
    return make_project("quantum")


@pytest.fixture
def owner(project: Project) -> User:
    return make_user(projects=[project])


@pytest.fixture
def first(project: Project) -> User:
    return make_user(projects=[project])


@pytest.fixture
def second(project: Project) -> User:
    return make_user(projects=[project])


@pytest.fixture
def card(db: None) -> Resource:
    return make_resource(name="L40S 1", site=make_site("roma", name="Roma"))


def booked(person: User, *cards: Resource, now: datetime = NOW, hours: float = 1) -> Reservation:
    asks = [Ask(resource=card.pk) for card in cards]
    ends_at = START + hours * HOUR
    return book(Request(user=person, project="quantum", starts_at=START, ends_at=ends_at, asks=asks), now=now)


def wait_for(
    person: User, *asks: Ask, now: datetime = NOW, latest: datetime = START + HOUR, **more: object
) -> WaitingWish:
    wish = SlotWish(person=person, asks=asks, duration=HOUR, earliest=START, latest=latest, **more)  # type: ignore[arg-type]
    return join(wish=wish, project="quantum", purpose="Try", now=now)


def cancelled(reservation: Reservation, now: datetime) -> None:
    cancel(reservation_id=reservation.pk, actor=reservation.holder, now=now)


def states(*wishes: WaitingWish) -> list[str]:
    for wish in wishes:
        wish.refresh_from_db()
    return [wish.state for wish in wishes]


def minutes(many: float) -> datetime:
    return NOW + timedelta(minutes=many)


def test_what_is_cancelled_is_held_for_who_waits_and_they_are_told(
    card: Resource, owner: User, first: User, second: User
) -> None:
    taken = booked(owner, card)
    wish = wait_for(first, Ask(kind="gpu"))
    tick(now=minutes(1))
    assert states(wish) == [State.WAITING]
    cancelled(taken, minutes(2))
    tick(now=minutes(2))
    assert states(wish) == [State.OFFERED]
    assert wish.hold is not None
    assert (wish.hold.starts_at, wish.hold.expires_at) == (START, minutes(2) + OFFER)
    mail = OutgoingMail.objects.get(to=first, template="freed")
    assert "Roma · L40S 1" in mail.body
    with pytest.raises(CannotBook):
        booked(second, card, now=minutes(3))
    made = take_offer(wish_id=wish.pk, actor=first, now=minutes(4))
    assert made.holder == first
    assert [lease.resource_id for lease in made.leases.all()] == [card.pk]
    assert states(wish) == [State.BOOKED]
    assert wish.reservation == made


def test_two_wait_and_one_slot_goes_to_the_first_and_then_to_the_next(
    card: Resource, owner: User, first: User, second: User
) -> None:
    taken = booked(owner, card)
    one = wait_for(first, Ask(kind="gpu"))
    two = wait_for(second, Ask(resource=card.pk), now=minutes(1))
    assert positions_of([one, two]) == {one.pk: 1, two.pk: 2}
    cancelled(taken, minutes(2))
    tick(now=minutes(2))
    assert states(one, two) == [State.OFFERED, State.WAITING]
    tick(now=minutes(3))
    assert states(one, two) == [State.OFFERED, State.WAITING]
    over = minutes(2) + OFFER
    tick(now=over)
    assert states(one, two) == [State.WAITING, State.OFFERED]
    assert positions_of([one]) == {one.pk: 1}, "it stands last now, and nobody else waits"
    assert (one.missed, one.queued_at) == (1, over)
    with pytest.raises(IllegalMove):
        take_offer(wish_id=one.pk, actor=first, now=over)
    assert take_offer(wish_id=two.pk, actor=second, now=over)


def test_who_lets_offer_after_offer_run_out_leaves_the_list(card: Resource, first: User) -> None:
    wish = wait_for(first, Ask(kind="gpu"), latest=START + 48 * HOUR)
    now = NOW
    for _ in range(MOST_MISSED_OFFERS):
        tick(now=now)
        assert states(wish) == [State.OFFERED]
        now += OFFER
    tick(now=now)
    assert states(wish) == [State.MISSED]


def test_nobody_is_offered_what_another_has_booked(
    card: Resource, owner: User, first: User, second: User
) -> None:
    taken = booked(owner, card)
    wish = wait_for(first, Ask(kind="gpu"))
    cancelled(taken, minutes(1))
    booked(second, card, now=minutes(1))
    tick(now=minutes(1))
    assert states(wish) == [State.WAITING]
    assert not Hold.objects.exists()
    assert not OutgoingMail.objects.filter(template="freed").exists()


def test_two_wishes_of_one_person_are_not_offered_one_slot(card: Resource, first: User) -> None:
    one, two = wait_for(first, Ask(kind="gpu")), wait_for(first, Ask(resource=card.pk))
    tick(now=NOW)
    assert sorted(states(one, two)) == [State.OFFERED, State.WAITING]


def test_a_wish_that_cannot_be_served_does_not_keep_back_the_next(
    card: Resource, owner: User, first: User, second: User
) -> None:
    other = make_resource(card.site)
    taken = booked(owner, card)
    booked(owner, other)
    both = wait_for(first, Ask(kind="gpu", count=2))
    single = wait_for(second, Ask(kind="gpu"), now=minutes(1))
    cancelled(taken, minutes(2))
    tick(now=minutes(2))
    assert states(both, single) == [State.WAITING, State.OFFERED]


@pytest.mark.parametrize("way", ["cancel", "shorten", "maintenance", "leave"])
def test_every_way_in_which_something_comes_free_is_noticed_at_once(
    way: str, card: Resource, owner: User, first: User, second: User
) -> None:
    operator = make_user(operates=[card.site])
    asked: Sequence[Ask] = [Ask(kind="gpu")]
    if way == "maintenance":
        window = plan_maintenance(
            resource_id=card.pk, starts_at=START, ends_at=START + HOUR, reason="", actor=operator, now=NOW
        )
    elif way == "leave":
        other = wait_for(second, Ask(kind="gpu"))
        tick(now=NOW)
    else:
        taken = booked(owner, card, hours=3)
    # Half of the fixed window is enough to be worth an offer; the whole comes free in all cases.
    latest = START + 3 * HOUR if way == "shorten" else START + HOUR
    wish = wait_for(first, *asked, latest=latest)
    tick(now=minutes(0.1))
    assert states(wish) == [State.WAITING]
    if way == "cancel":
        cancelled(taken, minutes(0.2))
    elif way == "shorten":
        shorten(reservation_id=taken.pk, ends_at=START + HOUR, actor=owner, now=minutes(0.2))
    elif way == "maintenance":
        cancel_maintenance(window_id=window.pk, actor=operator)
    else:
        leave(wish_id=other.pk, actor=second, now=minutes(0.2))
    assert serve_waiting(now=minutes(0.3)) == 1
    assert states(wish) == [State.OFFERED]


def test_a_device_that_comes_back_into_service_is_noticed_within_a_minute(card: Resource, first: User) -> None:
    Resource.objects.filter(pk=card.pk).update(quarantined_at=NOW)
    wish = wait_for(first, Ask(kind="gpu"))
    tick(now=NOW)
    Resource.objects.filter(pk=card.pk).update(quarantined_at=None)
    assert serve_waiting(now=NOW + WAIT_LIST_ROUND_EVERY - timedelta(seconds=1)) == 0
    assert serve_waiting(now=NOW + WAIT_LIST_ROUND_EVERY) == 1
    assert states(wish) == [State.OFFERED]


def test_maintenance_takes_an_offer_back_and_the_wish_keeps_its_place(card: Resource, first: User) -> None:
    operator = make_user(operates=[card.site])
    wish = wait_for(first, Ask(kind="gpu"))
    tick(now=NOW)
    plan_maintenance(
        resource_id=card.pk, starts_at=START, ends_at=START + HOUR, reason="", actor=operator, now=minutes(1)
    )
    tick(now=minutes(1))
    assert states(wish) == [State.WAITING]
    assert (wish.missed, wish.queued_at) == (0, NOW)


def test_booking_the_offered_devices_oneself_is_taking_the_offer(card: Resource, first: User) -> None:
    wish = wait_for(first, Ask(kind="gpu"))
    tick(now=NOW)
    booked(first, card, now=minutes(1))
    tick(now=minutes(2))
    assert states(wish) == [State.BOOKED]


def test_an_offer_that_has_begun_begins_now(card: Resource, first: User, owner: User) -> None:
    taken = booked(owner, card)
    wish = wait_for(first, Ask(kind="gpu"))
    late = START + timedelta(minutes=20)
    tick(now=START - timedelta(hours=1))
    cancelled(taken, late)
    serve_waiting(now=late + timedelta(minutes=2))
    assert states(wish) == [State.OFFERED]
    made = take_offer(wish_id=wish.pk, actor=first, now=late + timedelta(minutes=5))
    assert (made.starts_at, made.ends_at) == (late + timedelta(minutes=5), START + HOUR)


def test_a_wish_leaves_the_list_when_its_time_has_passed(card: Resource, owner: User, first: User) -> None:
    booked(owner, card)
    fixed = wait_for(first, Ask(kind="gpu"))
    wide = wait_for(first, Ask(kind="gpu", count=2), latest=START + 3 * HOUR)
    serve_waiting(now=START + timedelta(minutes=29))
    assert states(fixed, wide) == [State.WAITING, State.WAITING]
    serve_waiting(now=START + timedelta(minutes=31))
    assert states(fixed, wide) == [State.PASSED, State.WAITING]
    serve_waiting(now=START + 2 * HOUR + timedelta(minutes=1))
    assert states(fixed, wide) == [State.PASSED, State.PASSED]


def test_who_is_no_longer_in_the_project_is_passed_over(card: Resource, first: User, second: User) -> None:
    gone, there = wait_for(first, Ask(kind="gpu")), wait_for(second, Ask(kind="gpu"), now=minutes(1))
    Membership.objects.filter(user=first).delete()
    tick(now=minutes(1))
    assert states(gone, there) == [State.LEFT, State.OFFERED]


def test_devices_that_are_to_be_wired_are_booked_as_such(card: Resource, first: User) -> None:
    host = make_resource(card.site, kind="gpu_host", name="Host")
    one, two = make_resource(parent=host), make_resource(parent=host)
    asks = [Ask(resource=one.pk), Ask(resource=two.pk)]
    wish = wait_for(first, *asks, ties=everything_of(2))
    tick(now=NOW)
    made = take_offer(wish_id=wish.pk, actor=first, now=minutes(1))
    assert {lease.resource_id for lease in made.leases.all()} == {one.pk, two.pk}


def test_the_list_is_for_members_has_a_bound_and_is_ones_own(card: Resource, first: User, second: User) -> None:
    with pytest.raises(NotAllowed):
        wait_for(make_user(), Ask(kind="gpu"))
    for _ in range(MOST_WAITING_WISHES):
        wish = wait_for(first, Ask(kind="gpu", count=7))
    with pytest.raises(CannotBook):
        wait_for(first, Ask(kind="gpu", count=7))
    with pytest.raises(NotFound):
        leave(wish_id=wish.pk, actor=second, now=NOW)
    for _ in range(2):
        leave(wish_id=wish.pk, actor=first, now=NOW)
    assert states(wish) == [State.LEFT]


def test_while_nobody_waits_a_tick_asks_one_question_for_it(card: Resource, owner: User) -> None:
    cancelled(booked(owner, card), NOW)
    with CaptureQueriesContext(connection) as asked:
        assert serve_waiting(now=NOW) == 0
    assert len(asked) == 1
