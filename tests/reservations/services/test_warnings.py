"""What holders hear before a lease does something to a machine of theirs."""

from datetime import timedelta
from typing import Any

import pytest

from reservations.messages.settling import SETTLES_IN
from reservations.models import MessageChoices, OutgoingMail
from reservations.policy import FOREWARN_BEFORE
from reservations.selectors.warnings import warnings_of_choices, warnings_of_leases
from reservations.services.asks import Ask
from reservations.services.booking import Request, book
from reservations.services.changes import move_window
from reservations.services.engine.forewarning import warn_of_starting
from reservations.services.engine.post import send_mail
from reservations.services.engine.reconcile import reconcile
from reservations.states import Status
from tests.factories import make_project, make_reservation, make_resource, make_user, next_hour

pytestmark = pytest.mark.django_db

OWN = {"instance": "figo-ada/vm1"}
SETTINGS = {
    "endpoint": "https://gpu1.uni-a.example:8443",
    "certificate_secret": "lxd.crt",
    "key_secret": "lxd.key",
    "server_certificate_secret": "lxd-server.crt",
    "image": "ubuntu-gpu",
    "own_instances": "virtual-machine",
}
START = next_hour() + timedelta(hours=3)
NOW = START - timedelta(hours=3)


@pytest.fixture
def card() -> Any:
    host = make_resource(kind="gpu_host", name="Host", settings=SETTINGS)
    return make_resource(parent=host, settings={"pci": "0000:65:00.0"})


@pytest.fixture
def member() -> Any:
    return make_user("ada", projects=[make_project("testbed")], time_zone="Europe/Rome")


def book_with(card: Any, member: Any, parameters: Any, **wishes: Any) -> Any:
    request = Request(
        user=member,
        project="testbed",
        starts_at=START,
        ends_at=START + timedelta(hours=2),
        asks=[Ask(resource=card.pk, parameters=parameters)],
        **wishes,
    )
    return book(request, now=NOW)


def test_the_words_follow_from_the_settings_of_the_whole_and_the_choice(card: Any) -> None:
    ((resource, words),) = warnings_of_choices([(card.pk, OWN)])

    assert resource == card
    assert words.startswith("Your virtual machine “figo-ada/vm1” is restarted twice")
    assert warnings_of_choices([(card.pk, {})]) == []
    assert warnings_of_choices([(card.pk, {"image": "ubuntu-gpu"})]) == []


def test_without_a_choice_the_database_is_not_asked(
    card: Any, member: Any, django_assert_num_queries: Any
) -> None:
    lease = book_with(card, member, {}).leases.select_related("resource").get()
    with django_assert_num_queries(0):
        assert warnings_of_leases([lease]) == {}
        assert warnings_of_choices([(card.pk, {})]) == []


@pytest.mark.parametrize(
    ("status", "said"), [(Status.SCHEDULED, True), (Status.ACTIVE, True), (Status.RELEASED, False)]
)
def test_of_what_is_over_nothing_is_said(card: Any, status: Status, said: bool) -> None:
    lease = make_reservation([card], status=status).leases.get()
    lease.parameters = OWN

    assert bool(warnings_of_leases([lease])) is said


def test_who_books_gets_a_mail_that_says_what_happens_and_when(card: Any, member: Any) -> None:
    book_with(card, member, OWN)
    send_mail(now=NOW + SETTLES_IN)

    mail = OutgoingMail.objects.get()
    assert mail.to == member
    assert mail.sent_at is not None
    assert mail.subject.startswith("Booked: ")
    assert "Your virtual machine “figo-ada/vm1” is restarted twice" in mail.body
    assert f"It starts {START.strftime('%a %d %b')}" in mail.body
    assert "(Europe/Rome)" in mail.body


def test_who_books_a_fresh_machine_is_warned_of_nothing(card: Any, member: Any) -> None:
    book_with(card, member, {})
    send_mail(now=NOW + SETTLES_IN)

    assert "restarted" not in OutgoingMail.objects.get().body


def test_who_does_without_confirmations_is_warned_all_the_same(card: Any, member: Any) -> None:
    MessageChoices.objects.create(user=member, wanted={"booked": False})
    book_with(card, member, OWN)

    assert send_mail(now=NOW + SETTLES_IN) == 1


def test_shortly_before_the_start_it_is_said_once_more(card: Any, member: Any) -> None:
    book_with(card, member, OWN)
    reconcile(now=START - FOREWARN_BEFORE - timedelta(minutes=2))
    assert OutgoingMail.objects.count() == 1

    reconcile(now=START - FOREWARN_BEFORE)
    reconcile(now=START - timedelta(minutes=10))

    assert OutgoingMail.objects.count() == 2
    send_mail(now=START - timedelta(minutes=10))
    mail = OutgoingMail.objects.filter(subject__contains="starts soon").get()
    assert mail.to == member
    assert "Your virtual machine “figo-ada/vm1” is restarted twice" in mail.body


def test_a_lease_that_was_moved_is_announced_for_its_new_start(card: Any, member: Any) -> None:
    reservation = book_with(card, member, OWN)
    warn_of_starting(now=START - FOREWARN_BEFORE)
    later = START + timedelta(days=1)
    move_window(
        reservation_id=reservation.pk,
        starts_at=later,
        ends_at=later + timedelta(hours=1),
        actor=member,
        now=START - timedelta(minutes=12),
    )
    warn_of_starting(now=later - FOREWARN_BEFORE)

    assert OutgoingMail.objects.filter(template="starting_soon").count() == 2


def test_who_books_a_start_that_is_near_is_told_once(card: Any, member: Any) -> None:
    reservation = book_with(card, member, OWN)
    type(reservation).objects.update(created_at=START - timedelta(minutes=10))

    assert warn_of_starting(now=START - timedelta(minutes=9)) == 0
    assert OutgoingMail.objects.count() == 1


def test_a_lease_that_waits_for_approval_is_not_announced_yet(card: Any, member: Any) -> None:
    type(card.site).objects.update(approval="operator")
    book_with(card, member, OWN)

    assert warn_of_starting(now=START - timedelta(minutes=5)) == 0
