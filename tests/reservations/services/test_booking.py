"""Booking: all or nothing, with reasons."""

import threading
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import connection
from pytest_django import DjangoAssertNumQueries

from accounts.models import Project, User
from reservations.errors import CannotBook, Invalid, NotAllowed
from reservations.models import Lease, Reservation
from reservations.policy import MOST_RESOURCES
from reservations.services.asks import Ask
from reservations.services.booking import Request, book, check_booking
from reservations.states import Status
from resources.models import MaintenanceWindow, Resource
from tests.factories import book_lease, make_project, make_resource, make_site, make_user, next_hour

NOW = datetime(2030, 1, 7, 9, tzinfo=UTC)
START = NOW + timedelta(hours=2)


@pytest.fixture
def project(db: None) -> Project:
    return make_project("quantum")


@pytest.fixture
def user(project: Project) -> User:
    return make_user(projects=[project])


def request(user: User, *asks: Ask, starts_at: datetime | None = START, hours: float = 1) -> Request:
    ends_at = (starts_at or NOW) + timedelta(hours=hours)
    return Request(
        user=user, project="quantum", starts_at=starts_at, ends_at=ends_at, asks=asks, purpose=" Try "
    )


def refused(user: User, *asks: Ask, **when: object) -> CannotBook:
    before = Reservation.objects.count()
    with pytest.raises(CannotBook) as caught:
        book(request(user, *asks, **when), now=NOW)  # type: ignore[arg-type]
    assert Reservation.objects.count() == before, "a refused booking leaves nothing"
    return caught.value


def test_a_bundle_over_sites_is_one_reservation_with_a_lease_for_each_device(user: User) -> None:
    card, switch = make_resource(), make_resource(kind="gpu", name="Other")
    made = book(request(user, Ask(resource=card.pk), Ask(resource=switch.pk)), now=NOW)
    leases = made.leases.order_by("pk")
    assert {lease.resource_id for lease in leases} == {card.pk, switch.pk}
    assert {lease.status for lease in leases} == {Status.SCHEDULED}
    assert {lease.next_action_at for lease in leases} == {START - timedelta(seconds=60)}
    assert made.purpose == "Try"
    assert [event.actor for event in leases[0].events.all()] == [user]


def test_all_or_nothing(user: User) -> None:
    card, other = make_resource(), make_resource()
    book(request(user, Ask(resource=other.pk)), now=NOW)
    error = refused(user, Ask(resource=card.pk), Ask(resource=other.pk))
    assert [refusal.resource for refusal in error.refusals] == [other.pk]
    assert not Lease.objects.filter(resource=card).exists()


def test_a_refusal_says_why_until_when_and_what_would_work(user: User) -> None:
    card = make_resource(name="L40S 1", site=make_site("roma", name="Roma"))
    book(request(user, Ask(resource=card.pk)), now=NOW)
    error = refused(user, Ask(resource=card.pk))
    (refusal,) = error.refusals
    assert (refusal.reason, refusal.never, refusal.wish) == ("taken", False, 0)
    assert refusal.until is not None
    assert refusal.until >= START + timedelta(hours=1)
    assert "Roma · L40S 1 is taken until Mon 07 Jan 12:0" in refusal.message
    assert error.alternatives
    for window in error.alternatives:
        made = book(request(user, Ask(resource=card.pk), starts_at=window.starts_at), now=NOW)
        made.leases.all()[0].calendar_entries.update(holding=False)


def test_maintenance_is_named_as_such(user: User) -> None:
    card = make_resource()
    MaintenanceWindow.objects.create(resource=card, starts_at=START, ends_at=START + timedelta(hours=3))
    error = refused(user, Ask(resource=card.pk))
    assert [refusal.reason for refusal in error.refusals] == ["maintenance"]
    assert error.alternatives


def test_never_possible_is_told_apart_from_not_now(user: User) -> None:
    site = make_site()
    make_resource(site)
    never = refused(user, Ask(kind="gpu", model="L40S", count=2))
    assert never.never
    assert never.alternatives == ()
    assert "can never be had" in never.message
    book(request(user, Ask(kind="gpu", model="L40S")), now=NOW)
    not_now = refused(user, Ask(kind="gpu", model="L40S"))
    assert not not_now.never
    assert not_now.alternatives


def test_unknown_and_closed_resources_are_never_possible(user: User) -> None:
    closed = make_resource(in_service=False)
    assert [r.reason for r in refused(user, Ask(resource=uuid4())).refusals] == ["unknown"]
    assert [r.reason for r in refused(user, Ask(resource=closed.pk)).refusals] == ["closed"]


