"""Maintenance windows. They stand below leases in the tree, because booked slots are asked first."""

from typing import Any, ClassVar, cast

from django import forms
from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import User
from reservations.errors import Invalid, Refusal
from reservations.services.maintenance import cancel_maintenance, plan_maintenance
from resources.models import MaintenanceWindow
from resources.operated import OperatedAdmin, SiteFilter


class MaintenanceForm(forms.ModelForm):  # type: ignore[type-arg]
    """Plans the window while it is checked: only the database can say that nobody booked in between.

    The admin runs a form and what follows it in one transaction, so an error elsewhere takes it back.
    """

    actor: ClassVar[User]

    class Meta:
        model = MaintenanceWindow
        fields: ClassVar = ["resource", "starts_at", "ends_at", "reason"]

    def clean(self) -> dict[str, Any]:
        """Plan the window, or say what is in the way."""
        found = super().clean() or self.cleaned_data
        if self.errors:
            return found
        try:
            self.instance = plan_maintenance(
                resource_id=found["resource"].pk,
                starts_at=found["starts_at"],
                ends_at=found["ends_at"],
                reason=found.get("reason", ""),
                actor=self.actor,
                now=timezone.now(),
            )
        except Invalid as refusal:
            for name, words in refusal.errors.items():
                for sentence in words:
                    self.add_error(name if name in self.fields else None, sentence)
        except Refusal as refusal:
            self.add_error(None, refusal.message)
        return found


@admin.register(MaintenanceWindow)
class MaintenanceAdmin(OperatedAdmin):
    """Planned by saving, given back by deleting. To change one, delete it and plan another."""

    form = MaintenanceForm
    to_site = "resource__site"
    operators_may = frozenset({"view", "add", "delete"})
    managers_may = operators_may
    list_display: ClassVar = ["resource", "starts_at", "ends_at", "reason", "created_by"]
    list_filter: ClassVar = [SiteFilter]
    list_select_related: ClassVar = ["resource__site", "created_by"]
    search_fields: ClassVar = ["resource__name", "reason"]
    ordering: ClassVar = ["-starts_at"]
    autocomplete_fields: ClassVar = ["resource"]
    fields: ClassVar = ["resource", "starts_at", "ends_at", "reason"]

    def get_form(
        self, request: HttpRequest, obj: Model | None = None, change: bool = False, **kwargs: Any
    ) -> "type[forms.ModelForm[MaintenanceWindow]]":
        """Return the form, for the person who plans."""
        form = super().get_form(request, obj, change=change, **kwargs)
        return type("MaintenanceFormOf", (form,), {"actor": request.user})

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:
        """Leave it: the service has written it."""

    def delete_model(self, request: HttpRequest, obj: MaintenanceWindow) -> None:
        """Give the time back to the calendar."""
        cancel_maintenance(window_id=obj.pk, actor=cast(User, request.user))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[MaintenanceWindow]) -> None:
        """Give the times back to the calendar."""
        for window in queryset:
            self.delete_model(request, window)
