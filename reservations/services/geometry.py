"""Cutting a card into other slices: planned into the calendar like everything else, since it needs an idle card."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, OperationalError, transaction

from accounts.models import User
from adapters.catalogue import CATALOGUE
from adapters.gpu.geometry import problems_of
from reservations.errors import IllegalMove, Invalid, LeasesInTheWay, NotAllowed, NotFound
from reservations.models import CalendarEntry, GeometryChange, Lease
from reservations.policy import GEOMETRY_SEARCH_AHEAD, GEOMETRY_TAKES
from reservations.selectors.availability import busy_times
from reservations.selectors.visibility import may_operate
from reservations.services.engine.doorbell import ring_after_commit
from reservations.services.maintenance import plan_maintenance
from reservations.services.races import is_lost_race
from reservations.words import say_moment, zone_of
from resources.models import MaintenanceWindow, Resource

SLICE = "gpu_slice"
_PROFILE = re.compile(r"\b\d+(?:c\.\d+)?g\.\d+gb(?:\+[a-z.]+)*", re.IGNORECASE)
_FOR_EVER = timedelta(days=3650)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What a change of geometry would mean."""

    before: tuple[str, ...]
    kept: tuple[Resource, ...]
    vanishing: tuple[Resource, ...]
    new: tuple[str, ...]
    earliest: datetime | None
    """The first moment at which the card is idle for long enough and no vanishing slice is booked after."""
    in_the_way: tuple[Lease, ...]
    """The bookings of slices that would be gone by then."""


def profile_of(part: Resource) -> str:
    """Return the MIG profile of a slice, such as `3g.40gb`; empty when its record does not tell."""
    for words in (part.attributes.get("mig_profile"), part.attributes.get("model"), part.name):
        found = _PROFILE.search(str(words or ""))
        if found:
            return found.group().lower()
    return ""


def slices_of(card: Resource) -> list[Resource]:
    """Return the slices that the card is cut into now."""
    return list(Resource.objects.filter(parent=card, kind=SLICE, in_service=True).order_by("name"))


def look_ahead(card: Resource, geometry: Sequence[str], *, now: datetime) -> Outlook:
    """Return what cutting the card would mean, without changing anything."""
    slices = slices_of(card)
    booked = _last_bookings(slices, now)
    kept, vanishing = _kept(slices, geometry, booked)
    in_the_way = tuple(
        Lease.objects.select_related("resource__site", "reservation__project")
        .filter(
            pk__in=CalendarEntry.objects.filter(
                holding=True,
                resource__in=vanishing,
                lease__isnull=False,
                occupies__endswith__gt=now,
            ).values("lease")
        )
        .order_by("starts_at")
    )
    return Outlook(
        before=tuple(profile_of(part) for part in slices),
        kept=tuple(kept),
        vanishing=tuple(vanishing),
        new=tuple((Counter(geometry) - Counter(profile_of(part) for part in kept)).elements()),
        earliest=_earliest(card, [booked[part.pk] for part in vanishing if part.pk in booked], now),
        in_the_way=in_the_way,
    )


def plan_geometry(
    *, resource_id: UUID, geometry: Sequence[str], starts_at: datetime | None, actor: User, now: datetime
) -> GeometryChange:
    """Plan to cut a card into slices; without a time, as soon as it is idle and nobody is displaced.

    Raises `LeasesInTheWay`, naming them, when somebody has booked the card then, or a slice that
    would be gone by then.
    """
    card = _card(resource_id, actor)
    geometry = tuple(profile.strip().lower() for profile in geometry if profile.strip())
    _refuse_impossible(card, geometry)
    outlook = look_ahead(card, geometry, now=now)
    if Counter(outlook.before) == Counter(geometry):
        raise Invalid({"geometry": [f"{card} is cut like that already."]})
    if starts_at is None:
        if outlook.earliest is None:
            days = GEOMETRY_SEARCH_AHEAD.days
            raise LeasesInTheWay(
                f"{card} is not idle for {_minutes(GEOMETRY_TAKES)} within {days} days. {_named(outlook, actor)}"
                " Agree with the holders, or choose a time.",
                [lease.pk for lease in outlook.in_the_way],
            )
        starts_at = outlook.earliest
    if starts_at.tzinfo is None:
        raise Invalid({"starts_at": ["Give the time with its zone, such as 2030-01-31T14:00:00+01:00."]})
    starts_at = max(starts_at, now)
    ends_at = starts_at + GEOMETRY_TAKES
    displaced = [lease for lease in outlook.in_the_way if lease.ends_at > starts_at]
    if displaced:
        raise LeasesInTheWay(
            f"In the way: {_name(displaced, actor)}. These slices would be gone. Choose a later time, keep such"
            " a slice in the new cut, or agree with the holders first.",
            [lease.pk for lease in displaced],
        )
    words = f"Cut into {' + '.join(geometry) or 'one piece'}"
    try:
        with transaction.atomic():
            window = plan_maintenance(
                resource_id=card.pk, starts_at=starts_at, ends_at=ends_at, reason=words, actor=actor, now=now
            )
            change = GeometryChange.objects.create(
                resource=card,
                before=list(outlook.before),
                geometry=list(geometry),
                window=window,
                starts_at=starts_at,
                deadline_at=ends_at,
                next_action_at=starts_at,
                requested_by=actor,
            )
            change.closings.set(_close(outlook.vanishing, ends_at, words, actor))
            ring_after_commit()
    except (IntegrityError, OperationalError) as error:
        if not is_lost_race(error):
            raise
        raise LeasesInTheWay(
            f"{card} or one of its slices was taken, or another cut of it was planned, while this one was"
            " written. Look again, then choose.",
            [],
        ) from error
    return change


