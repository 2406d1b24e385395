"""What stands in a message: every text, for every reader, and nothing that a name could smuggle in."""

from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings
from icalendar import Calendar

from reservations.messages.kinds import KINDS, TEMPLATES
from reservations.messages.letters import compose, who_stops
from reservations.messages.words import one_line, write_words
from reservations.models import OutgoingMail, Reservation
from reservations.services.gate import move
from reservations.states import Status
from tests.factories import make_project, make_reservation, make_resource, make_site, make_user

pytestmark = pytest.mark.django_db

NOW = datetime(2027, 3, 27, 12, tzinfo=UTC)
NAUGHTY = 'Ada\r\nBcc: everybody@uni-a.example\r\n\r\n<b>"O’Hara"</b> \u202egpj.exe שלום ' + "long " * 80

VALUES: dict[str, Any] = {
    "what": NAUGHTY,
    "window": "Sat 27 Mar 14:00 to Sat 27 Mar 16:00 (Europe/Rome)",
    "starts_at": "Sat 27 Mar 14:00 (Europe/Rome)",
    "ends_at": "Sat 27 Mar 16:00 (Europe/Rome)",
    "devices": [NAUGHTY, "Roma · L40S 1"],
    "resource": NAUGHTY,
    "site": "Roma",
    "why": NAUGHTY,
    "subject": NAUGHTY,
    "cause": NAUGHTY,
    "other": NAUGHTY,
    "by": NAUGHTY,
    "holder": NAUGHTY,
    "project": NAUGHTY,
    "purpose": NAUGHTY,
    "stage": "BMv2",
    "since": "12 min",
    "latest_end": "Sat 27 Mar 18:00 (Europe/Rome)",
    "until": "Sat 27 Mar 13:00 (Europe/Rome)",
    "waits_for": "Roma, Athens",
    "warnings": ["Your machine is restarted."],
    "was_active": True,
}


def letter_of(mail: OutgoingMail, *, now: datetime = NOW) -> EmailMessage:
    """Return the letter as a mail program reads it."""
    return message_from_bytes(compose([mail], now=now).message().as_bytes(), policy=policy.default)  # type: ignore[return-value]


def part_of(letter: EmailMessage, kind: str) -> EmailMessage:
    (part,) = [part for part in letter.walk() if part.get_content_type() == kind]
    return part  # type: ignore[return-value]


def a_mail(template: str, *, reservation: Reservation | None = None, **more: Any) -> OutgoingMail:
    holder = reservation.holder if reservation else make_user()
    subject, body = write_words(template, to=more.get("to", holder), values=VALUES)
    return OutgoingMail.objects.create(
        **{
            "dedupe_key": f"{template}:{OutgoingMail.objects.count()}",
            "to": holder,
            "template": template,
            "reservation": reservation,
            "subject": subject,
            "body": body,
        }
        | more
    )


@pytest.mark.parametrize("language", [code for code, _ in settings.LANGUAGES])
@pytest.mark.parametrize("template", sorted(TEMPLATES))
def test_every_text_can_be_said_in_every_language_and_smuggles_nothing_in(template: str, language: str) -> None:
    reservation = make_reservation([make_resource()])
    to = make_user(language=language, first_name=NAUGHTY[:100], last_name="עברית")
    letter = letter_of(a_mail(template, reservation=reservation, to=to))

    assert letter["Bcc"] is None
    assert letter["To"] == to.email
    assert 0 < len(letter["Subject"]) <= 200
    assert "\n" not in letter["Subject"]
    assert "\u202e" not in letter["Subject"]
    text, markup = part_of(letter, "text/plain"), part_of(letter, "text/html")
    assert "{{" not in text.get_content() + markup.get_content()
    assert "&lt;" not in text.get_content(), "plain text is not escaped"
    assert "<b>" not in markup.get_content(), "markup is"
    assert f'lang="{language}"' in markup.get_content()


def test_each_text_belongs_to_a_kind_that_people_can_read_about() -> None:
    assert {template.kind for template in TEMPLATES.values()} == set(KINDS)
    assert all(str(kind.title) and str(kind.explains) for kind in KINDS.values())


def test_texts_say_what_they_are_about() -> None:
    reservation = make_reservation([make_resource(make_site("roma", name="Roma"), name="L40S 1")])
    subject, body = write_words(
        "ending_soon",
        to=reservation.holder,
        values=VALUES | {"what": "“Training”", "devices": ["Roma · L40S 1"]},
    )
    assert subject == "“Training” ends soon: Sat 27 Mar 16:00 (Europe/Rome)"
    assert "- Roma · L40S 1" in body
    assert "You could extend until Sat 27 Mar 18:00 (Europe/Rome)" in body


