"""Bookings as calendars (RFC 5545): feeds by a secret address, and one reservation as a file.

A calendar program can send no header, so the secret stands in the address (docs/adr has the reasons and what
is done about it). Programs that can send one ask `/calendar/feed.ics` with `Authorization: Bearer shc_…`.
"""

import hashlib
import logging
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.db.models import OuterRef, Prefetch, Q, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone, translation
from django.utils.cache import get_conditional_response
from django.utils.http import http_date
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET
from icalendar import Calendar, Event

from accounts.models import User
from interop.calendar_feeds import calendar_feed_by_secret, note_use
from interop.feeds import address_of
from interop.models import CalendarFeed
from interop.rates import count, has_had, quiet
from reservations.messages.invitation import bare_entry, empty_calendar, entry_of, page_of
from reservations.messages.words import language_of, one_line
from reservations.models import Lease, LeaseEvent, Reservation
from reservations.selectors.visibility import visible_reservations
from reservations.states import Status
from resources.models import Cover

PAST = timedelta(days=31)
AHEAD = timedelta(days=400)
MOST_ENTRIES = 1000
_READS_A_MINUTE = 30
_WRONG_TRIES_A_MINUTE = 30
_SHOWN = [status for status in Status if status not in (Status.REJECTED, Status.CANCELLED)]


def calendar_of(feed: CalendarFeed, *, now: datetime) -> Calendar:
    """Return what a feed shows: when, and with details only what its owner may see."""
    with translation.override(language_of(feed.owner)):
        calendar = empty_calendar(method="PUBLISH")
        calendar.add("x-wr-calname", f"SHARY · {one_line(str(feed))}")
        calendar.add("refresh-interval", timedelta(minutes=15), parameters={"value": "DURATION"})
        calendar.add("x-published-ttl", "PT15M")
        seen = _seen_by(feed)
        for reservation in _reservations(feed, now=now):
            leases = list(reservation.leases.all())
            if leases:
                calendar.add_component(_entry(feed, reservation, leases, shown=reservation.pk in seen))
        return calendar


def _entry(feed: CalendarFeed, reservation: Any, leases: list[Lease], *, shown: bool) -> Event:
    stamp = max(reservation.created_at, reservation.changed_at or reservation.created_at)
    if not (feed.shows_details and shown):
        event = bare_entry(reservation, stamp=stamp)
        event.add("summary", _("Booked"))
        # Whoever has the address of a device's feed must not learn what belongs together elsewhere.
        if feed.scope == CalendarFeed.Scope.RESOURCE:
            del event["uid"]
            event.add("uid", f"{_alias(feed, reservation)}@shary")
        else:
            event.add("url", page_of(reservation))
        return event
    event = entry_of(reservation, leases, stamp=stamp)
    if reservation.holder_id != feed.owner_id:
        del event["summary"]
        what = one_line(reservation.purpose) or ", ".join(one_line(lease.resource.name) for lease in leases)
        event.add("summary", f"{one_line(str(reservation.holder))}: {what}")
    return event


def _alias(feed: CalendarFeed, reservation: Reservation) -> str:
    return hashlib.sha256(f"{feed.pk}:{reservation.pk}".encode()).hexdigest()[:32]


def _seen_by(feed: CalendarFeed) -> set[UUID]:
    if not feed.shows_details:
        return set()
    return set(
        visible_reservations(feed.owner).filter(_of(feed)).order_by().values_list("pk", flat=True)[:5000]
    )


def _of(feed: CalendarFeed) -> Q:
    if feed.scope == CalendarFeed.Scope.MINE:
        return Q(holder=feed.owner_id)
    if feed.scope == CalendarFeed.Scope.PROJECT:
        return Q(project=feed.project_id)
    return Q(leases__resource__in=_family(feed))


def _family(feed: CalendarFeed) -> set[UUID | None]:
    """Return the device, what contains it and what it consists of: who has one of them has it."""
    pairs = Cover.objects.filter(Q(whole=feed.resource_id) | Q(part=feed.resource_id))
    return {key for pair in pairs.values_list("whole_id", "part_id") for key in pair} | {feed.resource_id}