def cancel_geometry(*, change_id: UUID, actor: User, now: datetime) -> GeometryChange:
    """Leave the card as it is; only while the site has not been told to cut it."""
    with transaction.atomic():
        change = (
            GeometryChange.objects.select_for_update(of=("self",))
            .select_related("resource__site")
            .filter(pk=change_id)
            .first()
        )
        if change is None:
            raise NotFound("There is no such plan.")
        if not may_operate(actor, change.resource.site):
            raise NotAllowed(f"Only an operator of {change.resource.site} can change its plans.")
        if change.state != GeometryChange.State.PLANNED:
            raise IllegalMove(
                f"{change} is {change.get_state_display().lower()}: only what has not begun can be cancelled."
            )
        close_change(change, GeometryChange.State.CANCELLED, f"Cancelled by {actor.username}", now=now)
    return change


def close_change(change: GeometryChange, state: str, detail: str, *, now: datetime) -> None:
    """End a change, and give its times back to the calendar."""
    closings = list(change.closings.values_list("pk", flat=True))
    change.closings.clear()
    windows = [*closings, *([change.window_id] if change.window_id else [])]
    change.window = None
    change.state, change.detail, change.finished_at = state, detail, now
    change.next_action_at = None
    change.save()
    MaintenanceWindow.objects.filter(pk__in=windows).delete()


def _card(resource_id: UUID, actor: User) -> Resource:
    card = Resource.objects.select_related("site").filter(pk=resource_id).first()
    if card is None:
        raise NotFound("There is no such resource.")
    if not may_operate(actor, card.site):
        raise NotAllowed(f"Only an operator of {card.site} can cut its cards.")
    return card


def _refuse_impossible(card: Resource, geometry: Sequence[str]) -> None:
    description = CATALOGUE.get(card.adapter)
    if card.kind != "gpu" or description is None or not description.can_reshape:
        raise Invalid({"resource": [f"{card} cannot be cut: its adapter has no way to do that."]})
    problems = problems_of(card.model, geometry)
    if problems:
        raise Invalid({"geometry": list(problems)})


def _last_bookings(slices: Iterable[Resource], now: datetime) -> dict[UUID, datetime]:
    """Return until when each slice is booked, clean-up included."""
    entries = CalendarEntry.objects.filter(
        holding=True, exclusive=True, lease__isnull=False, resource__in=list(slices), occupies__endswith__gt=now
    )
    last: dict[UUID, datetime] = {}
    for resource_id, occupies in entries.values_list("resource_id", "occupies"):
        last[resource_id] = max(last.get(resource_id, now), occupies.upper)
    return last


def _kept(
    slices: Sequence[Resource], geometry: Sequence[str], booked: dict[UUID, datetime]
) -> tuple[list[Resource], list[Resource]]:
    """Sort the slices into those that have a place in the new cut, the booked ones first, and the others."""
    room = Counter(geometry)
    kept, vanishing = [], []
    for part in sorted(slices, key=lambda part: (part.pk not in booked, part.name)):
        if room[profile_of(part)] > 0:
            room[profile_of(part)] -= 1
            kept.append(part)
        else:
            vanishing.append(part)
    return kept, vanishing


def _earliest(card: Resource, booked_until: Sequence[datetime], now: datetime) -> datetime | None:
    latest = now + GEOMETRY_SEARCH_AHEAD
    moment = max([now, *booked_until])
    for busy in busy_times([card.pk], earliest=now, latest=latest):
        if busy.starts_at - moment >= GEOMETRY_TAKES:
            break
        moment = max(moment, busy.ends_at)
    return moment if moment + GEOMETRY_TAKES <= latest else None


def _close(
    vanishing: Iterable[Resource], starts_at: datetime, words: str, actor: User
) -> list[MaintenanceWindow]:
    return [
        MaintenanceWindow.objects.create(
            resource=part, starts_at=starts_at, ends_at=starts_at + _FOR_EVER, reason=words, created_by=actor
        )
        for part in vanishing
    ]


def _named(outlook: Outlook, actor: User) -> str:
    return f"Booked: {_name(outlook.in_the_way, actor)}." if outlook.in_the_way else ""


def _name(leases: Iterable[Lease], actor: User) -> str:
    zone = zone_of(actor)
    return "; ".join(
        f"{lease.resource} of {lease.reservation.project}, {say_moment(lease.starts_at, zone)} to"
        f" {say_moment(lease.ends_at, zone)}"
        for lease in leases
    )


def _minutes(span: timedelta) -> str:
    return f"{span // timedelta(minutes=1)} minutes"
