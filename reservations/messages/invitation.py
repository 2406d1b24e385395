"""A reservation as an entry in a calendar (RFC 5545), as mail programs and feeds carry it.

The identifier of the entry is that of the reservation for ever, and its sequence rises with each change; so
whatever comes later takes the place of what came before. Moments are in UTC: a calendar shows them in its
own zone, and no change of the clocks can shift them.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parseaddr

from django.conf import settings
from django.utils.translation import gettext as _
from icalendar import Alarm, Calendar, Event, vCalAddress, vText

from accounts.models import User
from reservations.messages.kinds import Entry
from reservations.messages.words import one_line
from reservations.models import Lease, Reservation
from reservations.states import Status

PRODUCT = "-//SHARY//SHARY//EN"
ALARM_BEFORE = timedelta(minutes=15)


def uid_of(reservation: Reservation) -> str:
    """Return the identifier of the entry, the same in every mail and every feed."""
    return f"{reservation.pk}@shary"


def empty_calendar(*, method: str) -> Calendar:
    """Return a calendar without entries."""
    calendar = Calendar()
    calendar.add("prodid", PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", method)
    return calendar


def entry_of(reservation: Reservation, leases: Sequence[Lease], *, stamp: datetime) -> Event:
    """Return the entry with what its holder may know; how to get in stands on the page alone."""
    names = [one_line(str(lease.resource)) for lease in leases]
    asked = any(lease.status == Status.REQUESTED for lease in leases)
    event = bare_entry(reservation, stamp=stamp)
    event.add("summary", one_line(reservation.purpose) or ", ".join(names))
    event.add("location", "; ".join(names))
    event.add("url", page_of(reservation))
    event.add("description", "\n".join([*names, one_line(str(reservation.project)), page_of(reservation)]))
    event.add("status", "TENTATIVE" if asked else "CONFIRMED")
    return event


def bare_entry(reservation: Reservation, *, stamp: datetime) -> Event:
    """Return the entry with nothing but when."""
    event = Event()
    event.add("uid", uid_of(reservation))
    event.add("sequence", reservation.version)
    event.add("dtstamp", _whole(stamp))
    event.add("dtstart", _whole(reservation.starts_at))
    event.add("dtend", _whole(reservation.ends_at))
    event.add("transp", "OPAQUE")
    return event


def invitation(
    reservation: Reservation, leases: Sequence[Lease], *, to: User, entry: Entry, now: datetime
) -> bytes:
    """Return what a mail carries so that the receiver's calendar writes the entry, or removes it."""
    event = entry_of(reservation, leases, stamp=now)
    name, address = parseaddr(settings.DEFAULT_FROM_EMAIL)
    organizer = vCalAddress(f"mailto:{address}")
    organizer.params["cn"] = vText(name or "SHARY")
    event.add("organizer", organizer)
    guest = vCalAddress(f"mailto:{one_line(to.email)}")
    guest.params["cn"] = vText(one_line(str(to)).replace('"', "'"))
    guest.params["role"] = vText("REQ-PARTICIPANT")
    guest.params["partstat"] = vText("ACCEPTED")
    guest.params["rsvp"] = vText("FALSE")
    event.add("attendee", guest, encode=False)
    if entry == Entry.REMOVE:
        del event["status"]
        event.add("status", "CANCELLED")
    else:
        alarm = Alarm()
        alarm.add("action", "DISPLAY")
        alarm.add("description", _("%(what)s starts soon") % {"what": str(event["summary"])})
        alarm.add("trigger", -ALARM_BEFORE)
        event.add_component(alarm)
    calendar = empty_calendar(method=str(entry))
    calendar.add_component(event)
    return bytes(calendar.to_ical())


def page_of(reservation: Reservation) -> str:
    """Return the address of the reservation's page."""
    return f"{settings.SHARY_URL}/reservations/{reservation.pk}/"


def _whole(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(microsecond=0)
