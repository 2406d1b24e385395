"""Leases: what operators approve, reject, have cleaned again, vouch for, and end."""

from datetime import datetime, timedelta
from typing import Any, ClassVar, cast

from django.contrib import admin
from django.db.models import Model, Q, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from accounts.models import User
from reservations.admin.evidence import StatusColumn
from reservations.admin.verbs import Verb, VerbsAdmin
from reservations.models import Countersign, Lease
from reservations.selectors.task_log import task_log
from reservations.selectors.use import idle_since_of, use_summary
from reservations.services import approval, changes, cleaning
from reservations.states import Status
from reservations.words import say_length, say_use
from resources.admin.exports import ExportedAdmin
from resources.admin.resources import page_of
from resources.operated import SiteFilter, may_act


def _approve(lease: Lease, actor: User, reason: str, now: datetime) -> None:
    approval.approve_lease(lease_id=lease.pk, actor=actor, reason=reason, now=now)


def _reject(lease: Lease, actor: User, reason: str, now: datetime) -> None:
    approval.reject_lease(lease_id=lease.pk, actor=actor, reason=reason, now=now)


def _retry(lease: Lease, actor: User, reason: str, now: datetime) -> None:
    cleaning.retry_release(lease, actor=actor, now=now)


def _vouch(lease: Lease, actor: User, reason: str, now: datetime) -> None:
    cleaning.vouch(lease, actor=actor, reason=reason, now=now)


def _end(lease: Lease, actor: User, reason: str, now: datetime) -> None:
    changes.end_now(reservation_id=lease.reservation_id, actor=actor, now=now, words=reason)


def _is(*states: Status) -> Any:
    return lambda lease: lease.status in states


LEASE_VERBS = (
    Verb(
        name="approve",
        title="Approve",
        done="approved",
        explains="The lease is scheduled and its holder is told.",
        asks="A word to the holder",
        fits=_is(Status.REQUESTED),
        run=_approve,
    ),
    Verb(
        name="reject",
        title="Reject",
        done="rejected",
        explains="A reservation is all or nothing: what was booked with it is cancelled, too. The holder is told.",
        asks="Why, in words for the holder",
        is_grave=True,
        fits=_is(Status.REQUESTED),
        run=_reject,
    ),
    Verb(
        name="retry",
        title="Retry release",
        done="the site is told to clean it again",
        explains="The site closes access, cleans the device once more, and proves it.",
        fits=_is(Status.RELEASE_FAILED),
        run=_retry,
    ),
    Verb(
        name="vouch",
        title="Vouch: it is clean",
        done="vouched for; the device can be booked again",
        explains="You have looked at the device yourself. Your name and your words are kept as the proof, and the"
        " next holder gets the device on your word.",
        asks="How you made sure that nothing of the last holder is left",
        needs_reason=True,
        is_grave=True,
        fits=_is(Status.RELEASE_FAILED),
        run=_vouch,
    ),
    Verb(
        name="end",
        title="End now",
        done="ended; the device is being closed and cleaned",
        explains="Access is closed now, for all devices of the reservation, and they are cleaned. Another project’s"
        " lease takes a second person, where the site wants two.",
        asks="Why; it is kept in the lease’s log",
        is_grave=True,
        fits=_is(Status.PROVISIONING, Status.ACTIVE),
        run=_end,
    ),
)


