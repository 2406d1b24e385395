"""What is kept of each lease and never changed: its moves, and the proofs that its device was clean."""

from typing import Any, ClassVar

from django.contrib import admin
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display

from reservations.models import Lease, LeaseEvent, Proof
from reservations.states import Status
from resources.admin.exports import ExportedAdmin
from resources.operated import OperatedAdmin, SiteFilter

WORDS = {
    Status.REQUESTED: "asked",
    Status.SCHEDULED: "scheduled",
    Status.PROVISIONING: "preparing",
    Status.ACTIVE: "active",
    Status.RELEASING: "cleaning",
    Status.RELEASE_FAILED: "not clean",
    Status.RELEASED: "clean",
    Status.REJECTED: "rejected",
    Status.CANCELLED: "cancelled",
}
COLOUR_OF_WORD = {"asked": "warning", "active": "success", "not clean": "danger"} | dict.fromkeys(
    ("scheduled", "preparing", "cleaning"), "info"
)
CLEAN = {"clean": "success", "not clean": "danger"}


class StatusColumn:
    """How the status of a lease is shown."""

    @display(description="Status", ordering="status", label=COLOUR_OF_WORD)
    def shown_status(self, lease: Lease) -> str:
        """Say where the lease is in its life."""
        return WORDS[Status(lease.status)]


class ProofTable:
    """How a proof is shown."""

    @display(description="Result", label=CLEAN)
    def result(self, proof: Proof) -> str:
        """Say whether the device was clean."""
        return "clean" if proof.is_clean else "not clean"

    @display(description="Checks")
    def shown_checks(self, proof: Proof) -> SafeString:
        """List what was looked at: what was expected and what was found."""
        rows: list[tuple[Any, ...]] = [
            (
                "passed" if check.get("passed") else "failed",
                check.get("name"),
                check.get("expected"),
                check.get("found"),
            )
            for check in proof.checks
        ]
        cells = format_html_join("", "<li>{}: {}, expected {}, found {}</li>", rows)
        return format_html('<ul class="checks">{}</ul>', cells)


class MoveTable:
    """How a move is shown."""

    @display(description="By", ordering="actor__username")
    def who(self, event: LeaseEvent) -> str:
        """Name who moved the lease, without a link that only a manager could follow."""
        return str(event.actor) if event.actor else "SHARY"

    @display(description="To", ordering="to", label=COLOUR_OF_WORD)
    def moved_to(self, event: LeaseEvent) -> str:
        """Say where the lease went."""
        return WORDS[Status(event.to)]


@admin.register(LeaseEvent)
class LeaseEventAdmin(MoveTable, ExportedAdmin):
    """All moves of all leases: who did what, when and why."""

    to_site = "lease__resource__site"
    list_display: ClassVar = ["at", "lease", "source", "moved_to", "who", "reason"]
    list_display_links: ClassVar = ["at"]
    list_filter: ClassVar = [SiteFilter, "to"]
    list_select_related: ClassVar = ["lease__resource__site", "actor"]
    search_fields: ClassVar = ["lease__resource__name", "actor__username", "reason"]
    export_columns: ClassVar = {
        "at": lambda event: event.at,
        "lease": lambda event: event.lease_id,
        "site": lambda event: event.lease.resource.site.slug,
        "device": lambda event: event.lease.resource.name,
        "from": lambda event: event.source,
        "to": lambda event: event.to,
        "by": lambda event: event.actor.username if event.actor else "",
        "reason": lambda event: event.reason,
    }
    ordering: ClassVar = ["-id"]
    fields: ClassVar = ["at", "lease", "source", "to", "who", "reason"]
    readonly_fields: ClassVar = fields


@admin.register(Proof)
class ProofAdmin(ProofTable, OperatedAdmin):
    """All proofs that a device was clean, and those that it was not."""

    to_site = "resource__site"
    list_display: ClassVar = ["verified_at", "resource", "result", "verifier"]
    list_filter: ClassVar = [SiteFilter, "is_clean"]
    list_select_related: ClassVar = ["resource__site"]
    search_fields: ClassVar = ["resource__name", "verifier", "digest"]
    fields: ClassVar = [
        "resource",
        "lease",
        "verified_at",
        "result",
        "verifier",
        "shown_checks",
        "digest",
        "epoch",
    ]
    readonly_fields: ClassVar = fields
