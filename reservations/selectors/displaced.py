"""Whom maintenance would displace, and where they could go instead: answers only, nothing is changed."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q
from django.utils.translation import gettext as _

from reservations.models import CalendarEntry, Displacement, Lease
from reservations.selectors.availability import Wanted, free_resource_ids
from reservations.states import Status
from resources.models import Cover, MaintenanceWindow, Resource

Fate = Displacement.Fate
NOT_STARTED = (Status.REQUESTED, Status.SCHEDULED)
RUNNING = (Status.PROVISIONING, Status.ACTIVE)
CHOICES_OFFERED = 8
CANCEL = "cancel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Displaced:
    """One lease in the way, and what becomes of it."""

    lease: Lease
    fate: str
    """One of `Fate`, or empty: it stays in the way."""
    to: Resource | None = None
    ends_at: datetime | None = None
    """For one that ends earlier: when."""
    others: Sequence[Resource] = ()
    """Devices of the same model that are free at its time."""
    why: str = ""
    """For one that stays in the way: why, and what would help."""


@dataclass(slots=True, kw_only=True)
class Outlook:
    """What a maintenance window would do."""

    resources: Sequence[Resource]
    starts_at: datetime
    ends_at: datetime
    displaced: list[Displaced] = field(default_factory=list)
    windows: list[tuple[Resource, datetime]] = field(default_factory=list)
    """The devices that are kept free, and from when: later than asked where one is cleaned before."""
    closed_already: list[MaintenanceWindow] = field(default_factory=list)

    @property
    def in_the_way(self) -> list[Displaced]:
        """Those for whom nothing can be done in this window."""
        return [each for each in self.displaced if not each.fate]

    @property
    def is_possible(self) -> bool:
        """Whether it can be planned as it stands."""
        return not self.in_the_way and not self.closed_already and bool(self.windows)

    @property
    def running(self) -> list[Lease]:
        """Leases that are ended, at once or earlier than their holders expect."""
        return [each.lease for each in self.displaced if each.fate in (Fate.SHORTENED, Fate.ENDED)]

    @property
    def told(self) -> list[str]:
        """Who is told, each once."""
        return sorted({str(each.lease.reservation.holder) for each in self.displaced if each.fate})


def outlook(
    resources: Collection[Resource],
    *,
    starts_at: datetime,
    ends_at: datetime,
    ends_running: bool,
    choices: Mapping[str, str] | None = None,
    now: datetime,
) -> Outlook:
    """Return what keeping the resources free would do.

    `choices` say for some leases where they go: the key of a device, or `cancel`. Where nothing is said, a
    lease goes to the first free device of its model at the site, and is cancelled if there is none.
    """
    whole = _without_parts_of_others(resources)
    found = Outlook(resources=whole, starts_at=max(starts_at, now), ends_at=ends_at)
    entries = CalendarEntry.objects.filter(
        holding=True,
        exclusive=True,
        resource__covered_by__whole__in=[resource.pk for resource in whole],
        occupies__overlap=(found.starts_at, ends_at),
    )
    leases = list(
        Lease.objects.select_related(
            "resource__site", "reservation__project", "reservation__holder", "reservation"
        )
        .defer("access")
        .filter(pk__in=entries.values("lease"))
        .order_by("starts_at", "pk")
    )
    found.closed_already = list(
        MaintenanceWindow.objects.select_related("resource__site")
        .filter(pk__in=entries.values("maintenance"))
        .order_by("starts_at")
    )
    begins = {resource.pk: found.starts_at for resource in whole}
    taken: list[tuple[UUID, Lease]] = []
    kept_free = _relatives_of(whole)
    for lease in leases:
        displaced = _fate_of(lease, found, ends_running, choices or {}, kept_free, taken, now)
        found.displaced.append(displaced)
        if displaced.to is not None:
            taken.append((displaced.to.pk, lease))
        if displaced.ends_at is not None:
            free_at = displaced.ends_at + timedelta(seconds=lease.cleanup_s)
            for key in _touched_by(lease, whole):
                begins[key] = max(begins[key], free_at)
    # A reservation is all or nothing: where one of its leases has to go, the others go with it.
    lost = {each.lease.reservation_id for each in found.displaced if each.fate == Fate.CANCELLED}
    found.displaced = [
        replace(each, fate=Fate.CANCELLED, to=None)
        if each.fate == Fate.MOVED and each.lease.reservation_id in lost
        else each
        for each in found.displaced
    ]
    found.windows = [(resource, begins[resource.pk]) for resource in whole if begins[resource.pk] < ends_at]
    return found


def _fate_of(
    lease: Lease,
    plan: Outlook,
    ends_running: bool,
    choices: Mapping[str, str],
    kept_free: set[UUID],
    taken: Sequence[tuple[UUID, Lease]],
    now: datetime,
) -> Displaced:
    if lease.status in NOT_STARTED:
        others = _free_for(lease, kept_free, taken)
        chosen = choices.get(str(lease.pk), "")
        to = next((other for other in others if str(other.pk) == chosen), None)
        if to is None and chosen != CANCEL and others:
            to = others[0]
        return Displaced(lease=lease, fate=Fate.MOVED if to else Fate.CANCELLED, to=to, others=others)
    if lease.status in RUNNING:
        if not ends_running:
            why = _("It runs. Begin after its end, or tick that running leases are ended.")
            return Displaced(lease=lease, fate="", why=why)
        ends_at = plan.starts_at - timedelta(seconds=lease.cleanup_s)
        if ends_at <= max(now, lease.starts_at) + timedelta(minutes=1):
            return Displaced(lease=lease, fate=Fate.ENDED, ends_at=max(now, lease.starts_at))
        return Displaced(lease=lease, fate=Fate.SHORTENED, ends_at=min(ends_at, lease.ends_at))
    why = _("Its device is being cleaned. Begin a little later; if it is quarantined, see to that first.")
    return Displaced(lease=lease, fate="", why=why)


def _free_for(lease: Lease, kept_free: set[UUID], taken: Sequence[tuple[UUID, Lease]]) -> list[Resource]:
    """Return devices of the lease's model at its site that are free at its time and not kept free as well."""
    device = lease.resource
    wanted = Wanted(kind=device.kind, model=device.model, site=device.site.slug)
    free = free_resource_ids(
        wanted, starts_at=lease.starts_at, ends_at=lease.ends_at, limit=100, health_matters=True
    )
    gone = {key for key, other in taken if other.starts_at < lease.ends_at and lease.starts_at < other.ends_at}
    found = Resource.objects.select_related("site").filter(pk__in=free, adapter=device.adapter)
    least = (lease.wish or {}).get("minimum") or {}
    fitting = [
        other
        for other in found.order_by("name")
        if other.pk not in kept_free
        and other.pk not in gone
        and all(other.attributes.get(name, float("-inf")) >= value for name, value in least.items())
    ]
    return fitting[:CHOICES_OFFERED]


def _without_parts_of_others(resources: Collection[Resource]) -> list[Resource]:
    """Return the resources without those that another one of them takes with it."""
    keys = {resource.pk for resource in resources}
    within = set(
        Cover.objects.filter(whole__in=keys, part__in=keys, depth__gt=0).values_list("part_id", flat=True)
    )
    return sorted((each for each in resources if each.pk not in within), key=lambda each: each.name)


def _relatives_of(resources: Collection[Resource]) -> set[UUID]:
    keys = [resource.pk for resource in resources]
    pairs = Cover.objects.filter(Q(whole__in=keys) | Q(part__in=keys)).values_list("whole_id", "part_id")
    return {key for pair in pairs for key in pair} | set(keys)


def _touched_by(lease: Lease, resources: Collection[Resource]) -> set[UUID]:
    """Return those of the resources that the lease's device is, contains, or is a part of."""
    keys = [resource.pk for resource in resources]
    covers = Cover.objects.filter(
        Q(whole=lease.resource_id, part__in=keys) | Q(part=lease.resource_id, whole__in=keys)
    ).values_list("whole_id", "part_id")
    return {key for pair in covers for key in pair} & set(keys)
