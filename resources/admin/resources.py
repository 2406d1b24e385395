"""Devices and their parts."""

from typing import Any, ClassVar, cast
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy
from unfold.decorators import action, display

from adapters.catalogue import CATALOGUE
from resources.admin.resource_form import ResourceForm
from resources.models import Decision, Resource, Unfitness
from resources.operated import WRITE, OperatedAdmin, ReadOnlyInline, SiteFilter

HEALTH = {"Healthy": "success", "Unhealthy": "danger", "Not yet seen": "warning"}
MOST_PARTS = 200


class KindFilter(admin.SimpleListFilter):
    """Narrows the list to a kind."""

    title = parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Offer the kinds that adapters drive."""
        return [(kind, kind) for each in CATALOGUE.values() for kind in each.kinds]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Resource]) -> QuerySet[Resource]:
        """Keep the resources of the kind."""
        return queryset.filter(kind=self.value()) if self.value() else queryset


class PartInline(ReadOnlyInline):
    """The parts of a device, each a resource of its own."""

    model = Resource
    fk_name = "parent"
    verbose_name_plural = "parts"
    fields = readonly_fields = ("part", "kind", "model", "health", "in_service")
    per_page = MOST_PARTS

    @display(description="Part")
    def part(self, resource: Resource) -> SafeString:
        """Link to the part."""
        return format_html('<a class="link" href="{}">{}</a>', page_of(resource), resource.name)


class ErrorInline(ReadOnlyInline):
    """The errors of a device that kept it back, and who put it back in service."""

    model = Unfitness
    verbose_name_plural = "errors that kept it back"
    fields = readonly_fields = ("reason", "first_seen_at", "last_seen_at", "lifted_at", "who", "lifted_because")

    @display(description="By")
    def who(self, unfitness: Unfitness) -> str:
        """Name who looked, without a link that only a manager could follow."""
        return str(unfitness.lifted_by or "–")


class DecisionInline(ReadOnlyInline):
    """What operators accepted and ignored of what the site found."""

    model = Decision
    verbose_name_plural = "decided about it"
    fields = readonly_fields = ("at", "who", "verb", "what")

    @display(description="By")
    def who(self, decision: Decision) -> str:
        """Name who decided, without a link that only a manager could follow."""
        return str(decision.by or "SHARY")

    @display(description="What was found")
    def what(self, decision: Decision) -> str:
        """Say what it was about, with the old value and the new one."""
        return str(decision.line.get("words", ""))


@admin.register(Resource)
class ResourceAdmin(OperatedAdmin):
    """What can be booked."""

    form = ResourceForm
    to_site = "site"
    operators_may = WRITE
    managers_may = WRITE
    list_display: ClassVar = ["name", "site", "kind", "model", "shown_health", "quarantined", "in_service"]
    list_filter: ClassVar = [SiteFilter, KindFilter, "health", "in_service"]
    list_select_related: ClassVar = ["site"]
    search_fields: ClassVar = ["name", "model", "site__name", "serial"]
    autocomplete_fields: ClassVar = ["parent"]
    inlines: ClassVar = [PartInline, ErrorInline, DecisionInline]
    list_before_template = "admin/devices/list.html"
    search_help_text = gettext_lazy("Name, model, serial number or site")
    actions: ClassVar = ["take_out_of_service", "take_into_service"]
    actions_detail: ClassVar = ["back_in_service", "look_for_devices", "cut_into_slices", "add_part"]
    fieldsets = (
        (None, {"fields": ("name", "site", "parent", "in_service")}),
        (
            "State",
            {"fields": ("shown_health", "health_detail", "observed_at", "quarantined", "quarantine_reason")},
        ),
        ("How it is driven", {"fields": ("adapter", "kind", "attributes", "settings", "serial")}),
        ("Time around each lease", {"fields": ("preparation_s", "cleanup_s")}),
        (
            "What can stand in attributes and settings",
            {"fields": ("what_can_stand_there",), "classes": ("collapse",)},
        ),
    )
    state: ClassVar = (
        "shown_health",
        "health_detail",
        "observed_at",
        "quarantined",
        "quarantine_reason",
        "what_can_stand_there",
    )

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list, with the ways in and out for many devices at once."""
        context = {"may_import": self.has_add_permission(request)} | (extra_context or {})
        return cast(HttpResponse, super().changelist_view(request, context))

    def get_readonly_fields(self, request: HttpRequest, obj: Resource | None = None) -> tuple[str, ...]:
        """Keep what must not change: bookings and the site's journal stand on where a device belongs."""
        return (*self.state, "site", "parent") if obj else self.state

    def get_fieldsets(self, request: HttpRequest, obj: Resource | None = None) -> Any:
        """Leave out of the form for a new device what only one that is there has."""
        if obj is not None:
            return self.fieldsets
        return (self.fieldsets[0], *self.fieldsets[2:4])

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Begin a part where its whole is."""
        initial = cast("dict[str, Any]", super().get_changeform_initial_data(request))
        whole = self.get_queryset(request).filter(pk=initial["parent"]).first() if "parent" in initial else None
        if whole is not None:
            initial |= {"site": whole.site_id, "adapter": whole.adapter}
        return initial

    def get_inlines(self, request: HttpRequest, obj: Resource | None) -> list[Any]:
        """Show the parts, the errors and what was accepted of it, where there are any."""
        if obj is None:
            return []
        shown: dict[type[ReadOnlyInline], Any] = {
            PartInline: obj.parts,
            ErrorInline: obj.unfitnesses,
            DecisionInline: obj.decisions,
        }
        return [inline for inline, rows in shown.items() if rows.exists()]

    @admin.action(description="Take out of service: not to be booked any more")
    def take_out_of_service(self, request: HttpRequest, found: QuerySet[Resource]) -> None:
        """Keep the devices from being booked; what is booked already stays."""
        self._put(request, found, in_service=False, words="out of service; what is booked already stays booked")

    @admin.action(description="Take into service: can be booked")
    def take_into_service(self, request: HttpRequest, found: QuerySet[Resource]) -> None:
        """Let the devices be booked."""
        self._put(request, found, in_service=True, words="in service")

    @action(
        description="Back in service",
        icon="healing",
        url_path="back-in-service",
        permissions=["lift_quarantine"],
    )
    def back_in_service(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Go where one says that the device can be lent again."""
        return redirect("admin:back_in_service", object_id)

    def has_lift_quarantine_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Whether the device is kept back, so that the button helps."""
        return self.get_queryset(request).filter(pk=object_id, quarantined_at__isnull=False).exists()

    @action(
        description="Look for devices", icon="search", url_path="look-for-devices", permissions=["look_behind"]
    )
    def look_for_devices(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Go where the site is asked what it finds behind this device."""
        resource = get_object_or_404(self.get_queryset(request), pk=object_id)
        page = reverse("admin:inventory_site", args=[resource.site.slug])
        return redirect(f"{page}?device={resource.pk}#asked-{resource.pk}")

    def has_look_behind_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Whether it is a whole device: its parts are found with it."""
        return self.get_queryset(request).filter(pk=object_id, parent__isnull=True).exists()

    @action(
        description="Cut into slices", icon="splitscreen", url_path="cut-into-slices", permissions=["cut_card"]
    )
    def cut_into_slices(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Go where it is planned how the card is cut."""
        card = get_object_or_404(self.get_queryset(request), pk=object_id)
        page = reverse("admin:reservations_geometrychange_add")
        return redirect(f"{page}?{urlencode({'resource': card.pk})}")

    def has_cut_card_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Whether it is a card whose adapter can cut it."""
        cutters = [name for name, adapter in CATALOGUE.items() if adapter.can_reshape]
        return self.get_queryset(request).filter(pk=object_id, kind="gpu", adapter__in=cutters).exists()

    @action(description="Add a part", icon="add", url_path="add-part")
    def add_part(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Begin a part of this device."""
        return redirect(f"{reverse('admin:resources_resource_add')}?{urlencode({'parent': object_id})}")

    @display(description="Health", ordering="health", label=HEALTH)
    def shown_health(self, resource: Resource) -> str:
        """Say what the site last saw."""
        return resource.get_health_display()

    @display(description="Quarantine", ordering="quarantined_at", label={"quarantined": "danger", "no": "info"})
    def quarantined(self, resource: Resource) -> str:
        """Say whether the device waits to be proven clean."""
        return "quarantined" if resource.quarantined_at else "no"

    @display(description="Fields")
    def what_can_stand_there(self, resource: Resource) -> SafeString | str:
        """List the fields of attributes and settings, as the adapter describes them."""
        adapter = CATALOGUE.get(resource.adapter)
        if adapter is None:
            return "The portal does not know this adapter; choose another."
        rows = [
            (part, name, "required" if name in schema.get("required", ()) else "", _said_of(field))
            for part in ("attributes", "settings")
            for schema in [adapter.schema_of(part)]
            for name, field in schema.get("properties", {}).items()
        ]
        cells = format_html_join("", "<tr><td>{}</td><td><code>{}</code></td><td>{}</td><td>{}</td></tr>", rows)
        return format_html('<table class="fields-of-adapter"><tbody>{}</tbody></table>', cells)

    def _put(self, request: HttpRequest, found: QuerySet[Resource], *, in_service: bool, words: str) -> None:
        changed = list(found.exclude(in_service=in_service))
        for resource in changed:
            resource.in_service = in_service
            resource.save(update_fields=["in_service"])
            self.log_change(request, resource, f"Now {words}.")
        if changed:
            named = ", ".join(str(resource) for resource in changed)
            messages.success(request, f"{named}: {words}.")
        else:
            messages.info(request, "Nothing to change: they were so before.")


def page_of(resource: Resource) -> str:
    """Return the address of the device's page at the desk."""
    return reverse("admin:resources_resource_change", args=[resource.pk])


def _said_of(field: dict[str, Any]) -> str:
    return ": ".join(text for text in (field.get("title", ""), field.get("description", "")) if text)
