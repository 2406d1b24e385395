"""Who may see and do what with reservations: the questions that follow from `reservations.rules`."""

from django.db.models import Q, QuerySet

from accounts.models import User
from accounts.rules import Role, federation_roles, memberships_of, roles_in
from reservations.models import Artefact, Lease, Reservation
from reservations.rules import FILE, RESERVATION
from resources.rules import may_operate, operates

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
    return bool(_roles_towards(user, reservation) & RESERVATION["change"])


def may_end(user: User, reservation: Reservation) -> bool:
    """Whether the user may end or cancel it: who may change it, and operators of a site in it."""
    if _roles_towards(user, reservation) & RESERVATION["end"]:
        return True
    operated = operates(user).filter(resources__leases__reservation=reservation)
    return Role.OPERATOR in RESERVATION["end"] and operated.exists()


def may_enter(user: User, reservation: Reservation) -> bool:
    """Whether the user gets to see how to get in: members of the project."""
    return bool(_roles_towards(user, reservation) & RESERVATION["enter"])


def visible_reservations(user: User) -> QuerySet[Reservation]:
    """Return the reservations of the user's projects, and those on sites that they operate."""
    if federation_roles(user) & RESERVATION["see"]:
        return Reservation.objects.all()
    mine = Q(holder=user) | Q(project__in=memberships_of(user).values("project"))
    if user.rights_count:
        mine |= Q(leases__resource__site__operatorships__user=user)
    return Reservation.objects.filter(pk__in=Reservation.objects.filter(mine).values("pk"))


def visible_leases(user: User) -> QuerySet[Lease]:
    """Return the leases of visible reservations."""
    return Lease.objects.filter(reservation__in=visible_reservations(user).values("pk"))


def visible_artefacts(user: User) -> QuerySet[Artefact]:
    """Return the files of the user's projects."""
    if federation_roles(user) & FILE["see"]:
        return Artefact.objects.all()
    return Artefact.objects.filter(project__in=memberships_of(user).values("project"))


def _roles_towards(user: User, reservation: Reservation) -> frozenset[Role]:
    """Return what the user is towards a reservation, but for the sites that they operate."""
    if reservation.holder_id == user.pk:
        return federation_roles(user) | {Role.HOLDER}
    return roles_in(user, reservation.project_id)
