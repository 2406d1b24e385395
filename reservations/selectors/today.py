"""What an operator has to know and to do today, over all their sites."""

from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.models import User
from accounts.rules import reads_everything
from reservations.models import Lease
from reservations.selectors.messages import given_up
from reservations.states import HOLDING, Status
from reservations.words import zone_of
from resources.findings import open_counts
from resources.models import SILENT_AFTER, Resource, Site, Unfitness
from resources.rules import watched_sites

MOST_SHOWN = 200
"""Of each sort; who has more to do than this begins with the lists."""


@dataclass(slots=True, kw_only=True)
class Today:
    """The day of an operator: what waits for them first, then what goes by itself."""

    zone: str
    now: datetime
    waiting: list[Lease] = field(default_factory=list)
    """Asked, and waiting for their approval."""
    stuck: list[Lease] = field(default_factory=list)
    """Not proven clean: retry, or vouch."""
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
    def is_calm(self) -> bool:
        """Whether nothing waits for the operator."""
        return not (
            self.unsent
            or self.waiting
            or self.stuck
            or self.quarantined
            or self.unhealthy
            or self.silent
            or self.differences
        )


def today_for(user: User, *, now: datetime) -> Today:
    """Return the operator's day, in a few questions to the database."""
    zone = zone_of(user)
    today = Today(zone=zone, now=now)
    here = now.astimezone(ZoneInfo(zone))
    begins = datetime.combine(here.date(), time(0), here.tzinfo)
    day_ends = datetime.combine(here.date() + timedelta(days=1), time(0), here.tzinfo)
    sites = watched_sites(user)
    if reads_everything(user):
        today.unsent = given_up()
    for lease in _leases_of(sites, begins, day_ends):
        _sort_in(lease, today, begins, day_ends)
    today.ends.sort(key=lambda lease: lease.ends_at)
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
            | Q(starts_at__gte=begins, starts_at__lt=ends)
            | Q(ends_at__gte=begins, ends_at__lt=ends),
            status__in=HOLDING,
            resource__site__in=sites,
        )
        .order_by("starts_at", "pk")[: 4 * MOST_SHOWN]
    )


def _sort_in(lease: Lease, today: Today, begins: datetime, ends: datetime) -> None:
    if lease.status == Status.REQUESTED:
        today.waiting.append(lease)
        return
    if lease.status == Status.RELEASE_FAILED:
        today.stuck.append(lease)
        return
    if begins <= lease.starts_at < ends:
        today.starts.append(lease)
    if begins <= lease.ends_at < ends:
        today.ends.append(lease)
