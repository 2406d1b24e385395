"""Maintenance windows. They stand below leases in the tree, because booked slots are asked first."""

from typing import Any, ClassVar, cast

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from accounts.models import User
from reservations.services.maintenance import cancel_maintenance
from resources.models import MaintenanceWindow
from resources.operated import OperatedAdmin, SiteFilter


@admin.register(MaintenanceWindow)
class MaintenanceAdmin(OperatedAdmin):
    """Planned on a page of its own, which says whom it displaces; given back by deleting."""

    to_site = "resource__site"
    operators_may = frozenset({"view", "add", "delete"})
    managers_may = operators_may
    list_display: ClassVar = ["resource", "starts_at", "ends_at", "reason", "created_by", "plan"]
    list_filter: ClassVar = [SiteFilter]
    list_select_related: ClassVar = ["resource__site", "created_by"]
    search_fields: ClassVar = ["resource__name", "reason"]
    ordering: ClassVar = ["-starts_at"]
    fields: ClassVar = ["resource", "starts_at", "ends_at", "reason", "plan"]
    readonly_fields: ClassVar = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the windows with the plans that they belong to."""
        return super().get_queryset(request).prefetch_related("plans")

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Go where it is planned."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        page = reverse("admin:plan_maintenance")
        return redirect(f"{page}?{request.GET.urlencode()}" if request.GET else page)

    @display(description=gettext_lazy("Plan"))
    def plan(self, window: MaintenanceWindow) -> SafeString | str:
        """Link to the plan, where it says whom it displaced and can be called off."""
        plan = next(iter(window.plans.all()), None)
        if plan is None:
            return "–"
        return format_html(
            '<a class="link" href="{}">{}</a>',
            reverse("admin:maintenance_plan", args=[plan.pk]),
            plan.get_state_display(),
        )

    def delete_model(self, request: HttpRequest, obj: MaintenanceWindow) -> None:
        """Give the time back to the calendar."""
        cancel_maintenance(window_id=obj.pk, actor=cast(User, request.user))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[MaintenanceWindow]) -> None:
        """Give the times back to the calendar."""
        for window in queryset:
            self.delete_model(request, window)
