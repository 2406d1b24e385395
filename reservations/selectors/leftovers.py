"""What does not get out, and what was given up: nobody asks for it, so it has to be shown."""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

from django.db.models import Count, Exists, Min, OuterRef, QuerySet
from django.utils.translation import gettext as _

from reservations.models import Build, GeometryChange, Lease, OutgoingMail, OutgoingOrder, Rehearsal
from reservations.policy import ERRAND_MOST_ATTEMPTS
from resources.models import Discovery, Resource, Site

SHOWN_FOR = timedelta(days=7)
MOST_SHOWN = 50
ORDERS_TAKE = timedelta(minutes=1)

_KEY = re.compile(r"^(lease|resource):([0-9a-f-]{36}):")


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenUp:
    """Something that a site was asked for and did not do."""

    what: str
    why: str
    at: datetime
    resource: Resource
    sort: str
    """`search`, `slices`, `trial` or `build`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsent:
    """Orders that the message broker does not take."""

    site: str
    count: int
    since: datetime


@dataclass(slots=True, kw_only=True)
class Leftovers:
    """What is left lying."""

    orders: list[Unsent] = field(default_factory=list)
    mails: list[OutgoingMail] = field(default_factory=list)
    given_up: list[GivenUp] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.orders) + len(self.mails) + len(self.given_up)

    @property
    def any(self) -> bool:
        """Whether there is anything."""
        return self.count > 0


def leftovers(sites: "QuerySet[Site]", *, now: datetime) -> Leftovers:
    """Return what is left lying at some sites."""
    keys = sites.values("pk")
    return Leftovers(orders=_orders(keys, now), mails=failing_mail(keys), given_up=_given_up(keys, now))


def failing_mail(sites: Any) -> list[OutgoingMail]:
    """Return mail that could not be sent so far, about leases and devices of the sites."""
    failing = (
        OutgoingMail.objects.select_related("to")
        .filter(sent_at__isnull=True, attempts__gt=0)
        .order_by("-created_at")[: 4 * MOST_SHOWN]
    )
    about: dict[int, tuple[str, UUID]] = {}
    mails = list(failing)
    for mail in mails:
        if found := _KEY.match(mail.dedupe_key):
            about[mail.pk] = (found[1], UUID(found[2]))
    if not about:
        return []
    leases = {key for sort, key in about.values() if sort == "lease"}
    devices = {key for sort, key in about.values() if sort == "resource"}
    theirs = set(Lease.objects.filter(pk__in=leases, resource__site__in=sites).values_list("pk", flat=True))
    theirs |= set(Resource.objects.filter(pk__in=devices, site__in=sites).values_list("pk", flat=True))
    return [mail for mail in mails if mail.pk in about and about[mail.pk][1] in theirs][:MOST_SHOWN]


def _orders(sites: Any, now: datetime) -> list[Unsent]:
    waiting = (
        OutgoingOrder.objects.filter(sent_at__isnull=True, created_at__lt=now - ORDERS_TAKE, site__in=sites)
        .values("site__name")
        .annotate(count=Count("pk"), since=Min("created_at"))
        .order_by("site__name")
    )
    return [Unsent(site=row["site__name"], count=row["count"], since=row["since"]) for row in waiting]


def _given_up(sites: Any, now: datetime) -> list[GivenUp]:
    since = now - SHOWN_FOR
    cuts = GeometryChange.objects.filter(
        state=GeometryChange.State.FAILED, finished_at__gte=since, resource__site__in=sites
    )
    # Of each device the latest question counts: one that was asked again, and answered, is well.
    later = Discovery.objects.filter(resource=OuterRef("resource"), asked_at__gt=OuterRef("asked_at"))
    searches = Discovery.objects.filter(
        ~Exists(later), error="Silent", asked_at__gte=since, resource__site__in=sites
    )
    trials = Rehearsal.objects.exclude(state=Rehearsal.State.WAITING).filter(
        attempts__gte=ERRAND_MOST_ATTEMPTS, asked_at__gte=since, answered_at=None, resource__site__in=sites
    )
    builds = Build.objects.filter(
        state=Build.State.FAILED,
        attempts__gte=ERRAND_MOST_ATTEMPTS,
        asked_at__gte=since,
        resource__site__in=sites,
    )
    sorts = (
        ("slices", _("It could not be cut into slices"), cuts, "detail", "finished_at"),
        ("search", _("The search for devices was not answered"), searches, "failure", "asked_at"),
        ("trial", _("The trial of a lease’s files was not answered"), trials, "detail", "asked_at"),
        ("build", _("The making of device files was not answered"), builds, "detail", "asked_at"),
    )
    found = [
        GivenUp(what=what, why=getattr(row, why), at=getattr(row, at), resource=row.resource, sort=sort)
        for sort, what, rows, why, at in sorts
        for row in cast(Any, rows).select_related("resource__site").order_by(f"-{at}")[:MOST_SHOWN]
    ]
    return sorted(found, key=lambda each: each.at, reverse=True)
