"""Booking what recurs: a series is booked whole, and the rest of it changed or given up."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from uuid import UUID

from django.db import IntegrityError, OperationalError, transaction
from django.utils.translation import gettext as _

from accounts.models import Project, User
from reservations.errors import CannotBook, Invalid, NotAllowed, NotFound, SeriesClash, WishRefusal
from reservations.models import Reservation, Series, SeriesException
from reservations.selectors.series import (
    may_change_series,
    occurrences_of,
    still_ahead,
    visible_series,
)
from reservations.services.asks import check_asks
from reservations.services.booking import Request, enter_chosen, project_to_charge
from reservations.services.changes import cancel
from reservations.services.lines import asks_of_lines, lines_of, links_of_ties, ties_of_links
from reservations.services.occurrences import BLOCKED, Ignored, Otherwise, Outlook, Planned, Wanted, plan
from reservations.services.patterns import Pattern, pattern_of
from reservations.services.races import is_lost_race
from reservations.services.windows import BookedWindow
from reservations.services.wiring import check_ties
from reservations.states import HOLDING
from reservations.words import zone_of
from resources.models import Resource

TRIES = 3
"""How often the calendar is looked at again when somebody else was quicker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesRequest:
    """A series that somebody wants to book."""

    user: User
    project: str
    wanted: Wanted
    purpose: str = ""
    skip_clashes: bool = False
    """Whether what cannot be had is left out; else nothing is booked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesBooked:
    """A series, and how each of its occurrences went."""

    series: Series
    occurrences: Sequence[Planned]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """What a change of a series finds: what stays as it is, and what makes room."""

    ignored: Ignored = field(default_factory=Ignored)
    replaced: Sequence[Reservation] = ()


def preview_series(request: SeriesRequest, *, now: datetime) -> list[Planned]:
    """Return how things stand for each occurrence. Books nothing."""
    project = _checked(request)
    return plan(request.wanted, project=project, person=request.user, now=now)


def book_series(request: SeriesRequest, *, now: datetime) -> SeriesBooked:
    """Book all occurrences in one transaction, or nothing, unless clashes are to be left out.

    Raises `SeriesClash` with how things stand for each occurrence, and what the booking of one raises.
    """
    project = _checked(request)

    def write() -> Series:
        return Series.objects.create(
            project=project, holder=request.user, purpose=request.purpose.strip(), **_fields(request.wanted)
        )

    return _book(request, project, lambda: _Change(), write, now=now)


def preview_change(*, series_id: UUID, request: SeriesRequest, now: datetime) -> list[Planned]:
    """Return how things would stand for each occurrence after a change of the rest. Changes nothing."""
    series = series_to_change(series_id, request.user)
    request, project = _as_of(request, series)
    change = _change(series, request, now=now)
    wanted = _without_given_up(series, request.wanted)
    return plan(
        wanted,
        project=project,
        person=request.user,
        now=now,
        ignored=change.ignored,
    )


def change_series(*, series_id: UUID, request: SeriesRequest, now: datetime) -> SeriesBooked:
    """Let the rest of a series follow another rule: what stays the same stays, the others are booked anew.

    What has started is not touched. Extending is the same with a later end.
    """
    actor = request.user
    series = series_to_change(series_id, actor)
    request, project = _as_of(request, series)
    request = replace(request, wanted=_without_given_up(series, request.wanted))

    def write() -> Series:
        locked = Series.objects.select_for_update().get(pk=series.pk)
        for name, value in _fields(request.wanted).items():
            setattr(locked, name, value)
        locked.purpose = request.purpose.strip() or locked.purpose
        locked.cancelled_at = None
        locked.save()
        for reservation in _change(series, request, now=now).replaced:
            cancel(reservation_id=reservation.pk, actor=actor, now=now)
        return locked

    return _book(request, project, lambda: _change(series, request, now=now), write, now=now)


def cancel_rest(*, series_id: UUID, actor: User, now: datetime, from_on: date | None = None) -> int:
    """Give up all occurrences that have not started, from a day on; return how many they were."""
    series = series_to_change(series_id, actor)
    with transaction.atomic():
        locked = Series.objects.select_for_update().get(pk=series.pk)
        ahead = [
            each
            for each in still_ahead(occurrences_of(series.pk), now=now)
            if from_on is None or (each.occurrence_on is not None and each.occurrence_on >= from_on)
        ]
        for reservation in ahead:
            cancel(reservation_id=reservation.pk, actor=actor, now=now)
        locked.cancelled_at = locked.cancelled_at or now
        locked.save(update_fields=["cancelled_at"])
    return len(ahead)


def series_to_change(series_id: UUID, actor: User) -> Series:
    """Return a series that the actor may change."""
    series = visible_series(actor).select_related("project", "holder").filter(pk=series_id).first()
    if series is None:
        raise NotFound(_("There is no such series, or it is not yours to see."))
    if not may_change_series(actor, series):
        raise NotAllowed(
            _("Only its holder and the leaders of %(project)s can change it.") % {"project": series.project}
        )
    return series


def wanted_of(series: Series) -> Wanted:
    """Return what a series asks for now, with its exceptions."""
    otherwise = {
        each.on: Otherwise(
            on=each.on,
            skip=each.kind == SeriesException.Kind.SKIPPED,
            starts_at=each.starts_at,
            ends_at=each.ends_at,
            devices={int(place): UUID(key) for place, key in each.devices.items()},
        )
        for each in series.exceptions.all()
    }
    return Wanted(
        pattern=pattern_of(series),
        asks=asks_of_lines(series.lines),
        ties=ties_of_links(series.links),
        same_devices=series.same_devices,
        otherwise=otherwise,
    )


def _checked(request: SeriesRequest) -> Project:
    check_asks(request.wanted.asks)
    check_ties(request.wanted.ties, lines=len(request.wanted.asks))
    for each in request.wanted.otherwise.values():
        if any(not 0 <= place < len(request.wanted.asks) for place in each.devices):
            raise Invalid({"exceptions": [_("Name the line of a device by its place, counted from 0.")]})
        if any(request.wanted.asks[place].count != 1 for place in each.devices):
            raise Invalid({"exceptions": [_("Another device can be named for lines that ask for one.")]})
        if (each.starts_at is None) != (each.ends_at is None):
            raise Invalid(
                {"exceptions": [_("Give both the start and the end of an occurrence that is moved.")]}
            )
    return project_to_charge(request.user, request.project)


def _as_of(request: SeriesRequest, series: Series) -> tuple[SeriesRequest, Project]:
    """Return the request in the name of the series' holder and project, who stay, with its exceptions so far."""
    otherwise = {**wanted_of(series).otherwise, **request.wanted.otherwise}
    request = replace(
        request,
        user=series.holder,
        project=series.project.slug,
        wanted=replace(request.wanted, otherwise=otherwise),
    )
    return request, _checked(request)


