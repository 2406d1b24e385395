"""Series: which a person sees, what they may do with them, and their occurrences."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet

from accounts.models import User
from accounts.rules import Role, federation_roles, memberships_of, roles_in
from reservations.models import Reservation, Series
from reservations.rules import RESERVATION
from reservations.selectors.reservations import with_leases
from reservations.states import HOLDING, Status

NOT_STARTED = frozenset({Status.REQUESTED, Status.SCHEDULED})


def visible_series(user: User) -> QuerySet[Series]:
    """Return the series of the user's projects."""
    if federation_roles(user) & RESERVATION["see"]:
        return Series.objects.all()
    return Series.objects.filter(Q(holder=user) | Q(project__in=memberships_of(user).values("project")))


def may_change_series(user: User, series: Series) -> bool:
    """Whether the user may change the rest of a series or give it up: as with a reservation."""
    mine = frozenset({Role.HOLDER}) if series.holder_id == user.pk else roles_in(user, series.project_id)
    return bool((mine | federation_roles(user)) & RESERVATION["change"])


def occurrences_of(series_id: UUID) -> QuerySet[Reservation]:
    """Return the reservations of a series with their leases, by their days."""
    found = with_leases(Reservation.objects.filter(series=series_id))
    return found.order_by("occurrence_on", "created_at", "pk")


def still_ahead(occurrences: Iterable[Reservation], *, now: datetime) -> list[Reservation]:
    """Return those of which nothing has started and nothing was given up, as far as they begin later."""
    return [
        each
        for each in occurrences
        if each.starts_at > now
        and (holding := [one for one in each.leases.all() if one.status in HOLDING])
        and all(one.status in NOT_STARTED for one in holding)
    ]
