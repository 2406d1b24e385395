"""What an operator has to know and to do today, over all their sites."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.models import User
from accounts.rules import reads_everything
from reservations.models import Countersign, Lease, MaintenancePlan
from reservations.selectors.leftovers import Leftovers, leftovers
from reservations.selectors.messages import given_up
from reservations.states import HOLDING, Status
from reservations.words import zone_of
from resources.findings import open_counts
from resources.models import SILENT_AFTER, Resource, Site, Unfitness
from resources.rules import watched_sites

MOST_SHOWN = 200
"""Of each sort; who has more to do than this begins with the lists."""

AHEAD = timedelta(hours=24)


STRUGGLING = (Status.SCHEDULED, Status.PROVISIONING, Status.ACTIVE, Status.RELEASING)


@dataclass(slots=True, kw_only=True)
class Today:
    """The day of an operator: what waits for them first, then what goes by itself."""

    zone: str
    now: datetime
    waiting: list[Lease] = field(default_factory=list)
    """Asked, and waiting for their approval; each with `others`, what else its reservation holds."""
    wishes: list[Countersign] = field(default_factory=list)
    """What one person asked for and a second one has to confirm."""
    plans: list[MaintenancePlan] = field(default_factory=list)
    """Maintenance that waits for a second person."""
    stuck: list[Lease] = field(default_factory=list)
    """Not proven clean: retry, or vouch."""
    struggling: list[Lease] = field(default_factory=list)
    """Being made ready or cleaned, or waiting to begin, and not going well."""
    leftovers: Leftovers = field(default_factory=Leftovers)
    """Orders and mail that do not get out, and what was given up."""
    starts: list[Lease] = field(default_factory=list)
    ends: list[Lease] = field(default_factory=list)
    quarantined: list[Resource] = field(default_factory=list)
    """In quarantine, though no lease stands against them."""
    unhealthy: list[Resource] = field(default_factory=list)
    silent: list[Site] = field(default_factory=list)
    differences: list[tuple[Site, int]] = field(default_factory=list)
    """Sites that found something else than the inventory says, with how many lines wait to be decided."""

    unsent: int = 0
    """Messages that the mail server never took; for those who run the federation."""

    @property
    def in_quarantine(self) -> int:
        """How many devices wait to be proven clean."""
        return len(self.stuck) + len(self.quarantined)

    @property
    def for_two(self) -> int:
        """How many things wait for a second person."""
        return len(self.wishes) + len(self.plans)

    @property
    def needs(self) -> int:
        """How many things need somebody."""
        return (
            len(self.waiting)
            + self.for_two
            + self.in_quarantine
            + len(self.unhealthy)
            + len(self.silent)
            + len(self.struggling)
            + self.leftovers.count
        )

    @property
    def is_calm(self) -> bool:
        """Whether nothing waits for the operator."""
        return not (
            self.unsent
            or self.waiting
            or self.wishes
            or self.plans
            or self.stuck
            or self.struggling
            or self.quarantined
            or self.unhealthy
            or self.silent
            or self.differences
            or self.leftovers.any
        )


def today_for(user: User, *, now: datetime) -> Today:
    """Return the operator's day, in a few questions to the database."""
    zone = zone_of(user)
    today = Today(zone=zone, now=now)
    # What began or ended within this hour is still of interest to whoever comes in late.
    begins = now.replace(minute=0, second=0, microsecond=0)
    day_ends = now + AHEAD
    sites = watched_sites(user)
    if reads_everything(user):
        today.unsent = given_up()
    for lease in _leases_of(sites, begins, day_ends):
        _sort_in(lease, today, begins, day_ends)
    today.ends.sort(key=lambda lease: lease.ends_at)
    _add_siblings(today.waiting)
    today.wishes = list(
        Countersign.objects.select_related(
            "lease__resource__site", "lease__reservation__holder", "lease__reservation__project", "asked_by"
        )
        .defer("lease__access")
        .filter(answer="", expires_at__gt=now, lease__resource__site__in=sites)
        .order_by("asked_at")[:MOST_SHOWN]
    )
    today.plans = list(
        MaintenancePlan.objects.select_related("site", "planned_by")
        .filter(state=MaintenancePlan.State.WAITING, ends_at__gt=now, site__in=sites)
        .order_by("starts_at")[:MOST_SHOWN]
    )
    today.leftovers = leftovers(sites, now=now)
    troubled = Resource.objects.select_related("site").filter(
        Q(quarantined_at__isnull=False) | Q(health=Resource.Health.UNHEALTHY), site__in=sites, in_service=True
    )
    explained = {lease.resource_id for lease in today.stuck}
    # What is kept back because of another device is freed with that one, and is shown with it alone.
    unfit = Unfitness.objects.filter(lifted_at__isnull=True)
    follows = Exists(
        unfit.filter(Q(resource__covers__part=OuterRef("pk")) | Q(resource__covered_by__whole=OuterRef("pk")))
    ) & ~Exists(unfit.filter(resource=OuterRef("pk")))
    for resource in troubled.annotate(follows=follows).order_by("site__name", "name")[:MOST_SHOWN]:
        if resource.quarantined_at is not None:
            if resource.pk not in explained and not resource.follows:
                today.quarantined.append(resource)
        else:
            today.unhealthy.append(resource)
    silent = sites.filter(Q(last_heard_at__isnull=True) | Q(last_heard_at__lt=now - SILENT_AFTER))
    today.silent = list(silent.order_by("name")[:MOST_SHOWN])
    counts = open_counts(sites.values("pk"), now=now)
    if counts:
        today.differences = [(site, counts[site.pk]) for site in sites.filter(pk__in=counts).order_by("name")]
    return today


def _leases_of(sites: QuerySet[Site], begins: datetime, ends: datetime) -> QuerySet[Lease]:
    return (
        Lease.objects.select_related("resource__site", "reservation__holder", "reservation__project")
        .defer("access")
        .filter(
            Q(status__in=[Status.REQUESTED, Status.RELEASE_FAILED])
            | Q(status__in=STRUGGLING) & ~Q(trouble="")
            | Q(starts_at__gte=begins, starts_at__lt=ends)
            | Q(ends_at__gte=begins, ends_at__lt=ends),
            status__in=HOLDING,
            resource__site__in=sites,
        )
        .order_by("starts_at", "pk")[: 4 * MOST_SHOWN]
    )


def _add_siblings(waiting: list[Lease]) -> None:
    """Say with each what else its reservation holds: who approves one device wants to know what hangs on it."""
    shown = {lease.pk for lease in waiting}
    found: dict[UUID, list[Lease]] = {}
    if waiting:
        others = (
            Lease.objects.select_related("resource__site")
            .defer("access")
            .filter(reservation__in={lease.reservation_id for lease in waiting}, status__in=HOLDING)
            .order_by("resource__site__name", "resource__name")
        )
        for other in others:
            if other.pk not in shown:
                found.setdefault(other.reservation_id, []).append(other)
    for lease in waiting:
        cast(Any, lease).others = found.get(lease.reservation_id, [])


def _sort_in(lease: Lease, today: Today, begins: datetime, ends: datetime) -> None:
    if lease.status == Status.REQUESTED:
        today.waiting.append(lease)
        return
    if lease.status == Status.RELEASE_FAILED:
        today.stuck.append(lease)
        return
    if lease.status in STRUGGLING and lease.trouble:
        today.struggling.append(lease)
    if begins <= lease.starts_at < ends:
        today.starts.append(lease)
    if begins <= lease.ends_at < ends:
        today.ends.append(lease)