def test_a_header_has_one_line_whatever_it_is_made_of() -> None:
    assert one_line("a\r\nb\u2028c\x00d\u202ee") == "a b c de"
    assert one_line("می‌خواهم") == "می‌خواهم", "some scripts need the joiner"


def test_an_optional_kind_can_be_stopped_from_the_letter_and_only_by_its_reader() -> None:
    mail = a_mail("booked", reservation=make_reservation([make_resource()]))
    letter = letter_of(mail)
    address = letter["List-Unsubscribe"].strip("<>")
    assert letter["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    token = address.rstrip("/").rpartition("/")[2]
    assert who_stops(token) == (mail.to_id, "booked")
    assert who_stops(token[:-2] + "xx") is None
    assert who_stops("nonsense") is None


def test_what_operators_must_hear_cannot_be_stopped() -> None:
    letter = letter_of(a_mail("operator"))
    assert letter["List-Unsubscribe"] is None


def test_a_confirmation_brings_the_entry_for_the_calendar() -> None:
    project = make_project(name="Optics")
    reservation = make_reservation(
        [make_resource(make_site("roma", name="Roma"), name="L40S; 1, the “best”")],
        project=project,
        holder=make_user("ada", projects=[project], first_name='Ada "the first"'),
        starts_at=NOW,
        purpose="Training run, with commas; and semicolons",
    )
    letter = letter_of(a_mail("booked", reservation=reservation))
    part = part_of(letter, "text/calendar")
    assert part.get_param("method") == "REQUEST"
    (event,) = Calendar.from_ical(part.get_content()).walk("VEVENT")
    assert event["UID"] == f"{reservation.pk}@shary"
    assert event["SEQUENCE"] == reservation.version
    assert event["SUMMARY"] == "Training run, with commas; and semicolons"
    assert event.decoded("DTSTART") == NOW
    assert event["STATUS"] == "CONFIRMED"
    assert event["ATTENDEE"] == "mailto:ada@uni-a.example"
    (alarm,) = event.walk("VALARM")
    assert alarm.decoded("TRIGGER") == timedelta(minutes=-15)
    raw = part.get_content().encode()
    assert all(len(line) <= 75 for line in raw.replace(b"\r\n", b"\n").split(b"\n"))
    assert b"opens-sesame" not in letter.as_bytes()


def test_a_cancellation_takes_the_same_entry_away() -> None:
    reservation = make_reservation([make_resource()], status=Status.CANCELLED)
    reservation.refresh_from_db()
    part = part_of(letter_of(a_mail("cancelled", reservation=reservation)), "text/calendar")
    (event,) = Calendar.from_ical(part.get_content()).walk("VEVENT")
    assert part.get_param("method") == "CANCEL"
    assert (event["UID"], event["STATUS"]) == (f"{reservation.pk}@shary", "CANCELLED")
    assert event["SEQUENCE"] >= 1


def test_while_part_of_it_goes_on_the_entry_stays() -> None:
    reservation = make_reservation([make_resource(), make_resource()])
    one = reservation.leases.first()
    assert move(lease_id=one.pk, source=Status.SCHEDULED, to=Status.CANCELLED, now=NOW)
    part = part_of(letter_of(a_mail("cancelled", reservation=reservation)), "text/calendar")
    assert part.get_param("method") == "REQUEST"


def test_a_lease_over_the_change_of_the_clocks_keeps_its_hours() -> None:
    starts_at = datetime(2027, 3, 28, 1, 30, tzinfo=ZoneInfo("Europe/Rome"))
    reservation = make_reservation([make_resource()], starts_at=starts_at.astimezone(UTC), hours=2)
    part = part_of(letter_of(a_mail("booked", reservation=reservation)), "text/calendar")
    (event,) = Calendar.from_ical(part.get_content()).walk("VEVENT")
    assert event.decoded("DTEND") - event.decoded("DTSTART") == timedelta(hours=2)
    assert "DTSTART:20270328T003000Z" in part.get_content()


def test_several_messages_about_the_same_are_one_letter() -> None:
    reservation = make_reservation([make_resource(), make_resource()])
    first, second = (a_mail("failed", reservation=reservation) for _ in range(2))
    letter = compose([first, second], now=NOW)
    assert letter.subject.endswith("(1 more)")
    assert letter.body.count("could not") == 0
    assert letter.body.count("This lease is over") == 2