def _reservations(feed: CalendarFeed, *, now: datetime) -> Iterable[Any]:
    leases: QuerySet[Lease] = (
        Lease.objects.select_related("resource__site")
        .defer("access")
        .filter(status__in=_SHOWN)
        .order_by("resource__name", "pk")
    )
    if feed.scope == CalendarFeed.Scope.RESOURCE:
        leases = leases.filter(resource__in=_family(feed))
    return (
        Reservation.objects.select_related("holder", "project")
        .filter(_of(feed), ends_at__gt=now - PAST, starts_at__lt=now + AHEAD)
        .annotate(
            changed_at=Subquery(
                LeaseEvent.objects.filter(lease__reservation=OuterRef("pk")).order_by("-at").values("at")[:1]
            )
        )
        .prefetch_related(Prefetch("leases", queryset=leases))
        .order_by("starts_at", "pk")
        .distinct()[:MOST_ENTRIES]
    )


# --- doors ------------------------------------------------------------------------------------------


@csrf_exempt
def by_secret(request: HttpRequest, secret: str) -> HttpResponse:
    """Answer whoever has the secret of a feed."""
    return _answer(request, secret)


@csrf_exempt
def by_header(request: HttpRequest) -> HttpResponse:
    """Answer a program that can send the secret where nobody logs it."""
    scheme, _space, secret = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        response = quiet(HttpResponse("Send the secret of a feed.\n", status=401, content_type="text/plain"))
        response["WWW-Authenticate"] = "Bearer"
        return response
    return _answer(request, secret.strip())


@require_GET
@login_required
def download(request: HttpRequest, reservation_id: UUID) -> HttpResponse:
    """One reservation as a file for a calendar, for whoever may see it."""
    reservation = (
        visible_reservations(cast(User, request.user))
        .select_related("project", "holder")
        .filter(pk=reservation_id)
        .first()
    )
    if reservation is None:
        raise Http404
    leases = list(reservation.leases.select_related("resource__site").defer("access").filter(status__in=_SHOWN))
    calendar = empty_calendar(method="PUBLISH")
    if leases:
        calendar.add_component(entry_of(reservation, leases, stamp=reservation.created_at))
    response = HttpResponse(calendar.to_ical(), content_type="text/calendar; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="reservation-{str(reservation.pk)[:8]}.ics"'
    response["Cache-Control"] = "private, no-cache"
    return response


def _answer(request: HttpRequest, secret: str) -> HttpResponse:
    try:
        stranger = f"calendar-wrong-{hashlib.sha256(str(address_of(request)).encode()).hexdigest()[:20]}"
        if request.method not in ("GET", "HEAD") or has_had(stranger, _WRONG_TRIES_A_MINUTE):
            return _nothing()
        feed = calendar_feed_by_secret(secret)
        if feed is None:
            count(stranger)
            return _nothing()
        reads = f"calendar-feed-{feed.pk}"
        if has_had(reads, _READS_A_MINUTE):
            busy = quiet(HttpResponse("Too often.\n", status=429, content_type="text/plain"))
            busy["Retry-After"] = "60"
            return busy
        count(reads)
        now = timezone.now()
        note_use(feed, program=request.headers.get("User-Agent", ""), now=now)
        return _calendar_response(request, calendar_of(feed, now=now))
    except Exception:
        # Django would log it with the address, in which the secret stands.
        logging.getLogger(__name__).exception("A calendar feed could not be answered.")
        return quiet(HttpResponse(status=500))


def _calendar_response(request: HttpRequest, calendar: Calendar) -> HttpResponse:
    content = calendar.to_ical()
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    stamps = [event.decoded("dtstamp") for event in calendar.walk("VEVENT")]
    last_modified = int(max(stamps, default=datetime(2020, 1, 1, tzinfo=UTC)).timestamp())
    response = HttpResponse(content, content_type="text/calendar; charset=utf-8")
    response["ETag"] = etag
    response["Last-Modified"] = http_date(last_modified)
    response["Content-Disposition"] = 'inline; filename="shary.ics"'
    answer = get_conditional_response(request, etag=etag, last_modified=None, response=response)
    return quiet(cast(HttpResponse, answer), cache_control="private, no-cache")


def _nothing() -> HttpResponse:
    return quiet(HttpResponse("Not found\n", status=404, content_type="text/plain"))


def address_for(secret: str) -> str:
    """Return the address at which a feed is read."""
    return f"{settings.SHARY_URL}/calendar/{secret}/shary.ics"
