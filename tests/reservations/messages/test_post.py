"""How messages get to people: once, in time, as each of them chose, and with a mail server that fails."""

import smtplib
import socket
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core import mail as outbox_of_django
from django.utils import timezone

from reservations.models import Lease, MessageChoices, OutgoingMail
from reservations.policy import MOST_MAIL_ATTEMPTS
from reservations.selectors.messages import given_up
from reservations.services.approval import approve_lease
from reservations.services.asks import Ask
from reservations.services.booking import Request, book
from reservations.services.changes import cancel, end_now, extend, move_window
from reservations.services.engine.forewarning import warn_of_ending, warn_of_starting
from reservations.services.engine.post import (
    SETTLES_IN,
    send_mail,
    tell_freed,
    tell_holder,
    tell_operators,
    tell_who_wants,
    try_again,
)
from reservations.services.engine.reconcile import reconcile
from reservations.states import Status
from tests.factories import (
    book_lease,
    make_project,
    make_reservation,
    make_resource,
    make_site,
    make_ssh_key,
    make_superuser,
    make_user,
    next_hour,
)

pytestmark = pytest.mark.django_db

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
START = next_hour() + 3 * HOUR
NOW = START - 3 * HOUR
LATER = NOW + SETTLES_IN


@pytest.fixture
def member() -> Any:
    return make_user("ada", projects=[make_project("optics")], time_zone="Europe/Rome", first_name="Ada")


def book_for(user: Any, *resources: Any, now: datetime = NOW, hours: float = 2) -> Any:
    return book(
        Request(
            user=user,
            project="optics",
            starts_at=START,
            ends_at=START + hours * HOUR,
            asks=[Ask(resource=resource.pk) for resource in resources],
        ),
        now=now,
    )


def sent() -> list[str]:
    return [letter.subject for letter in outbox_of_django.outbox]


def test_who_books_is_told_when_it_has_settled(member: Any) -> None:
    book_for(member, make_resource(make_site("roma", name="Roma"), name="L40S 1"))
    assert send_mail(now=NOW) == 0
    assert send_mail(now=LATER) == 1
    (letter,) = outbox_of_django.outbox
    assert letter.subject.startswith("Booked: Roma · L40S 1, ")
    assert letter.to == [member.email]
    assert "(Europe/Rome)" in letter.body
    assert send_mail(now=LATER + HOUR) == 0, "once"


def test_what_was_taken_back_at_once_was_never_said(member: Any) -> None:
    reservation = book_for(member, make_resource())
    cancel(reservation_id=reservation.pk, actor=member, now=NOW + timedelta(seconds=10))
    assert send_mail(now=LATER + HOUR) == 0
    assert set(OutgoingMail.objects.values_list("why_dropped", flat=True)) == {"nothing to say any more"}


def test_a_cancellation_is_told_to_whoever_was_told_of_the_booking(member: Any) -> None:
    reservation = book_for(member, make_resource())
    send_mail(now=LATER)
    cancel(reservation_id=reservation.pk, actor=member, now=NOW + HOUR)
    send_mail(now=NOW + 2 * HOUR)
    assert sent()[1].startswith("Cancelled: ")


def test_a_booking_that_waits_asks_the_operators_of_its_site(member: Any) -> None:
    operator, stranger = make_user("operator"), make_user("stranger")
    site = make_site("roma", name="Roma", by_operator=True, operators=[operator])
    make_site("athens", operators=[stranger])
    reservation = book_for(member, make_resource(site, name="L40S 1"))
    send_mail(now=LATER)
    send_mail(now=LATER + MINUTE)
    assert [letter.to for letter in outbox_of_django.outbox] == [[member.email], [operator.email]]
    first, second = sent()
    assert first.startswith("Asked for: ")
    assert second.startswith("Ada asks for Roma · L40S 1")
    approve_lease(lease_id=reservation.leases.get().pk, actor=operator, now=NOW + HOUR)
    send_mail(now=NOW + HOUR)
    assert sent()[2] == "Your lease of Roma · L40S 1 is approved"


