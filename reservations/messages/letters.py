"""A message as it goes out: plain text, the same as simple markup, and the entry for the calendar."""

import re
from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.core import signing
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import User
from reservations.messages.invitation import invitation, page_of
from reservations.messages.kinds import KINDS, TEMPLATES, Entry
from reservations.messages.words import language_of, one_line, open_leases
from reservations.models import OutgoingMail

SALT = "reservations.unsubscribe"


def compose(mails: Sequence[OutgoingMail], *, now: datetime) -> EmailMultiAlternatives:
    """Return one letter of messages to the same person about the same thing; usually it is one message."""
    first = mails[-1]
    with translation.override(language_of(first.to)):
        subject = first.subject
        if len(mails) > 1:
            more = ngettext("%(count)s more", "%(count)s more", len(mails) - 1) % {"count": len(mails) - 1}
            subject = one_line(f"{subject} ({more})")
        kind = KINDS[TEMPLATES[first.template].kind]
        page = page_of(first.reservation) if first.reservation else ""
        stop = unsubscribe_address(first.to, kind.name) if kind.is_optional else ""
        values = {
            "subject": subject,
            "parts": [_paragraphs(mail.body) for mail in mails],
            "bodies": [mail.body.strip() for mail in mails],
            "page": page,
            "portal": settings.SHARY_URL,
            "kind": kind,
            "stop": stop,
            "choices": f"{settings.SHARY_URL}/account/notifications/",
            "language": language_of(first.to),
            "direction": "rtl" if translation.get_language_bidi() else "ltr",
        }
        letter = EmailMultiAlternatives(
            subject=subject,
            body=render_to_string("messages/letter.txt", values),
            to=[first.to.email],
            headers=_headers(first, stop),
        )
        letter.attach_alternative(render_to_string("messages/letter.html", values), "text/html")
        _attach_entry(letter, mails, now=now)
    return letter


def _attach_entry(letter: EmailMultiAlternatives, mails: Sequence[OutgoingMail], *, now: datetime) -> None:
    entries = [TEMPLATES[mail.template].entry for mail in mails]
    entry = next((each for each in (Entry.REMOVE, Entry.WRITE) if each in entries), Entry.NONE)
    reservation = mails[-1].reservation
    if not entry or reservation is None or mails[-1].to_id != reservation.holder_id:
        return
    leases = open_leases(reservation)
    if entry == Entry.REMOVE and any(lease.status not in ("CANCELLED", "REJECTED") for lease in leases):
        entry = Entry.WRITE  # a part of it goes on
    content = invitation(reservation, leases, to=mails[-1].to, entry=entry, now=now)
    letter.attach_alternative(content.decode(), f"text/calendar; method={entry}")
    # Some programs offer an entry only where it lies beside the letter as a file.
    letter.attach("invite.ics", content, "application/ics")


def _headers(mail: OutgoingMail, stop: str) -> dict[str, str]:
    headers = {
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "OOF, AutoReply",
        # The same whenever it is tried again, so that nobody is shown it twice.
        "Message-ID": f"<message-{mail.pk}@{_host()}>",
    }
    if mail.reservation_id:
        headers["References"] = f"<reservation-{mail.reservation_id}@{_host()}>"
    if stop:
        headers["List-Unsubscribe"] = f"<{stop}>"
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return headers


def unsubscribe_address(user: User, kind: str) -> str:
    """Return the address at which this person, and nobody else, gets no more messages of a kind."""
    return f"{settings.SHARY_URL}/messages/stop/{signing.dumps([user.pk, kind], salt=SALT)}/"


def who_stops(text: str) -> tuple[int, str] | None:
    """Return whose messages of which kind such an address stops, or None when nobody signed it."""
    try:
        user, kind = signing.loads(text, salt=SALT)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    return (user, kind) if kind in KINDS and KINDS[kind].is_optional else None


def title_of(kind: str) -> str:
    """Return what a kind of message is called."""
    return str(KINDS[kind].title) if kind in KINDS else _("Message")


def _paragraphs(text: str) -> list[list[str]]:
    return [part.splitlines() for part in re.split(r"\n{2,}", text.strip())]


def _host() -> str:
    return str(settings.SHARY_URL).partition("://")[2].partition("/")[0].partition(":")[0] or "localhost"
