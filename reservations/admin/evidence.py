"""What is kept of each lease and never changed: its moves, and the proofs that its device was clean."""

from typing import Any, ClassVar

from django.contrib import admin
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display

from reservations.models import LeaseEvent, OutgoingOrder, Proof
from resources.operated import OperatedAdmin, ReadOnlyInline, SiteFilter

STATUS = {
    "REQUESTED": "warning",
    "SCHEDULED": "info",
    "PROVISIONING": "info",
    "ACTIVE": "success",
    "RELEASING": "info",
    "RELEASE_FAILED": "danger",
}
CLEAN = {"clean": "success", "not clean": "danger"}


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
            ("passed" if check.get("passed") else "failed", check.get("name"), check.get("expected"), check.get("found"))
            for check in proof.checks
        ]
        cells = format_html_join("", "<li>{}: {}, expected {}, found {}</li>", rows)
        return format_html('<ul class="checks">{}</ul>', cells)


class EventInline(ReadOnlyInline):
    """The history of a lease."""

    model = LeaseEvent
    verbose_name_plural = "history"
    fields = readonly_fields = ("at", "source", "to", "actor", "reason")


class ProofInline(ProofTable, ReadOnlyInline):
    """The proofs of a lease."""

    model = Proof
    fields = readonly_fields = ("verified_at", "result", "verifier", "shown_checks", "digest")


class OrderInline(ReadOnlyInline):
    """What the site was told. Orders that were sent are forgotten after some days."""

    model = OutgoingOrder
    verbose_name_plural = "orders to the site"
    fields = readonly_fields = ("verb", "created_at", "sent_at")


@admin.register(LeaseEvent)
class LeaseEventAdmin(OperatedAdmin):
    """All moves of all leases: who did what, when and why."""

    to_site = "lease__resource__site"
    list_display: ClassVar = ["at", "lease", "source", "moved_to", "actor", "reason"]
    list_display_links: ClassVar = ["at"]
    list_filter: ClassVar = [SiteFilter, "to"]
    list_select_related: ClassVar = ["lease__resource__site", "actor"]
    search_fields: ClassVar = ["lease__resource__name", "actor__username", "reason"]
    ordering: ClassVar = ["-id"]

    @display(description="To", ordering="to", label=STATUS)
    def moved_to(self, event: LeaseEvent) -> str:
        """Say where the lease went."""
        return event.to


@admin.register(Proof)
class ProofAdmin(ProofTable, OperatedAdmin):
    """All proofs that a device was clean, and those that it was not."""

    to_site = "resource__site"
    list_display: ClassVar = ["verified_at", "resource", "result", "verifier"]
    list_filter: ClassVar = [SiteFilter, "is_clean"]
    list_select_related: ClassVar = ["resource__site"]
    search_fields: ClassVar = ["resource__name", "verifier", "digest"]
    fields: ClassVar = ["resource", "lease", "verified_at", "result", "verifier", "shown_checks", "digest", "epoch"]
    readonly_fields: ClassVar = fields