def test_of_several_changes_in_a_row_the_last_is_told(member: Any) -> None:
    reservation = book_for(member, make_resource())
    send_mail(now=LATER)
    for hours in (3, 4, 5):
        extend(
            reservation_id=reservation.pk,
            ends_at=START + hours * HOUR,
            actor=member,
            now=LATER + hours * timedelta(seconds=5),
        )
    assert send_mail(now=LATER + timedelta(seconds=40)) == 0
    assert send_mail(now=LATER + HOUR) == 1
    mail = OutgoingMail.objects.get(template="changed")
    rome = (START + 5 * HOUR).astimezone(ZoneInfo("Europe/Rome"))
    assert f"{rome:%d %b %H:%M} (Europe/Rome)" in mail.body


def test_changes_by_somebody_else_say_who(member: Any) -> None:
    leader = make_user("leader", first_name="Grace", last_name="L.")
    member.projects.get().memberships.create(user=leader, role="leader")
    reservation = book_for(member, make_resource())
    send_mail(now=LATER)
    extend(reservation_id=reservation.pk, ends_at=START + 3 * HOUR, actor=leader, now=LATER)
    send_mail(now=LATER + HOUR)
    assert OutgoingMail.objects.get(template="changed").body.startswith("Grace L. changed ")


def test_a_change_is_in_the_history(member: Any) -> None:
    reservation = book_for(member, make_resource())
    extend(reservation_id=reservation.pk, ends_at=START + 3 * HOUR, actor=member, now=NOW)
    event = reservation.leases.get().events.last()
    assert (event.actor, event.source, event.to) == (member, Status.SCHEDULED, Status.SCHEDULED)
    assert event.reason.startswith("Extended until")


# --- starts and ends soon ---------------------------------------------------------------------------


def test_a_start_is_told_once_and_again_after_a_move(member: Any) -> None:
    reservation = book_for(member, make_resource())
    assert warn_of_starting(now=START - 16 * MINUTE) == 0
    assert warn_of_starting(now=START - 15 * MINUTE) == 1
    assert warn_of_starting(now=START - 14 * MINUTE) == 0
    later = START + 24 * HOUR
    move_window(
        reservation_id=reservation.pk,
        starts_at=later,
        ends_at=later + HOUR,
        actor=member,
        now=START - 12 * MINUTE,
    )
    assert warn_of_starting(now=later - 15 * MINUTE) == 1


@pytest.mark.parametrize(("away", "told"), [(10, 1), (60, 0)])
def test_a_hub_that_was_away_tells_of_a_start_unless_it_is_too_late(member: Any, away: int, told: int) -> None:
    book_for(member, make_resource())
    reconcile(now=START - 20 * MINUTE)
    back = START - 20 * MINUTE + away * MINUTE
    reconcile(now=back)
    OutgoingMail.objects.filter(template="booked").delete()
    assert send_mail(now=back) == told


def test_a_reminder_that_could_not_be_sent_in_time_is_not_sent_late(member: Any) -> None:
    book_for(member, make_resource())
    OutgoingMail.objects.all().delete()
    warn_of_starting(now=START - 15 * MINUTE)
    assert send_mail(now=START + MINUTE) == 0
    assert OutgoingMail.objects.get().why_dropped == "too late"


def test_each_person_chooses_how_long_before(member: Any) -> None:
    MessageChoices.objects.create(user=member, start_lead=2 * HOUR)
    book_for(member, make_resource())
    assert warn_of_starting(now=START - 2 * HOUR) == 1


def test_who_booked_when_less_was_left_needs_no_reminder(member: Any) -> None:
    book_for(member, make_resource(), now=START - 10 * MINUTE)
    assert warn_of_starting(now=START - 9 * MINUTE) == 0


def test_who_has_no_key_is_reminded_of_it(member: Any) -> None:
    book_for(member, make_resource())
    warn_of_starting(now=START - 15 * MINUTE)
    send_mail(now=START - 15 * MINUTE)
    assert "You have no ssh key yet" in OutgoingMail.objects.get(template="starting_soon").body


