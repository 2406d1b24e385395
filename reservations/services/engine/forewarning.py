"""Warns holders of what a lease does to things of their own: when they book, and again shortly before."""

from collections.abc import Iterable
from datetime import datetime

from reservations.models import Lease
from reservations.policy import FOREWARN_BEFORE
from reservations.selectors.warnings import warnings_of_leases
from reservations.services.engine.post import tell_holder
from reservations.states import Status
from reservations.words import say_moment, zone_of


def warn_of_booked(leases: Iterable[Lease], *, now: datetime) -> None:
    """Write to the holder of leases that were just booked what will happen, and when."""
    _tell(leases, "is booked; know what it does", now=now)


def warn_of_starting(*, now: datetime) -> int:
    """Write to the holders of leases that start soon; once for each start. Return how many were meant."""
    soon = (
        Lease.objects.select_related("resource__site", "reservation__holder")
        # The start lies at most the time of preparation behind the next action.
        .filter(status=Status.SCHEDULED, next_action_at__lte=now + FOREWARN_BEFORE, starts_at__gt=now)
        .filter(reservation__created_at__lte=now - FOREWARN_BEFORE)
        .exclude(parameters={})
    )
    return _tell(soon, "starts soon; know what it does", now=now)


def _tell(leases: Iterable[Lease], what: str, *, now: datetime) -> int:
    leases = list(leases)
    warnings = warnings_of_leases(leases)
    for lease in leases:
        if lease.pk not in warnings:
            continue
        zone = zone_of(lease.reservation.holder)
        words = "\n".join(warnings[lease.pk])
        tell_holder(
            lease,
            what,
            f"{words}\n\nIt starts {say_moment(lease.starts_at, zone)} and ends "
            f"{say_moment(lease.ends_at, zone)}. If that does not suit you, move or cancel it before.",
            now=now,
            occasion=lease.starts_at.isoformat(),
        )
    return len(warnings)