def _change(series: Series, request: SeriesRequest, *, now: datetime) -> _Change:
    """Return which occurrences stay as they are and which make room."""
    wanted = request.wanted
    occurrences = list(occurrences_of(series.pk))
    ahead = still_ahead(occurrences, now=now)
    over = {
        each.occurrence_on
        for each in occurrences
        if each not in ahead and any(one.status in HOLDING for one in each.leases.all())
    }
    same_asks = lines_of(wanted.asks) == series.lines and links_of_ties(wanted.ties) == series.links
    windows = {each.on: BookedWindow(each.starts_at, each.ends_at) for each in wanted.pattern.occurrences()}
    for each in wanted.otherwise.values():
        if each.on in windows and each.starts_at is not None and each.ends_at is not None:
            windows[each.on] = BookedWindow(each.starts_at, each.ends_at)
    before = {each.on: each for each in wanted_of(series).otherwise.values()}
    kept = []
    for reservation in ahead:
        on = reservation.occurrence_on
        if on is None or on not in windows:
            continue
        otherwise = wanted.otherwise.get(on, Otherwise(on=on))
        same_devices = otherwise.devices == before.get(on, Otherwise(on=on)).devices
        is_same = windows[on] == BookedWindow(reservation.starts_at, reservation.ends_at)
        if same_asks and same_devices and is_same and not otherwise.skip:
            kept.append(reservation)
    replaced = [each for each in ahead if each not in kept]
    return _Change(
        ignored=Ignored(
            leases=[one.pk for each in replaced for one in each.leases.all()],
            reservations=[each.pk for each in replaced],
            kept=frozenset(each.occurrence_on for each in kept if each.occurrence_on),
            over=frozenset(on for on in over if on),
        ),
        replaced=replaced,
    )


def _without_given_up(series: Series, wanted: Wanted) -> Wanted:
    """Leave out the days whose reservation was given up, unless the request says something of them."""
    live: dict[date, bool] = {}
    for each in occurrences_of(series.pk):
        if each.occurrence_on is not None:
            holds = any(one.status in HOLDING for one in each.leases.all())
            live[each.occurrence_on] = live.get(each.occurrence_on, False) or holds
    given_up = {on for on, holds in live.items() if not holds and on not in wanted.otherwise}
    if series.cancelled_at is not None:
        return wanted
    return replace(
        wanted, otherwise={**wanted.otherwise, **{on: Otherwise(on=on, skip=True) for on in given_up}}
    )


