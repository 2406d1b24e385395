"""Reservations and leases, with all that a page or an answer shows of them."""

from uuid import UUID

from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet

from accounts.models import User
from accounts.rules import memberships_of
from reservations.models import Artefact, Lease, LeaseEvent, Reservation
from reservations.phase import RULES, Phase


def with_leases(reservations: QuerySet[Reservation]) -> QuerySet[Reservation]:
    """Fetch with each reservation its people and its leases, but not what opens a device."""
    leases = Lease.objects.select_related("resource__site").defer("access").order_by("starts_at", "pk")
    return reservations.select_related("project", "holder").prefetch_related(
        Prefetch("leases", queryset=leases)
    )


def with_history(reservations: QuerySet[Reservation]) -> QuerySet[Reservation]:
    """Fetch with each reservation all that its own page shows."""
    leases = Lease.objects.select_related("resource__site", "rehearsal").order_by("starts_at", "pk")
    return reservations.select_related("project", "holder").prefetch_related(
        Prefetch("leases", queryset=leases),
        Prefetch("leases__events", queryset=LeaseEvent.objects.select_related("actor")),
        "leases__proofs",
        Prefetch("leases__artefacts", queryset=Artefact.objects.defer("content").order_by("name")),
    )


def reservations_of(user: User) -> QuerySet[Reservation]:
    """Return what the person holds, and what belongs to their projects."""
    return Reservation.objects.filter(Q(holder=user) | Q(project__in=memberships_of(user).values("project")))


def reservations_in_phase(found: QuerySet[Reservation], phase: Phase) -> QuerySet[Reservation]:
    """Keep those in a phase: the rules of `reservations.phase`, asked of the database."""
    condition, before = Q(), ~Q()
    wanted = Q(pk__in=[])
    for needed, said in RULES:
        condition = Q()
        for status in sorted(needed):
            condition &= Q(Exists(Lease.objects.filter(reservation=OuterRef("pk"), status=status)))
        if said == phase:
            wanted |= condition & before
        before &= ~condition
    return found.filter(wanted)


def versions_of(reservation_ids: list[UUID]) -> dict[UUID, int]:
    """Return how often each reservation has changed."""
    return dict(Reservation.objects.filter(pk__in=reservation_ids).values_list("pk", "version"))