def test_a_quarantined_device_is_refused_with_the_reason(user: User) -> None:
    card = make_resource(quarantined_at=NOW)
    error = refused(user, Ask(resource=card.pk))
    assert [r.reason for r in error.refusals] == ["quarantined"]
    assert not error.never


def test_an_unhealthy_device_is_refused_for_starts_that_are_near(user: User) -> None:
    card = make_resource(health=Resource.Health.UNHEALTHY, health_detail="ECC errors")
    error = refused(user, Ask(resource=card.pk), starts_at=NOW + timedelta(minutes=10))
    assert "ECC errors" in error.message
    assert book(request(user, Ask(resource=card.pk), starts_at=NOW + timedelta(days=2)), now=NOW).pk


def test_wishes_find_devices_and_keep_to_one_site_when_tied(user: User) -> None:
    roma, torino = make_site("roma"), make_site("torino")
    for site in (roma, torino):
        make_resource(site)
    make_resource(torino)
    make_resource(torino, kind="p4_switch", adapter="gpu_lxd", attributes={"model": "Tofino"})
    made = book(
        request(
            user,
            Ask(kind="gpu", model="l40s", count=2, minimum={"memory_gib": 40}),
            Ask(kind="p4_switch", same_site_as=0),
        ),
        now=NOW,
    )
    assert {lease.resource.site.slug for lease in made.leases.select_related("resource__site")} == {"torino"}
    assert all(lease.wish for lease in made.leases.all())


def test_a_wish_skips_devices_that_do_not_reach_its_least_values(user: User) -> None:
    make_resource(attributes={"model": "A16", "memory_gib": 16})
    large = make_resource(attributes={"model": "L40S", "memory_gib": 48})
    made = book(request(user, Ask(kind="gpu", minimum={"memory_gib": 40})), now=NOW)
    assert [lease.resource_id for lease in made.leases.all()] == [large.pk]


def test_a_site_with_operators_is_asked_first(user: User) -> None:
    card = make_resource(make_site(by_operator=True))
    made = book(request(user, Ask(resource=card.pk)), now=NOW)
    lease = made.leases.get()
    assert lease.status == Status.REQUESTED
    assert lease.next_action_at == START


def test_only_members_charge_a_project(user: User) -> None:
    stranger = make_user()
    with pytest.raises(NotAllowed, match="not a member"):
        book(request(stranger, Ask(resource=make_resource().pk)), now=NOW)


def test_no_start_means_now(user: User) -> None:
    card = make_resource()
    made = book(request(user, Ask(resource=card.pk), starts_at=None), now=NOW)
    assert made.starts_at == NOW


@pytest.mark.parametrize(
    ("starts_at", "ends_at", "field"),
    [
        (START, START, "ends_at"),
        (START, START - timedelta(hours=1), "ends_at"),
        (NOW - timedelta(hours=1), START, "starts_at"),
        (START, START + timedelta(minutes=4), "ends_at"),
        (START, START + timedelta(days=367), "ends_at"),
        (START.replace(tzinfo=None), START + timedelta(hours=1), "starts_at"),
        (START, (START + timedelta(hours=1)).replace(tzinfo=None), "ends_at"),
        (START, datetime.max.replace(tzinfo=UTC), "ends_at"),
        (datetime.min.replace(tzinfo=UTC), START, "starts_at"),
    ],
    ids=[
        "empty",
        "reversed",
        "past",
        "short",
        "long",
        "naive start",
        "naive end",
        "absurd end",
        "absurd start",
    ],
)
def test_windows_that_make_no_sense(user: User, starts_at: datetime, ends_at: datetime, field: str) -> None:
    asked = Request(
        user=user,
        project="quantum",
        starts_at=starts_at,
        ends_at=ends_at,
        asks=[Ask(resource=make_resource().pk)],
    )
    with pytest.raises(Invalid) as caught:
        book(asked, now=NOW)
    assert set(caught.value.errors) == {field}


@pytest.mark.parametrize(
    "asks",
    [
        (),
        (Ask(),),
        (Ask(kind="gpu", count=0),),
        (Ask(kind="gpu", count=10_000),),
        (Ask(kind="gpu", same_site_as=0),),
        (Ask(kind="gpu", same_site_as=7),),
        (Ask(resource=uuid4(), count=2),),
        tuple(Ask(resource=uuid4()) for _ in range(MOST_RESOURCES + 1)),
    ],
)
def test_asks_that_make_no_sense_cost_no_look_at_the_calendar(
    user: User, asks: tuple[Ask, ...], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0), pytest.raises(Invalid):
        book(request(user, *asks), now=NOW)


