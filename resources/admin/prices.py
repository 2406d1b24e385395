"""What sites charge, and how quick models are: prices by their operators, speeds by federation managers."""

from datetime import timedelta
from typing import Any, ClassVar, cast

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from unfold.admin import ModelAdmin

from accounts.admin import ForManagers
from accounts.models import User
from resources.models import ModelSpeed, Price
from resources.operated import WRITE, OperatedAdmin, SiteFilter

SLACK = timedelta(minutes=5)
"""People fill in “now” some minutes before they press the button."""


class PriceForm(forms.ModelForm):  # type: ignore[type-arg]
    """Refuses prices for the past: what was booked keeps the price that it was booked at."""

    class Meta:
        model = Price
        fields: ClassVar = ["site", "kind", "model", "credits_per_hour", "valid_from"]

    def clean_valid_from(self) -> Any:
        """Refuse a moment in the past."""
        moment = self.cleaned_data["valid_from"]
        if moment < timezone.now() - SLACK:
            raise forms.ValidationError(
                _("A price counts from now on or later: what was booked before keeps its own.")
            )
        return moment


@admin.register(Price)
class PriceAdmin(OperatedAdmin):
    """Prices of one's sites. One that counts already stays; a new one is another row."""

    form = PriceForm
    to_site = "site"
    operators_may = WRITE
    managers_may = WRITE
    list_display: ClassVar = ["site", "kind", "model", "credits_per_hour", "valid_from", "set_by"]
    list_filter: ClassVar = [SiteFilter]
    list_select_related: ClassVar = ["site", "set_by"]
    ordering: ClassVar = ["site__name", "kind", "model", "-valid_from"]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Begin with a price that counts from now on."""
        return {"valid_from": timezone.now(), **super().get_changeform_initial_data(request)}

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Only of a price that does not count yet."""
        return super().has_change_permission(request, obj) and not _counts(obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Only of a price that does not count yet."""
        return super().has_delete_permission(request, obj) and not _counts(obj)

    def save_model(self, request: HttpRequest, obj: Price, form: Any, change: bool) -> None:
        """Note who has set it."""
        obj.set_by = cast(User, request.user)
        super().save_model(request, obj, form, change)


def _counts(price: Model | None) -> bool:
    return isinstance(price, Price) and price.valid_from <= timezone.now()


@admin.register(ModelSpeed)
class ModelSpeedAdmin(ForManagers, ModelAdmin):  # type: ignore[misc]
    """How quick models are beside each other, with the source of each number."""

    list_display: ClassVar = ["model", "kind", "factor", "source"]
    search_fields: ClassVar = ["model", "source"]
    ordering: ClassVar = ["kind", "-factor"]
