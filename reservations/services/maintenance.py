"""Maintenance windows: they share the calendar's constraint, so none ever silently takes a booked slot."""

from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, OperationalError, transaction
from django.db.models import Q

from accounts.models import User
from reservations.errors import IllegalMove, Invalid, LeasesInTheWay, NotAllowed, NotFound
from reservations.models import CalendarEntry, GeometryChange, Lease
from reservations.selectors.visibility import may_operate
from reservations.services.races import is_lost_race
from reservations.words import say_moment, zone_of
from resources.models import MaintenanceWindow, Resource


def plan_maintenance(
    *, resource_id: UUID, starts_at: datetime, ends_at: datetime, reason: str, actor: User, now: datetime
) -> MaintenanceWindow:
    """Keep a resource and its parts free of leases for a while.

    Raises `LeasesInTheWay`, naming them, when somebody has booked: move or cancel those first.
    """
    resource = Resource.objects.select_related("site").filter(pk=resource_id).first()
    if resource is None:
        raise NotFound("There is no such resource.")
    if not may_operate(actor, resource.site):
        raise NotAllowed(f"Only an operator of {resource.site} can plan maintenance there.")
    for name, moment in (("starts_at", starts_at), ("ends_at", ends_at)):
        if moment.tzinfo is None:
            raise Invalid({name: ["Give the time with its zone, such as 2030-01-31T14:00:00+01:00."]})
    if ends_at <= starts_at:
        raise Invalid({"ends_at": ["The end must come after the start."]})
    if ends_at <= now:
        raise Invalid({"ends_at": ["The end is in the past."]})
    try:
        with transaction.atomic():
            Resource.objects.select_for_update(no_key=True).get(pk=resource.pk)
            return MaintenanceWindow.objects.create(
                resource=resource, starts_at=starts_at, ends_at=ends_at, reason=reason, created_by=actor
            )
    except (IntegrityError, OperationalError) as error:
        if not is_lost_race(error):
            raise
        raise _in_the_way(resource, starts_at, ends_at, actor) from error


def cancel_maintenance(*, window_id: UUID, actor: User) -> None:
    """Give the time back to the calendar."""
    window = MaintenanceWindow.objects.select_related("resource__site").filter(pk=window_id).first()
    if window is None:
        raise NotFound("There is no such maintenance window.")
    if not may_operate(actor, window.resource.site):
        raise NotAllowed(f"Only an operator of {window.resource.site} can cancel its maintenance.")
    change = (
        GeometryChange.objects.filter(state__in=GeometryChange.PENDING)
        .filter(Q(window=window) | Q(closings=window))
        .first()
    )
    if change is not None:
        raise IllegalMove(f"This time belongs to a plan: {change}. Cancel the plan instead.")
    window.delete()


def _in_the_way(resource: Resource, starts_at: datetime, ends_at: datetime, actor: User) -> LeasesInTheWay:
    zone = zone_of(actor)
    entries = CalendarEntry.objects.filter(
        holding=True,
        exclusive=True,
        resource__covered_by__whole=resource,
        occupies__overlap=(starts_at, ends_at),
    )
    leases = (
        Lease.objects.select_related("resource__site", "reservation__project")
        .filter(pk__in=entries.values("lease"))
        .order_by("starts_at")
    )
    named = "; ".join(
        f"{lease.resource} of {lease.reservation.project}, {say_moment(lease.starts_at, zone)} to"
        f" {say_moment(lease.ends_at, zone)}"
        for lease in leases
    )
    words = named or "another maintenance window"
    return LeasesInTheWay(
        f"In the way: {words}. Choose another time, or agree with the holders first.",
        [lease.pk for lease in leases],
    )
