"""Who may see and do what: the one place for these rules."""

from django.db.models import Q, QuerySet

from accounts.models import Membership, User
from reservations.models import Artefact, Lease, Reservation
from resources.models import Site
from resources.selectors import may_operate

__all__ = [
    "may_change",
    "may_end",
    "may_enter",
    "may_operate",
    "visible_artefacts",
    "visible_leases",
    "visible_reservations",
]


def may_change(user: User, reservation: Reservation) -> bool:
    """Whether the user may extend, shorten, move, end or cancel it: its holder, and leaders of its project."""
    return (
        user.is_superuser
        or reservation.holder_id == user.pk
        or Membership.objects.filter(
            project=reservation.project_id, user=user, role=Membership.Role.LEADER
        ).exists()
    )


def may_end(user: User, reservation: Reservation) -> bool:
    """Whether the user may end or cancel it: who may change it, and operators of a site in it."""
    return (
        may_change(user, reservation)
        or Site.objects.filter(operatorships__user=user, resources__leases__reservation=reservation).exists()
    )


def may_enter(user: User, reservation: Reservation) -> bool:
    """Whether the user gets to see how to get in: members of the project."""
    return (
        reservation.holder_id == user.pk
        or Membership.objects.filter(project=reservation.project_id, user=user).exists()
    )


def visible_reservations(user: User) -> QuerySet[Reservation]:
    """Return the reservations of the user's projects, and those on sites that they operate."""
    if user.is_superuser:
        return Reservation.objects.all()
    mine = Reservation.objects.filter(
        Q(holder=user)
        | Q(project__memberships__user=user)
        | Q(leases__resource__site__operatorships__user=user)
    )
    return Reservation.objects.filter(pk__in=mine.values("pk"))


def visible_leases(user: User) -> QuerySet[Lease]:
    """Return the leases of visible reservations."""
    return Lease.objects.filter(reservation__in=visible_reservations(user).values("pk"))


def visible_artefacts(user: User) -> QuerySet[Artefact]:
    """Return the files of the user's projects."""
    return Artefact.objects.filter(project__memberships__user=user)