def _book(
    request: SeriesRequest,
    project: Project,
    look: Callable[[], _Change],
    write: Callable[[], Series],
    *,
    now: datetime,
) -> SeriesBooked:
    """Look at the calendar, write the series and book; again when somebody else was quicker."""
    zone = zone_of(request.user)
    planned: list[Planned] = []
    for _try in range(TRIES):
        change = look()
        planned = plan(request.wanted, project=project, person=request.user, now=now, ignored=change.ignored)
        _refuse(planned, request, change)
        try:
            with transaction.atomic():
                series = write()
                _enter(request, project, series, planned, now=now, zone=zone)
                _note_exceptions(series, request.wanted, planned)
        except (IntegrityError, OperationalError) as error:
            if not is_lost_race(error):
                raise
        else:
            return SeriesBooked(series=series, occurrences=planned)
    raise SeriesClash(_("Somebody else was booking these devices at the same moment; try again."), planned)


def _refuse(planned: Sequence[Planned], request: SeriesRequest, change: _Change) -> None:
    blocked = [each for each in planned if each.outlook in BLOCKED]
    free = [each for each in planned if each.outlook == Outlook.FREE]
    if blocked and not request.skip_clashes:
        days = ", ".join(f"{each.on:%a %d %b}" for each in blocked[:5])
        more = _(" and more") if len(blocked) > 5 else ""
        raise SeriesClash(
            _(
                "%(count)d of %(all)d occurrences cannot be booked (%(days)s%(more)s). Skip them, or choose"
                " another time or other devices for each; nothing was booked."
            )
            % {"count": len(blocked), "all": len(planned), "days": days, "more": more},
            planned,
        )
    if not free and not change.replaced and not any(each.outlook == Outlook.KEPT for each in planned):
        raise SeriesClash(_("No occurrence is left to be booked; choose other days or devices."), planned)


def _enter(
    request: SeriesRequest,
    project: Project,
    series: Series,
    planned: Sequence[Planned],
    *,
    now: datetime,
    zone: str,
) -> None:
    free = [each for each in planned if each.outlook == Outlook.FREE]
    keys = {one.pk for each in free for _place, one in each.devices}
    # All rows at once and in the order of their keys: two series over the same devices never wait for each other.
    list(Resource.objects.select_for_update(no_key=True).filter(pk__in=keys).order_by("pk").values_list("pk"))
    booked = []
    for each in free:
        asked = Request(
            user=request.user,
            project=request.project,
            starts_at=each.window.starts_at,
            ends_at=each.window.ends_at,
            asks=each.asks,
            purpose=request.purpose,
            ties=request.wanted.ties,
        )
        chosen = [(place, one.pk) for place, one in each.devices]
        try:
            with transaction.atomic():
                reservation = enter_chosen(asked, project, each.window, chosen, now=now, zone=zone)
        except (CannotBook, Invalid) as error:
            each.outlook = Outlook.CONFLICT
            each.refusals = _refusals_of(error)
            if not request.skip_clashes:
                raise SeriesClash(f"{each.on:%a %d %b}: {error.message}", planned) from error
            continue
        reservation.series, reservation.occurrence_on = series, each.on
        booked.append(reservation)
    Reservation.objects.bulk_update(booked, ["series", "occurrence_on"])


def _refusals_of(error: CannotBook | Invalid) -> list[WishRefusal]:
    if isinstance(error, CannotBook):
        return list(error.refusals)
    return [WishRefusal(wish=None, reason="policy", message=error.message)]


def _note_exceptions(series: Series, wanted: Wanted, planned: Sequence[Planned]) -> None:
    """Write down on which days the series does otherwise than its rule says, and why."""
    series.exceptions.all().delete()
    rows = []
    for each in planned:
        otherwise = wanted.otherwise.get(each.on)
        devices = {str(place): str(key) for place, key in otherwise.devices.items()} if otherwise else {}
        kind, reason = None, ""
        if each.outlook == Outlook.SKIPPED:
            kind, devices = SeriesException.Kind.SKIPPED, {}
        elif each.outlook in BLOCKED:
            kind, reason = SeriesException.Kind.SKIPPED, " ".join(one.message for one in each.refusals)
        elif each.moved:
            kind = SeriesException.Kind.MOVED
        elif devices:
            kind = SeriesException.Kind.OTHER_DEVICES
        if kind is None:
            continue
        rows.append(
            SeriesException(
                series=series,
                on=each.on,
                kind=kind,
                starts_at=each.window.starts_at if each.moved else None,
                ends_at=each.window.ends_at if each.moved else None,
                devices=devices,
                reason=reason,
            )
        )
    SeriesException.objects.bulk_create(rows)


def _fields(wanted: Wanted) -> dict[str, object]:
    pattern: Pattern = wanted.pattern
    return {
        "every": pattern.every,
        "interval": pattern.interval,
        "weekdays": list(pattern.weekdays),
        "first_on": pattern.first_on,
        "last_on": pattern.last_on,
        "start": pattern.start,
        "end": pattern.end,
        "nights": pattern.nights,
        "zone": pattern.zone,
        "lines": lines_of(wanted.asks),
        "links": links_of_ties(wanted.ties),
        "same_devices": wanted.same_devices,
    }
