"""Reservations: read-only, to be cancelled or ended."""

from datetime import datetime
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from accounts.models import User
from reservations.admin.evidence import StatusColumn
from reservations.admin.verbs import Verb, VerbsAdmin
from reservations.models import Lease, Reservation
from reservations.phase import phase_of
from reservations.services import changes
from reservations.states import HOLDING
from resources.operated import ReadOnlyInline, SiteFilter, operated_sites


def _cancel(reservation: Reservation, actor: User, reason: str, now: datetime) -> None:
    changes.cancel(reservation_id=reservation.pk, actor=actor, now=now, words=reason)


CANCEL = Verb(
    name="cancel",
    title="Cancel",
    done="cancelled",
    explains="Leases that have not started are cancelled; those that run are ended, at all sites. To end another"
    " project’s running lease takes a second person, where the site wants two.",
    asks="Why; it is kept in the history",
    is_grave=True,
    fits=lambda reservation: any(lease.status in HOLDING for lease in reservation.leases.all()),
    run=_cancel,
)


class LeaseInline(StatusColumn, ReadOnlyInline):
    """The leases of a reservation at the person's own sites."""

    model = Lease
    fields = readonly_fields = ("lease", "shown_status", "starts_at", "ends_at", "trouble")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Lease]:
        """Return the leases at the person's sites: those at others are those sites' business."""
        found: QuerySet[Lease] = super().get_queryset(request)
        mine = found.filter(resource__site__in=operated_sites(request))
        return mine.select_related("resource__site").defer("access")

    @display(description="Lease")
    def lease(self, lease: Lease) -> SafeString:
        """Link to the lease."""
        page = reverse("admin:reservations_lease_change", args=[lease.pk])
        return format_html('<a class="link" href="{}">{}</a>', page, lease.resource)


@admin.register(Reservation)
class ReservationAdmin(VerbsAdmin):
    """The ask: one project, one window, one or more devices. Its phase is summed up from its leases."""

    to_site = "leases__resource__site"
    verbs = (CANCEL,)
    list_display: ClassVar = ["__str__", "phase", "holder", "project", "starts_at", "ends_at"]
    list_filter: ClassVar = [SiteFilter]
    list_select_related: ClassVar = ["holder", "project"]
    search_fields: ClassVar = ["purpose", "holder__username", "project__name"]
    ordering: ClassVar = ["-starts_at", "pk"]
    fields: ClassVar = ["purpose", "phase", "who", "charged_to", "starts_at", "ends_at", "created_at"]
    readonly_fields: ClassVar = fields
    inlines: ClassVar = [LeaseInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the reservations with their leases, from which their phase is summed up."""
        return super().get_queryset(request).prefetch_related("leases")

    @display(description="Phase")
    def phase(self, reservation: Reservation) -> str:
        """Say where the reservation is, in a word."""
        return phase_of([lease.status for lease in reservation.leases.all()]).value

    @display(description="Holder")
    def who(self, reservation: Reservation) -> str:
        """Name who uses it, without a link that only a manager could follow."""
        return f"{reservation.holder} ({reservation.holder.email})"

    @display(description="Project")
    def charged_to(self, reservation: Reservation) -> str:
        """Name what it is charged to."""
        return reservation.project.name