@admin.register(Lease)
class LeaseAdmin(StatusColumn, VerbsAdmin, ExportedAdmin):
    """The hold of one resource for a window. Everything is read-only: status moves by verbs alone."""

    to_site = "resource__site"
    verbs = LEASE_VERBS
    list_display: ClassVar = [
        "resource",
        "shown_status",
        "holder",
        "project",
        "starts_at",
        "ends_at",
        "trouble",
    ]
    list_filter: ClassVar = [SiteFilter, "status"]
    list_select_related: ClassVar = ["resource__site", "reservation__holder", "reservation__project"]
    search_fields: ClassVar = [
        "resource__name",
        "resource__site__name",
        "reservation__holder__username",
        "reservation__holder__first_name",
        "reservation__holder__last_name",
        "reservation__holder__email",
        "reservation__project__name",
        "reservation__purpose",
    ]
    search_help_text = gettext_lazy("Device, site, holder, project or purpose")
    ordering: ClassVar = ["-starts_at", "pk"]
    change_form_outer_after_template = "admin/task_log.html"
    export_columns: ClassVar = {
        "lease": lambda lease: lease.pk,
        "reservation": lambda lease: lease.reservation_id,
        "site": lambda lease: lease.resource.site.slug,
        "device": lambda lease: lease.resource.name,
        "kind": lambda lease: lease.resource.kind,
        "model": lambda lease: lease.resource.model,
        "status": lambda lease: lease.status,
        "holder": lambda lease: lease.reservation.holder.username,
        "project": lambda lease: lease.reservation.project.slug,
        "purpose": lambda lease: lease.reservation.purpose,
        "starts_at": lambda lease: lease.starts_at,
        "ends_at": lambda lease: lease.ends_at,
        "opened_at": lambda lease: lease.opened_at,
        "isolated_at": lambda lease: lease.isolated_at,
        "busy_hours": lambda lease: _hours(lease.busy_s),
        "measured_hours": lambda lease: _hours(lease.measured_s),
        "trouble": lambda lease: lease.trouble,
    }
    fieldsets = (
        (
            None,
            {"fields": ("device", "status_in_words", "trouble", "reservation", "holder", "project", "purpose")},
        ),
        ("Window", {"fields": ("starts_at", "ends_at", "kept_free")}),
        ("Use", {"fields": ("use_in_words", "idle_in_words")}),
        ("What was asked", {"fields": ("parameters", "files", "wish")}),
        (
            "Underneath",
            {
                "fields": (
                    ("prepared_at", "opened_at", "isolated_at"),
                    ("epoch", "revision", "attempts"),
                    ("next_action_at", "deadline_at"),
                )
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Lease]:
        """Return the leases without what opens their devices: that is for their holders alone."""
        return super().get_queryset(request).defer("access")

    def exported(self, found: QuerySet[Lease]) -> QuerySet[Lease]:
        """Return the leases with how much of their devices was used."""
        return found.annotate(busy_s=Sum("use__busy_s"), measured_s=Sum("use__measured_s"))

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the lease with everything that was ordered, attempted and reported of it."""
        lease = self.get_object(request, object_id)
        found: dict[str, Any] = {"log": task_log(lease), "wishes": self._open_wishes(lease)} if lease else {}
        found["may_act"] = may_act(request)
        return super().change_view(request, object_id, form_url, found | (extra_context or {}))

    def wish_for(self, verb: Verb, row: Model) -> Countersign | None:
        """Return what somebody else asked for and this would confirm."""
        open_wishes = self._open_wishes(cast(Lease, row))
        return next((wish for wish in open_wishes if wish.verb == verb.name), None)

    def _open_wishes(self, lease: Lease) -> list[Countersign]:
        found = Countersign.objects.filter(
            answer="", expires_at__gt=timezone.now(), lease__reservation=lease.reservation_id
        ).filter(Q(lease=lease) | Q(verb=Countersign.Verb.END))
        return list(found.select_related("asked_by", "lease"))

    @display(description="Status")
    def status_in_words(self, lease: Lease) -> str:
        """Say where the lease is in its life, in a sentence's words."""
        return lease.get_status_display()

    @display(description="Kept free besides")
    def kept_free(self, lease: Lease) -> str:
        """Say how long the device is kept free around the window."""
        before, after = (say_length(timedelta(seconds=s)) for s in (lease.preparation_s, lease.cleanup_s))
        return f"{before} before, to prepare it; {after} after, to clean it"

    @display(description="Measured")
    def use_in_words(self, lease: Lease) -> str:
        """Say how much of the device was used, or why nobody knows."""
        return say_use(use_summary(lease.pk))

    @display(description="Idle")
    def idle_in_words(self, lease: Lease) -> str:
        """Say since when the holder has done nothing with the device."""
        since = idle_since_of(lease, now=timezone.now())
        return f"since {since:%Y-%m-%d %H:%M} UTC" if since else "–"

    @display(description="Device")
    def device(self, lease: Lease) -> SafeString:
        """Link to the device."""
        return format_html('<a class="link" href="{}">{}</a>', page_of(lease.resource), lease.resource)

    @display(description="Holder", ordering="reservation__holder__username")
    def holder(self, lease: Lease) -> User:
        """Say who uses it."""
        return lease.reservation.holder

    @display(description="Project", ordering="reservation__project__name")
    def project(self, lease: Lease) -> str:
        """Say what it is charged to."""
        return lease.reservation.project.name

    @display(description="Purpose")
    def purpose(self, lease: Lease) -> str:
        """Say what it is for."""
        return lease.reservation.purpose or "–"

    @display(description="Files")
    def files(self, lease: Lease) -> str:
        """Name the files that go to the device."""
        return ", ".join(str(each) for each in lease.artefacts.defer("content")) or "–"


def _hours(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds / 3600:.2f}"
