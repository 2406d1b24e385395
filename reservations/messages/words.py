"""The words of a message, in the language and the zone of whoever gets it."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.template import Context
from django.template.loader import get_template
from django.utils import translation
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import User
from reservations.models import Lease, Reservation
from reservations.states import OVER
from reservations.words import zone_of

LONGEST_SUBJECT = 140


def language_of(user: User) -> str:
    """Return the language that a person gets messages in."""
    return user.language or "en"


def write_words(template: str, *, to: User, values: Mapping[str, Any]) -> tuple[str, str]:
    """Return the subject and the text of a message.

    Texts are not markup: nothing in them is escaped here, and the part for mail readers that show
    markup escapes all of it.
    """
    with translation.override(language_of(to)):
        return (
            _shortened(one_line(_rendered(f"messages/{template}.subject.txt", values))),
            _tidy(_rendered(f"messages/{template}.txt", values)),
        )


def one_line(text: str) -> str:
    """Return a text as it may stand in a header: on one line, without what turns the direction of writing."""
    shown = "".join(
        " " if unicodedata.category(char) in ("Cc", "Zl", "Zp") else char
        for char in text
        if unicodedata.category(char) not in ("Cf", "Cs") or char in "\u200c\u200d"
    )
    return " ".join(shown.split())


def values_of_reservation(reservation: Reservation, leases: Iterable[Lease], *, to: User) -> dict[str, Any]:
    """Return what the texts say of a whole reservation."""
    leases = list(leases)
    with translation.override(language_of(to)):
        zone = zone_of(to)
        return {
            "what": _what(reservation, leases),
            "window": window_words(reservation.starts_at, reservation.ends_at, zone),
            "starts_at": moment_words(reservation.starts_at, zone),
            "ends_at": moment_words(reservation.ends_at, zone),
            "devices": [one_line(str(lease.resource)) for lease in leases],
            "purpose": one_line(reservation.purpose),
            "holder": one_line(str(reservation.holder)),
            "project": one_line(str(reservation.project)),
        }


def values_of_lease(lease: Lease, *, to: User) -> dict[str, Any]:
    """Return what the texts say of the lease of one device."""
    with translation.override(language_of(to)):
        return {
            "resource": one_line(str(lease.resource)),
            "site": one_line(lease.resource.site.name),
            "window": window_words(lease.starts_at, lease.ends_at, zone_of(to)),
        }


def freed_values(
    *, to: User, what: str, starts_at: datetime, ends_at: datetime, why: str, until: datetime | None
) -> dict[str, Any]:
    """Return what the text of something that became free says."""
    with translation.override(language_of(to)):
        zone = zone_of(to)
        return {
            "what": one_line(what),
            "window": window_words(starts_at, ends_at, zone),
            "why": why,
            "until": moment_words(until, zone) if until else "",
        }


def moment_words(moment: datetime, zone: str) -> str:
    """Return a moment in the language that is set, with its zone: “Mon 23 Nov 14:30 (Europe/Rome)”."""
    return f"{date_format(moment.astimezone(ZoneInfo(zone)), 'D d M H:i')} ({zone})"


def window_words(starts_at: datetime, ends_at: datetime, zone: str) -> str:
    """Return a window in the language that is set."""
    start = date_format(starts_at.astimezone(ZoneInfo(zone)), "D d M H:i")
    return _("%(start)s to %(end)s") % {"start": start, "end": moment_words(ends_at, zone)}


def open_leases(reservation: Reservation) -> list[Lease]:
    """Return the leases that are not over, or all of them when none is left."""
    leases = list(
        reservation.leases.select_related("resource__site").defer("access").order_by("resource__name")
    )
    return [lease for lease in leases if lease.status not in OVER] or leases


def _what(reservation: Reservation, leases: list[Lease]) -> str:
    if purpose := one_line(reservation.purpose):
        return _("“%(purpose)s”") % {"purpose": purpose}
    if len(leases) == 1:
        return one_line(str(leases[0].resource))
    return ngettext("%(count)s device", "%(count)s devices", len(leases)) % {"count": len(leases)}


def _rendered(name: str, values: Mapping[str, Any]) -> str:
    # The backend's wrapper would escape for HTML, and these are plain text.
    return str(get_template(name).template.render(Context(dict(values), autoescape=False)))  # type: ignore[attr-defined]


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_SUBJECT else f"{text[: LONGEST_SUBJECT - 1].rstrip()}…"


def _tidy(text: str) -> str:
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in text.splitlines())).strip() + "\n"
