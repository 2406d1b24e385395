"""A machine of the holder's own can have one lease at a time, and who books hears so."""

from datetime import timedelta
from typing import Any

import pytest

from reservations.errors import Invalid
from reservations.models import Lease
from reservations.services.asks import Ask
from reservations.services.booking import Request, book, check_booking
from reservations.services.changes import cancel, extend
from tests.factories import make_project, make_resource, make_site, make_user, next_hour

pytestmark = pytest.mark.django_db

OWN = {"instance": "figo-ada/vm1"}
START = next_hour() + timedelta(hours=3)
NOW = START - timedelta(hours=3)


@pytest.fixture
def member() -> Any:
    return make_user("ada", projects=[make_project("testbed")])


@pytest.fixture
def cards() -> Any:
    site = make_site()
    return [make_resource(site, name=f"L40S {number}") for number in (1, 2)]


def request(member: Any, *asks: Ask, after_h: int = 0) -> Request:
    starts_at = START + timedelta(hours=after_h)
    return Request(
        user=member,
        project="testbed",
        starts_at=starts_at,
        ends_at=starts_at + timedelta(hours=2),
        asks=asks,
    )


def own(card: Any) -> Ask:
    return Ask(resource=card.pk, parameters=OWN)


@pytest.mark.parametrize("verb", [book, check_booking])
def test_two_cards_for_one_machine_are_refused_with_what_would_do(member: Any, cards: Any, verb: Any) -> None:
    with pytest.raises(Invalid) as caught:
        verb(request(member, *map(own, cards)), now=NOW)

    ((field, (words,)),) = caught.value.errors.items()
    assert field == "resources.1.parameters.instance"
    assert words == (
        "“figo-ada/vm1” can have one lease at a time: choose one device for it, or a host with all of its devices."
    )
    assert not Lease.objects.exists()


def test_so_many_of_a_kind_for_one_machine_are_refused_too(member: Any, cards: Any) -> None:
    with pytest.raises(Invalid, match="one lease at a time"):
        book(request(member, Ask(kind="gpu", count=2, parameters=OWN)), now=NOW)


def test_a_second_booking_at_the_same_time_hears_until_when(member: Any, cards: Any) -> None:
    first, second = cards
    reservation = book(request(member, own(first)), now=NOW)

    with pytest.raises(Invalid, match=f"it has {first} until .*UTC"):
        book(request(member, own(second), after_h=1), now=NOW)
    assert book(request(member, own(second), after_h=3), now=NOW), "one after the other is fine"
    cancel(reservation_id=reservation.pk, actor=member, now=NOW)
    assert book(request(member, own(second)), now=NOW), "what was cancelled holds nothing"


def test_an_extension_does_not_run_into_the_machines_next_lease(member: Any, cards: Any) -> None:
    first, second = cards
    reservation = book(request(member, own(first)), now=NOW)
    book(request(member, own(second), after_h=2), now=NOW)

    with pytest.raises(Invalid, match="one lease at a time"):
        extend(
            reservation_id=reservation.pk,
            ends_at=reservation.ends_at + timedelta(hours=1),
            actor=member,
            now=NOW,
        )


def test_machines_of_the_same_name_at_two_sites_are_two(member: Any, cards: Any) -> None:
    book(request(member, own(cards[0])), now=NOW)

    assert book(request(member, own(make_resource())), now=NOW)


def test_fresh_machines_do_not_meet(member: Any, cards: Any) -> None:
    assert book(request(member, *(Ask(resource=card.pk, parameters={}) for card in cards)), now=NOW)
