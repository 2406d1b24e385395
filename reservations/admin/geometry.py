"""How cards are cut into MIG slices: planned here, carried out by the site when the card is idle."""

from datetime import datetime
from typing import Any, ClassVar, cast

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSplitDateTimeWidget, UnfoldAdminTextInputWidget

from accounts.models import User
from adapters.gpu.geometry import profiles_of
from reservations.admin.verbs import Verb, VerbsAdmin
from reservations.errors import Invalid, Refusal
from reservations.models import GeometryChange
from reservations.services.geometry import cancel_geometry, look_ahead, plan_geometry
from resources.models import Resource
from resources.operated import SiteFilter

STATES = {
    "Planned": "info",
    "Being cut": "warning",
    "Done": "success",
    "Failed": "danger",
    "Cancelled": "info",
}


def _cancel(change: GeometryChange, actor: User, reason: str, now: datetime) -> None:
    cancel_geometry(change_id=change.pk, actor=actor, now=now)


class GeometryForm(forms.ModelForm):  # type: ignore[type-arg]
    """Plans the change while it is checked: only the database can say that nobody booked in between."""

    actor: ClassVar[User]

    geometry = forms.CharField(
        required=False,
        label="Slices",
        widget=UnfoldAdminTextInputWidget,
        help_text="Profiles with commas between, such as 3g.40gb, 2g.20gb, 2g.20gb. Empty: one piece.",
    )
    starts_at = forms.SplitDateTimeField(
        required=False,
        label="When",
        widget=UnfoldAdminSplitDateTimeWidget,
        help_text="Empty: as soon as the card is idle for ten minutes and nobody's booking is lost.",
    )

    class Meta:
        model = GeometryChange
        fields: ClassVar = ["resource", "geometry", "starts_at"]

    def clean_geometry(self) -> list[str]:
        """Read the profiles."""
        return [profile for profile in self.cleaned_data["geometry"].replace(",", " ").split() if profile]

    def clean(self) -> dict[str, Any]:
        """Plan the change, or say what is in the way."""
        found = super().clean() or self.cleaned_data
        if self.errors:
            return found
        try:
            self.instance = plan_geometry(
                resource_id=found["resource"].pk,
                geometry=found["geometry"],
                starts_at=found.get("starts_at"),
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

    def _post_clean(self) -> None:
        # The service has written the row and the database has checked it.
        return


@admin.register(GeometryChange)
class GeometryAdmin(VerbsAdmin):
    """Planned by saving, cancelled by its button."""

    form = GeometryForm
    to_site = "resource__site"
    operators_may = frozenset({"view", "add"})
    managers_may = operators_may
    list_display: ClassVar = ["resource", "cut", "starts_at", "shown_state", "requested_by"]
    list_filter: ClassVar = [SiteFilter, "state"]
    list_select_related: ClassVar = ["resource__site", "requested_by"]
    search_fields: ClassVar = ["resource__name"]
    ordering: ClassVar = ["-starts_at"]
    autocomplete_fields: ClassVar = ["resource"]
    change_form_before_template = "admin/geometry.html"
    fields: ClassVar = ["resource", "geometry", "starts_at"]
    shown: ClassVar = ["resource", "cut_before", "cut", "starts_at", "shown_state", "detail", "requested_by"]
    verbs = (
        Verb(
            name="cancel",
            title="Cancel the plan",
            done="cancelled; the card stays as it is",
            explains="The card stays as it is, and its slices can be booked again as before.",
            fits=lambda change: change.state == GeometryChange.State.PLANNED,
            run=_cancel,
        ),
    )

    def get_form(
        self, request: HttpRequest, obj: Model | None = None, change: bool = False, **kwargs: Any
    ) -> "type[forms.ModelForm[GeometryChange]]":
        """Return the form, for the person who plans."""
        form = super().get_form(request, obj, change=change, **kwargs)
        return type("GeometryFormOf", (form,), {"actor": request.user})

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        """Ask for little; show what became of it."""
        return list(self.shown if obj else self.fields)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        """A plan is not changed: cancel it, and plan another."""
        return list(self.shown) if obj else []

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Begin with the card in the address, if there is one."""
        now = self._card_now(request)
        return {"resource": str(now["card"].pk)} if now else {}

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show what the card is cut into, what it can be cut into, and when it is idle."""
        context = {"card_now": self._card_now(request)} | (extra_context or {})
        return cast(HttpResponse, super().add_view(request, form_url, context))

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:
        """Leave it: the service has written it."""

    @display(description="Slices")
    def cut(self, change: GeometryChange) -> str:
        """Name the slices wanted."""
        return ", ".join(change.geometry) or "one piece"

    @display(description="Slices before")
    def cut_before(self, change: GeometryChange) -> str:
        """Name the slices that were there."""
        return ", ".join(change.before) or "one piece"

    @display(description="State", ordering="state", label=STATES)
    def shown_state(self, change: GeometryChange) -> str:
        """Say how far it is."""
        return change.get_state_display()

    def _card_now(self, request: HttpRequest) -> dict[str, Any] | None:
        asked = request.GET.get("resource") or request.POST.get("resource") or ""
        cards = Resource.objects.filter(kind="gpu").select_related("site")
        try:
            card = cards.filter(pk=asked).first()
        except (ValueError, ValidationError):
            return None
        if card is None or not self.admin_site.get_model_admin(Resource).has_view_permission(request, card):
            return None
        outlook = look_ahead(card, (), now=timezone.now())
        return {"card": card, "outlook": outlook, "profiles": profiles_of(card.model)}