def test_the_same_device_twice_in_one_request_is_refused(user: User) -> None:
    card = make_resource()
    with pytest.raises(Invalid, match="named twice"):
        book(request(user, Ask(resource=card.pk), Ask(resource=card.pk)), now=NOW)


def test_a_whole_and_its_part_in_one_request_can_never_be_had(user: User) -> None:
    host = make_resource(kind="gpu_host")
    card = make_resource(parent=host)
    assert refused(user, Ask(resource=host.pk), Ask(resource=card.pk)).never


def test_parameters_that_the_adapter_does_not_know_are_named(user: User) -> None:
    with pytest.raises(Invalid) as caught:
        book(request(user, Ask(resource=make_resource().pk, parameters={"colour": "red"})), now=NOW)
    assert list(caught.value.errors) == ["resources.0.parameters.colour"]


def test_the_limits_of_site_and_project(user: User, project: Project) -> None:
    site = make_site(
        name="Roma", longest_lease=timedelta(hours=4), look_ahead=timedelta(days=7), most_open_reservations=1
    )
    card, other = make_resource(site), make_resource(site)
    too_long = refused(user, Ask(resource=card.pk), hours=5)
    assert too_long.never
    assert "Roma allows leases of at most 4 h" in too_long.message
    assert (
        "can be booked until" in refused(user, Ask(resource=card.pk), starts_at=NOW + timedelta(days=8)).message
    )
    book(request(user, Ask(resource=card.pk)), now=NOW)
    assert "allows 1 unfinished" in refused(user, Ask(resource=other.pk)).message
    Project.objects.filter(pk=project.pk).update(most_hours=3)
    elsewhere = make_resource()
    assert book(request(user, Ask(resource=elsewhere.pk), hours=2), now=NOW).pk
    assert "allows 3 device-hours" in refused(user, Ask(resource=make_resource().pk), hours=1).message


def test_checking_books_nothing_and_says_the_same(user: User) -> None:
    card = make_resource()
    asked = request(user, Ask(kind="gpu"))
    assert check_booking(asked, now=NOW) == [card.pk]
    assert not Reservation.objects.exists()
    book(asked, now=NOW)
    with pytest.raises(CannotBook):
        check_booking(asked, now=NOW)


def test_booking_a_device_takes_few_statements(
    user: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    card = make_resource()
    with django_assert_max_num_queries(8):  # one of them opens and one closes the savepoint
        book(request(user, Ask(resource=card.pk)), now=NOW)


@pytest.mark.django_db(transaction=True)
def test_many_at_once_for_one_slot_and_exactly_one_gets_it() -> None:
    user = make_user(projects=[make_project("quantum")])
    card = make_resource()
    start = next_hour()
    barrier = threading.Barrier(12)
    outcomes: list[str] = []

    def try_to_book() -> None:
        asked = Request(
            user=user,
            project="quantum",
            starts_at=start,
            ends_at=start + timedelta(hours=1),
            asks=[Ask(resource=card.pk)],
        )
        try:
            barrier.wait()
            book(asked, now=datetime.now(UTC))
            outcomes.append("booked")
        except CannotBook:
            outcomes.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=try_to_book) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["booked"] + ["refused"] * 11


@pytest.mark.django_db(transaction=True)
def test_wishes_racing_for_the_same_kind_spread_over_the_free_devices() -> None:
    user = make_user(projects=[make_project("quantum")])
    site = make_site()
    for _ in range(4):
        make_resource(site)
    start = next_hour()
    barrier = threading.Barrier(4)
    outcomes: list[object] = []

    def try_to_book() -> None:
        asked = Request(
            user=user,
            project="quantum",
            starts_at=start,
            ends_at=start + timedelta(hours=1),
            asks=[Ask(kind="gpu")],
        )
        try:
            barrier.wait()
            outcomes.append(book(asked, now=datetime.now(UTC)).leases.get().resource_id)
        except CannotBook as error:
            outcomes.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=try_to_book) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    booked = [outcome for outcome in outcomes if not isinstance(outcome, CannotBook)]
    assert len(set(booked)) == len(booked) >= 3, "losers look for another device, three times"
    assert book_lease(make_resource(site)).pk
