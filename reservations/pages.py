"""The pages of *when*: the board, one's own reservations, one reservation."""

from collections.abc import AsyncIterator
from typing import Any, cast
from uuid import UUID

from asgiref.sync import sync_to_async
from django.contrib.auth.decorators import login_required
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET

from accounts.models import User
from accounts.pages import config_for
from adapters.catalogue import CATALOGUE
from reservations.live import changes_of
from reservations.live_calendar import calendar_changes
from reservations.models import Handover, Reservation
from reservations.phase import Phase, phase_of
from reservations.selectors.desk import budgets_of, needs_of
from reservations.selectors.reservations import reservations_of, with_leases
from reservations.selectors.series import visible_series
from reservations.selectors.visibility import visible_reservations
from reservations.selectors.waiting import desk_wishes
from resources.models import Resource, Site
from resources.pricing import catalogue_of_models
from resources.selectors import resources_named

GROUP_OF = {
    Phase.PREPARING: "running",
    Phase.ACTIVE: "running",
    Phase.CLEANING: "running",
    Phase.TROUBLE: "running",
    Phase.SCHEDULED: "next",
    Phase.ASKED: "waiting",
    Phase.OVER: "past",
    Phase.CANCELLED: "past",
    Phase.REJECTED: "past",
}
SHOWN = 200


@require_GET
@login_required
@ensure_csrf_cookie
def board(request: HttpRequest) -> HttpResponse:
    """The calendar over all sites."""
    config = config_for(cast(User, request.user), now=timezone.now())
    return render(request, "reservations/board.html", {"config_json": config})


@require_GET
@login_required
@ensure_csrf_cookie
def find(request: HttpRequest) -> HttpResponse:
    """Find a slot: the wish stands in the address; the page searches and books by the API."""
    config = config_for(cast(User, request.user), now=timezone.now())
    config["catalogue"] = catalogue_of_models()
    config["sites"] = list(Site.objects.values("slug", "name"))
    named = [text.rpartition("*")[2] for text in request.GET.getlist("line") if "*device*" in text]
    config["names"] = {str(each.pk): str(each) for each in resources_named(named)}
    return render(request, "reservations/find.html", {"config_json": config})


@require_GET
@login_required
@ensure_csrf_cookie
def mine(request: HttpRequest) -> HttpResponse:
    """One's own reservations and those of one's projects, by what is to be done."""
    groups: dict[str, list[Reservation]] = {"running": [], "next": [], "waiting": [], "past": []}
    found = with_leases(reservations_of(cast(User, request.user))).order_by("-ends_at", "pk")[:SHOWN]
    for reservation in found:
        phase = phase_of([lease.status for lease in reservation.leases.all()])
        reservation.phase = phase.value  # type: ignore[attr-defined]
        reservation.sites = _devices_by_site(reservation)  # type: ignore[attr-defined]
        groups[GROUP_OF[phase]].append(reservation)
    for name in ("running", "next", "waiting"):
        groups[name].sort(key=lambda each: (each.starts_at, each.ends_at))
    waiting = Handover.objects.filter(receiver=cast(User, request.user), outcome=Handover.Outcome.WAITING)
    offers = waiting.select_related("giver", "reservation__project")
    now = timezone.now()
    return render(
        request,
        "reservations/mine.html",
        {
            "groups": groups,
            "offers": offers,
            "wishes": desk_wishes(cast(User, request.user), now=now),
            "needs": needs_of(cast(User, request.user), now=now),
            "budgets": budgets_of(cast(User, request.user), now=now),
        },
    )


def _devices_by_site(reservation: Reservation) -> list[dict[str, Any]]:
    """Return the names of the devices of each site, both in alphabetical order."""
    found: dict[str, list[str]] = {}
    for lease in reservation.leases.all():
        found.setdefault(lease.resource.site.name, []).append(lease.resource.name)
    return [{"name": name, "devices": sorted(found[name])} for name in sorted(found)]


@require_GET
@login_required
@ensure_csrf_cookie
def reservation(request: HttpRequest, reservation_id: UUID) -> HttpResponse:
    """One reservation; the page reads the rest by the API and keeps itself fresh."""
    user = cast(User, request.user)
    if not visible_reservations(user).filter(pk=reservation_id).exists():
        raise Http404
    config = config_for(user, now=timezone.now()) | {"id": str(reservation_id)}
    return render(
        request, "reservations/reservation.html", {"reservation_id": reservation_id, "config_json": config}
    )


@require_GET
@login_required
@ensure_csrf_cookie
def series(request: HttpRequest, series_id: UUID) -> HttpResponse:
    """One series: its rule, its occurrences, and what can be done with the rest."""
    user = cast(User, request.user)
    if not visible_series(user).filter(pk=series_id).exists():
        raise Http404
    config = config_for(user, now=timezone.now()) | {"id": str(series_id)}
    return render(request, "reservations/series.html", {"series_id": series_id, "config_json": config})


@require_GET
@login_required
@ensure_csrf_cookie
def templates(request: HttpRequest) -> HttpResponse:
    """What is booked often, under names; the page reads and writes it by the API."""
    config = config_for(cast(User, request.user), now=timezone.now())
    return render(request, "reservations/templates.html", {"config_json": config})


@require_GET
@login_required
@ensure_csrf_cookie
def artefacts(request: HttpRequest) -> HttpResponse:
    """The files of one's projects; the page reads and writes them by the API."""
    config = config_for(cast(User, request.user), now=timezone.now())
    adapters = [description for description in CATALOGUE.values() if description.artefacts]
    config["adapters"] = [
        {
            "name": each.name,
            "title": each.title,
            "source": each.source.name if each.source else "",
            "slots": [
                {"name": slot.name, "title": slot.title, "max_bytes": slot.max_bytes, "help": slot.help}
                for slot in [*each.artefacts, *([each.source] if each.source else [])]
            ],
            "devices": [
                {"id": str(device.pk), "name": str(device)}
                for device in Resource.objects.select_related("site")
                .filter(adapter=each.name, in_service=True)
                .order_by("site__name", "name")[:SHOWN]
            ],
        }
        for each in adapters
    ]
    return render(request, "reservations/artefacts.html", {"config_json": config})


@require_GET
async def stream(request: HttpRequest, reservation_id: UUID) -> HttpResponseBase:
    """Server-sent events of one reservation: `change` with its version, whenever it changes."""
    user = cast(User, await request.auser())
    if not user.is_authenticated:
        return HttpResponse("Sign in first.\n", status=401, content_type="text/plain")
    version = await sync_to_async(_version_for)(user, reservation_id)
    if version is None:
        raise Http404
    return _events(changes_of(reservation_id, version))


@require_GET
async def calendar_stream(request: HttpRequest) -> HttpResponseBase:
    """Server-sent events of the board: `change` whenever something on the calendar may have changed."""
    user = cast(User, await request.auser())
    await sync_to_async(_let_go_of_the_database)()
    if not user.is_authenticated:
        return HttpResponse("Sign in first.\n", status=401, content_type="text/plain")
    return _events(calendar_changes())


def _events(events: AsyncIterator[str]) -> StreamingHttpResponse:
    response = StreamingHttpResponse(events, content_type="text/event-stream")
    response.headers["Cache-Control"] = "no-cache"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _version_for(user: User, reservation_id: UUID) -> int | None:
    version = visible_reservations(user).filter(pk=reservation_id).values_list("version", flat=True).first()
    _let_go_of_the_database()
    return version


def _let_go_of_the_database() -> None:
    # A page may listen for hours; it must not keep a connection to the database as long.
    if not connection.in_atomic_block:
        connection.close()