def test_an_end_is_told_with_the_latest_end_that_is_possible() -> None:
    card = make_resource(preparation_s=0, cleanup_s=0)
    start = next_hour()
    lease = book_lease(card, starts_at=start, hours=2, status=Status.ACTIVE)
    book_lease(card, starts_at=start + 3 * HOUR)
    make_ssh_key(lease.reservation.holder)
    end = start + 2 * HOUR
    assert warn_of_ending(now=end - 16 * MINUTE) == 0
    assert warn_of_ending(now=end - 14 * MINUTE) == 1
    send_mail(now=end - 14 * MINUTE)
    body = OutgoingMail.objects.get(template="ending_soon").body
    assert f"You could extend until {end + HOUR:%a %d %b %H:%M} (UTC) at the latest" in body


def test_a_short_lease_is_not_said_to_end_before_half_of_it_is_over() -> None:
    lease = book_lease(hours=1 / 6, status=Status.ACTIVE)
    assert warn_of_ending(now=lease.starts_at + 4 * MINUTE) == 0
    assert warn_of_ending(now=lease.starts_at + 6 * MINUTE) == 1


def test_two_minutes_before_the_end_it_is_too_late_to_be_of_use() -> None:
    lease = book_lease(status=Status.ACTIVE)
    assert warn_of_ending(now=lease.ends_at - MINUTE) == 0


# --- choices ----------------------------------------------------------------------------------------


def test_who_does_without_a_kind_does_not_get_it(member: Any) -> None:
    MessageChoices.objects.create(user=member, wanted={"booked": False})
    book_for(member, make_resource())
    assert send_mail(now=LATER) == 0
    assert OutgoingMail.objects.get().why_dropped == "not wanted"


def test_what_is_grave_comes_in_any_case() -> None:
    lease = book_lease(status=Status.ACTIVE)
    MessageChoices.objects.create(user=lease.reservation.holder, wanted={"failed": False})
    tell_holder(lease, "device_error", cause="GPU", why="ECC", now=NOW)
    tell_holder(lease, "at_risk", why="ECC", now=NOW)
    assert send_mail(now=NOW) == 1
    assert "runs on a device with an error" in sent()[0]


def test_ready_and_over_are_told_to_who_asked_for_it_alone() -> None:
    lease, other = book_lease(status=Status.ACTIVE), book_lease(status=Status.ACTIVE)
    MessageChoices.objects.create(user=lease.reservation.holder, wanted={"ready": True})
    MessageChoices.objects.create(user=other.reservation.holder, wanted={"ready": False})
    for _ in range(2):
        tell_who_wants("ready", {lease.reservation_id, other.reservation_id}, now=NOW)
    assert send_mail(now=LATER) == 1
    assert outbox_of_django.outbox[0].to == [lease.reservation.holder.email]
    assert "opens-sesame" not in outbox_of_django.outbox[0].message().as_string()


def test_a_holder_hears_when_somebody_else_ends_their_lease() -> None:
    now = timezone.now()
    lease = book_lease(starts_at=now - HOUR, hours=3, status=Status.ACTIVE)
    operator = make_user("operator", operates=[lease.resource.site], first_name="Olga")
    end_now(reservation_id=lease.reservation_id, actor=operator, now=now)
    assert send_mail(now=now) == 1
    assert "Olga ended it before its time" in outbox_of_django.outbox[0].body


def test_somebody_who_waited_is_told_that_it_is_free(member: Any) -> None:
    for _ in range(2):
        tell_freed(
            to=member,
            what="L40S",
            starts_at=START,
            ends_at=START + HOUR,
            until=NOW + HOUR,
            occasion="queue:1",
            now=NOW,
        )
    assert send_mail(now=NOW) == 1
    assert sent()[0].startswith("Free: L40S, ")


# --- the mail server --------------------------------------------------------------------------------


@pytest.fixture
def refusing_server(settings: Any, unused_tcp_port: int) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", unused_tcp_port, 5


