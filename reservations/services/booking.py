"""Booking: one project, one window, any mix of resources over any sites, all or nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, OperationalError, transaction

from accounts.models import Project, User
from reservations.errors import CannotBook, NotAllowed, WishRefusal
from reservations.models import Artefact, Lease, Reservation
from reservations.policy import UNHEALTHY_MATTERS_WITHIN
from reservations.selectors.availability import HeldBy
from reservations.services.asks import Ask, check_asks, check_choices
from reservations.services.choosing import cannot_book, pool_for
from reservations.services.engine.doorbell import ring_after_commit
from reservations.services.engine.rehearsals import plan_rehearsals
from reservations.services.entering import enter, locked_resources, project_of_member
from reservations.services.exclusive import refuse_shared_choices
from reservations.services.limits import limit_refusals
from reservations.services.races import is_lost_race, is_taken
from reservations.services.windows import BookedWindow, checked_window
from reservations.services.wiring import check_ties, keep_ties, refuse_parted
from reservations.states import Status
from reservations.words import zone_of
from resources.models import Resource, Site
from scheduling.wiring import Ties

TRIES = 3
"""How often a wish looks for other devices when the chosen ones were taken meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What somebody wants to book."""

    user: User
    project: str
    starts_at: datetime | None
    ends_at: datetime
    asks: Sequence[Ask]
    purpose: str = ""
    ties: Ties = frozenset()
    """Which lines have to be able to talk to each other."""


def book(request: Request, *, now: datetime) -> Reservation:
    """Book everything that was asked for, or nothing.

    Raises `Invalid` for what makes no sense, `NotAllowed` for somebody else's project, and `CannotBook` with
    the reason for each resource and the nearest windows that would work.
    """
    window = checked_window(request.starts_at, request.ends_at, now=now)
    check_asks(request.asks)
    check_ties(request.ties, lines=len(request.asks))
    project = project_to_charge(request.user, request.project)
    zone = zone_of(request.user)
    for _ in range(TRIES):
        chosen = _chosen(request, window, now=now, zone=zone)
        try:
            with transaction.atomic():
                return enter_chosen(request, project, window, chosen, now=now, zone=zone)
        except (IntegrityError, OperationalError) as error:
            if not is_lost_race(error):
                raise
            if is_taken(error) and all(ask.is_named for ask in request.asks):
                break  # there is no other device to try
    raise cannot_book(request.asks, window, now=now, zone=zone, ties=request.ties, person=request.user)


def check_booking(request: Request, *, now: datetime) -> list[UUID]:
    """Return the resources that `book` would take now; raise what it would raise. Books nothing."""
    window = checked_window(request.starts_at, request.ends_at, now=now)
    check_asks(request.asks)
    check_ties(request.ties, lines=len(request.asks))
    project = project_to_charge(request.user, request.project)
    zone = zone_of(request.user)
    pool = pool_for(
        request.asks,
        earliest=window.starts_at - timedelta(days=1),
        latest=window.ends_at + timedelta(days=1),
        ties=request.ties,
        held=HeldBy(now=now, by_others_than=request.user),
    )
    with transaction.atomic():
        lines = pool.choose(window)
        if lines is None:
            raise cannot_book(request.asks, window, now=now, zone=zone, ties=request.ties, person=request.user)
        picks = [
            (place, request.asks[place], resource) for place, line in enumerate(lines) for resource in line
        ]
        _refuse_what_cannot_be(
            [(place, resource) for place, _, resource in picks], project, window, now=now, zone=zone
        )
        check_choices(picks, project)
        refuse_shared_choices([(place, ask.parameters, one) for place, ask, one in picks], window, zone=zone)
    return [resource.pk for _, _, resource in picks]


def project_to_charge(user: User, slug: str) -> Project:
    """Return the project if the user is a member of it."""
    project = project_of_member(user, slug)
    if project is None:
        raise NotAllowed(f"You are not a member of a project “{slug}”; choose one of yours, or ask its leader.")
    return project


def _chosen(request: Request, window: BookedWindow, *, now: datetime, zone: str) -> list[tuple[int, UUID]]:
    """Return (line, resource) for each lease. Named ones are not looked at: the database will say."""
    asks = request.asks
    if all(ask.is_named for ask in asks):
        return [(place, ask.resource) for place, ask in enumerate(asks) if ask.resource is not None]
    latest = window.ends_at + timedelta(days=1)
    earliest = window.starts_at - timedelta(days=1)
    held = HeldBy(now=now, by_others_than=request.user)
    lines = pool_for(asks, earliest=earliest, latest=latest, ties=request.ties, held=held).choose(window)
    if lines is None:
        raise cannot_book(asks, window, now=now, zone=zone, ties=request.ties, person=request.user)
    return [(place, resource.pk) for place, line in enumerate(lines) for resource in line]


def enter_chosen(
    request: Request,
    project: Project,
    window: BookedWindow,
    chosen: Sequence[tuple[int, UUID]],
    *,
    now: datetime,
    zone: str,
) -> Reservation:
    """Check and enter a booking of (line, resource), in the transaction of the caller.

    Raises what `book` raises, and `IntegrityError` where somebody else was quicker.
    """
    resources = locked_resources([key for _, key in chosen], person=request.user, window=window, now=now)
    if missing := [place for place, key in chosen if key not in resources]:
        raise CannotBook(tuple(_unknown(place, request.asks[place]) for place in missing))
    _refuse_what_cannot_be(
        [(place, resources[key]) for place, key in chosen], project, window, now=now, zone=zone
    )
    refuse_parted([(place, resources[key]) for place, key in chosen], request.ties)
    picks = [(place, request.asks[place], resources[key]) for place, key in chosen]
    files = check_choices(picks, project)
    refuse_shared_choices([(place, ask.parameters, one) for place, ask, one in picks], window, zone=zone)
    reservation = Reservation(
        project=project,
        holder=request.user,
        purpose=request.purpose.strip(),
        starts_at=window.starts_at,
        ends_at=window.ends_at,
    )
    leases = [_lease(reservation, ask, resource) for _, ask, resource in picks]
    enter(reservation, leases, now=now)
    placed = [(place, lease) for lease, (place, _, _) in zip(leases, picks, strict=True)]
    keep_ties(reservation, placed, request.ties, now=now, zone=zone)
    _attach([(lease, files[place]) for lease, (place, _, _) in zip(leases, picks, strict=True)])
    plan_rehearsals(
        [lease for lease, (place, _, _) in zip(leases, picks, strict=True) if files[place]], now=now
    )
    if any(lease.next_action_at is not None and lease.next_action_at <= now for lease in leases):
        ring_after_commit()
    return reservation


def _refuse_what_cannot_be(
    picks: Sequence[tuple[int, Resource]],
    project: Project,
    window: BookedWindow,
    *,
    now: datetime,
    zone: str,
) -> None:
    refusals = [
        refusal
        for place, resource in picks
        if (refusal := standing_refusal(place, resource, window, now=now)) is not None
    ]
    refusals += limit_refusals(
        project=project, sites=[resource.site for _, resource in picks], window=window, now=now, zone=zone
    )
    if refusals:
        raise CannotBook(tuple(refusals))


def standing_refusal(
    place: int, resource: Resource, window: BookedWindow, *, now: datetime
) -> WishRefusal | None:
    """Return why the resource cannot be booked whoever asks, or None."""
    reason, message, never = None, "", False
    if not resource.in_service:
        reason, never = "closed", True
        message = f"{resource} is not in service; choose another device."
    elif resource.quarantined_at is not None:
        reason = "quarantined"
        why = (resource.quarantine_reason or "it could not be proven clean").rstrip(".")
        message = f"{resource} is in quarantine and waits for its operator ({why}); choose another device."
    elif resource.health == Resource.Health.UNHEALTHY and window.starts_at < now + UNHEALTHY_MATTERS_WITHIN:
        reason = "unhealthy"
        message = f"{resource} is unhealthy ({resource.health_detail or 'no answer'}); choose a later start."
    if reason is None:
        return None
    return WishRefusal(
        wish=place,
        reason=reason,  # type: ignore[arg-type]
        message=message,
        resource=resource.pk,
        resource_name=str(resource),
        never=never,
    )


def _unknown(place: int, ask: Ask) -> WishRefusal:
    return WishRefusal(
        wish=place,
        reason="unknown",
        message="There is no such resource; look it up in the calendar.",
        resource=ask.resource,
        never=True,
    )


def _lease(reservation: Reservation, ask: Ask, resource: Resource) -> Lease:
    waits = resource.site.approval == Site.Approval.OPERATOR
    preparation = timedelta(seconds=resource.preparation_s)
    return Lease(
        reservation=reservation,
        resource=resource,
        status=Status.REQUESTED if waits else Status.SCHEDULED,
        starts_at=reservation.starts_at,
        ends_at=reservation.ends_at,
        preparation_s=resource.preparation_s,
        cleanup_s=resource.cleanup_s,
        wish=ask.as_wish(),
        parameters=dict(ask.parameters),
        next_action_at=reservation.starts_at if waits else reservation.starts_at - preparation,
    )


def _attach(leases: Sequence[tuple[Lease, Sequence[Artefact]]]) -> None:
    for lease, artefacts in leases:
        if artefacts:
            lease.artefacts.add(*artefacts)
