"""A site: its policy, its contact, its key, and whether it was heard of late."""

import binascii
from typing import Any, ClassVar, cast

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import Count, Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import TabularInline
from unfold.decorators import display

from accounts.admin import ForManagers, is_manager
from adapters.contract.wire import private_key, public_key, public_text
from resources.models import OperatorRule, Operatorship, Site
from resources.operated import READ, WRITE, OperatedAdmin
from resources.services.policy import POLICY_FIELDS, POLICY_TITLES, say_value

HEARD = {"reachable": "success", "silent": "danger", "never heard": "warning"}


class SiteForm(forms.ModelForm):  # type: ignore[type-arg]
    """Reads the site's key before it is kept: with a wrong one, the site would be silent and nobody know why."""

    class Meta:
        model = Site
        fields: ClassVar = [
            "name",
            "slug",
            "organisation",
            "contact_email",
            "public_key",
            "time_zone",
            "latitude",
            "longitude",
        ]
        help_texts: ClassVar = {
            "slug": "Its queue is called after it, and so are its orders: it never changes."
        }

    def clean_public_key(self) -> str:
        """Refuse what is no public key."""
        text: str = self.cleaned_data["public_key"].strip()
        if text:
            try:
                public_key(text)
            except (ValueError, binascii.Error) as error:
                raise forms.ValidationError(
                    "This is no public key. Copy the line that `python -m site_worker --new-key` printed:"
                    " 44 characters that end in “=”."
                ) from error
        return text


class OperatorshipInline(ForManagers, TabularInline):  # type: ignore[misc]
    """Who runs the site. Being listed here is all it takes to enter the admin."""

    model = Operatorship
    autocomplete_fields = ("user",)
    readonly_fields = ("colleague",)
    verbose_name_plural = "operators"
    hide_title = True
    extra = 0

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Operators see their colleagues; only managers change who they are."""
        return True

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        """Name colleagues without a link that only a manager could follow."""
        return ("user",) if is_manager(request) else ("colleague",)

    @display(description="Operator")
    def colleague(self, operatorship: Operatorship) -> str:
        """Name the person."""
        return f"{operatorship.user} ({operatorship.user.email})"


class OperatorRuleInline(ForManagers, TabularInline):  # type: ignore[misc]
    """Which groups of which identity providers run the site."""

    model = OperatorRule
    fields = ("provider", "group", "role_there")
    extra = 0


@admin.register(Site)
class SiteAdmin(OperatedAdmin):
    """Sites. Managers found and remove them, their operators keep them."""

    form = SiteForm
    to_site = "pk"
    operators_may = READ | {"change"}
    managers_may = WRITE
    list_display: ClassVar = ["name", "heard", "last_heard_at", "approval", "devices", "contact_email"]
    list_filter: ClassVar = ["approval"]
    search_fields: ClassVar = ["name", "slug"]
    autocomplete_fields: ClassVar = ["organisation"]
    inlines: ClassVar = [OperatorshipInline, OperatorRuleInline]
    fieldsets = (
        (None, {"fields": ("name", "slug", "organisation", "contact_email")}),
        ("Link to the site", {"fields": ("heard", "last_heard_at", "queue", "public_key", "hub_public_key")}),
        ("Place", {"fields": ("time_zone", "latitude", "longitude")}),
        (
            "Policy",
            {
                "fields": ("policy",),
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the sites with how many devices each has."""
        found = super().get_queryset(request).select_related("organisation")
        return cast("QuerySet[Any]", found.annotate(devices=Count("resources")))

    def get_readonly_fields(self, request: HttpRequest, obj: Site | None = None) -> tuple[str, ...]:
        """Keep what must not change: the slug names the site's queue, its orders and its journal."""
        always = ("heard", "last_heard_at", "queue", "hub_public_key", "policy")
        if obj is None:
            return always
        return (*always, "slug") if is_manager(request) else (*always, "slug", "owner")

    def get_fieldsets(self, request: HttpRequest, obj: Site | None = None) -> Any:
        """Leave out of the form for a new site what only one that is there has."""
        if obj is not None and is_manager(request):
            return self.fieldsets
        if obj is not None:
            named = (None, {"fields": ("name", "slug", "owner", "contact_email")})
            return (named, *self.fieldsets[1:])
        link = ("Link to the site", {"fields": ("public_key", "hub_public_key")})
        return (self.fieldsets[0], link, self.fieldsets[2])

    @display(description=gettext_lazy("What it allows"))
    def policy(self, site: Site) -> SafeString:
        """Say what the site allows, and link to where that is changed."""
        rows = [(POLICY_TITLES[name], say_value(site, name, getattr(site, name))) for name in POLICY_FIELDS]
        lines = format_html_join("", "<li>{}: {}</li>", rows)
        page = reverse("admin:policy_of_site", args=[site.slug])
        return format_html(
            '<ul>{}</ul><a class="link" href="{}">{}</a>',
            lines,
            page,
            _("Change it, and see first what that does"),
        )

    @display(description="Heard", label=HEARD)
    def heard(self, site: Site) -> str:
        """Say whether the site was heard of late."""
        if site.last_heard_at is None:
            return "never heard"
        return "reachable" if site.is_reachable(timezone.now()) else "silent"

    @display(description="Devices", ordering="devices")
    def devices(self, site: Site) -> int:
        """Say how many devices and parts the site has."""
        return cast(int, cast(Any, site).devices)

    @display(description="Organisation")
    def owner(self, site: Site) -> str:
        """Name the institution without a link that only a manager could follow."""
        return site.organisation.name

    @display(description="The hub's public key")
    def hub_public_key(self, site: Site) -> SafeString | str:
        """Show what the site's worker must be given, to know the hub's orders."""
        if not settings.SHARY_HUB_KEY:
            return "–"
        return format_html('<code class="key">{}</code>', public_text(private_key(settings.SHARY_HUB_KEY)))