@pytest.fixture
def unused_tcp_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_mail_server_that_is_away_loses_nothing(refusing_server: None, settings: Any) -> None:
    lease = book_lease()
    tell_holder(lease, "at_risk", why="Power", now=NOW)
    now = NOW
    for _ in range(MOST_MAIL_ATTEMPTS):
        assert send_mail(now=now) == 0
        now = OutgoingMail.objects.get().next_try_at
    assert now - NOW > 20 * HOUR, "a night is not enough to lose a message"
    mail = OutgoingMail.objects.get()
    assert "refused" in mail.last_error.lower()
    assert given_up() == 1
    assert send_mail(now=now + 24 * HOUR) == 0, "it was given up"

    assert try_again([mail.pk], now=now) == 1
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert send_mail(now=now) == 1
    assert given_up() == 0


def test_while_the_server_is_away_it_is_asked_once_a_round(refusing_server: None) -> None:
    for _ in range(3):
        tell_holder(book_lease(), "at_risk", why="Power", now=NOW)
    send_mail(now=NOW)
    assert {mail.attempts for mail in OutgoingMail.objects.all()} == {1}
    assert all(mail.last_error for mail in OutgoingMail.objects.all())


def test_one_receiver_that_is_refused_does_not_keep_back_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = book_lease(), book_lease()
    for lease in (bad, good):
        tell_holder(lease, "at_risk", why="Power", now=NOW)
    address = bad.reservation.holder.email
    whole = outbox_of_django.EmailMessage.send

    def send(letter: Any, fail_silently: bool = False) -> int:
        if letter.to == [address]:
            raise smtplib.SMTPRecipientsRefused({address: (550, b"unknown")})
        return int(whole(letter, fail_silently))

    monkeypatch.setattr(outbox_of_django.EmailMessage, "send", send)
    assert send_mail(now=NOW) == 1
    assert OutgoingMail.objects.get(sent_at=None).to.email == address


def test_a_letter_that_is_being_sent_is_not_sent_by_another_worker_as_well() -> None:
    lease = book_lease()
    tell_holder(lease, "at_risk", why="Power", now=NOW)
    OutgoingMail.objects.update(next_try_at=NOW + 10 * MINUTE, attempts=1)  # as a claim leaves it
    assert send_mail(now=NOW) == 0
    assert send_mail(now=NOW + 10 * MINUTE) == 1, "its worker died"


def test_a_storm_of_one_sort_comes_as_one_letter() -> None:
    operator = make_user("operator")
    site = make_site("roma", operators=[operator])
    for number in range(5):
        resource = make_resource(site, name=f"Card {number}")
        tell_operators(resource, f"{resource} is quarantined", "Look at it.", now=NOW)
    assert send_mail(now=NOW) == 1
    (letter,) = outbox_of_django.outbox
    assert letter.subject.endswith("(4 more)")
    assert letter.body.count("Look at it.") == 5


def test_a_message_that_cannot_be_put_into_words_keeps_nothing_else_back() -> None:
    lease = book_lease()
    reservation = make_reservation([make_resource()])
    OutgoingMail.objects.create(
        dedupe_key="odd",
        to=reservation.holder,
        template="booked",
        reservation=reservation,
        facts={"devices": 5},
    )
    OutgoingMail.objects.update(next_try_at=NOW)
    tell_holder(lease, "at_risk", why="Power", now=NOW)
    assert send_mail(now=NOW) == 1
    assert OutgoingMail.objects.get(dedupe_key="odd").last_error
    assert Lease.objects.count() == 2


def test_a_message_that_was_given_up_is_shown_at_the_desk_and_tried_again(client: Any) -> None:
    tell_holder(book_lease(), "at_risk", why="Power", now=NOW)
    OutgoingMail.objects.update(attempts=MOST_MAIL_ATTEMPTS, last_error="Connection refused")
    manager = make_superuser()
    client.force_login(manager)
    assert "Messages that were not sent" in client.get("/admin/").content.decode()
    page = client.get("/admin/reservations/outgoingmail/?state=given_up").content.decode()
    assert "Connection refused" in page
    mail = OutgoingMail.objects.get()
    client.post(
        "/admin/reservations/outgoingmail/", {"action": "have_tried_again", "_selected_action": [mail.pk]}
    )
    mail.refresh_from_db()
    assert mail.attempts == 0
    client.force_login(make_user(operates=[make_site()]))
    assert client.get("/admin/reservations/outgoingmail/").status_code == 403
