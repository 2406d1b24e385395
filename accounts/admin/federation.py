"""Identity providers at the desk: joined, mapped, tried out and switched off, without a restart."""

from typing import Any, ClassVar

from allauth.socialaccount.models import SocialAccount
from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget

from accounts.admin.rules import ForManagers, may_read
from accounts.federation.entitlements import Malformed, path_of
from accounts.federation.fetching import address_problem
from accounts.federation.preview import CannotPreview, attributes_of, last_seen, preview, read_pasted
from accounts.federation.saml.metadata import BadMetadata, read_descriptor, refresh_metadata
from accounts.models import HomeScope, IdentityProvider, MappingRule

OIDC, SAML = IdentityProvider.Protocol.OIDC, IdentityProvider.Protocol.SAML
LASTING = ("slug", "protocol", "issuer")
"""What an identity is made of: it stays as soon as anybody has one."""


class ProviderForm(forms.ModelForm):  # type: ignore[type-arg]
    """A provider’s record. The secret is written, and never shown."""

    secret = forms.CharField(
        label=gettext_lazy("Client secret"),
        required=False,
        strip=True,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text=gettext_lazy("OpenID Connect: kept encrypted, and never shown. Empty: as it was."),
    )

    metadata_url = forms.URLField(
        label=gettext_lazy("Metadata address"),
        required=False,
        max_length=500,
        assume_scheme="https",
        widget=UnfoldAdminTextInputWidget,
        help_text=gettext_lazy("SAML: read when this is saved, and every hour. Or paste the metadata below."),
    )

    class Meta:
        model = IdentityProvider
        exclude: ClassVar = ["client_secret"]

    def clean(self) -> dict[str, Any]:
        """Refuse what could not work, while somebody is there to mend it."""
        found = super().clean() or self.cleaned_data
        if self.errors:
            return found
        self._keep_identity()
        if found.get("protocol", self.instance.protocol) == OIDC:
            self._clean_oidc(found)
        else:
            self._clean_saml(found)
        return found

    def _keep_identity(self) -> None:
        if self.instance.pk is None or not set(self.changed_data) & set(LASTING):
            return
        slug = self.initial.get("slug", self.instance.slug)
        if SocialAccount.objects.filter(provider=slug).exists():
            for name in set(self.changed_data) & set(LASTING):
                self.add_error(
                    name, _("People have signed in with it; it is part of who they are. Join a new provider.")
                )

    def _clean_oidc(self, found: dict[str, Any]) -> None:
        if problem := address_problem(found.get("issuer", self.instance.issuer)):
            self.add_error("issuer" if "issuer" in self.fields else None, problem)
        if not found.get("client_id"):
            self.add_error("client_id", _("OpenID Connect needs the client ID that the provider gave us."))
        if not found.get("secret") and not self.instance.client_secret:
            self.add_error("secret", _("OpenID Connect needs the secret that belongs to the client ID."))

    def _clean_saml(self, found: dict[str, Any]) -> None:
        record = IdentityProvider(
            issuer=found.get("issuer", self.instance.issuer),
            metadata_url=found.get("metadata_url", ""),
            metadata_certificate=found.get("metadata_certificate", ""),
        )
        now = timezone.now()
        try:
            if record.metadata_url and (not found.get("metadata") or "metadata_url" in self.changed_data):
                refresh_metadata(record, now=now)
                found["metadata"], self.instance.metadata_read_at = record.metadata, now
            elif found.get("metadata"):
                found["metadata"] = read_descriptor(
                    found["metadata"],
                    entity_id=record.issuer,
                    # What we keep is one part of a signed whole, and no longer signed itself.
                    certificate=record.metadata_certificate if "metadata" in self.changed_data else "",
                    now=now,
                ).xml
            else:
                self.add_error("metadata", _("SAML needs metadata: paste it, or name its address."))
        except BadMetadata as error:
            self.add_error("metadata_url" if record.metadata_url else "metadata", str(error))

    def save(self, commit: bool = True) -> Any:
        """Keep the secret, where a new one was written."""
        if self.cleaned_data.get("secret"):
            self.instance.client_secret = self.cleaned_data["secret"]
        return super().save(commit)


class RuleForm(forms.ModelForm):  # type: ignore[type-arg]
    """A rule that can match something."""

    class Meta:
        model = MappingRule
        fields: ClassVar = ["kind", "value", "role_there", "project", "role"]

    def clean_value(self) -> str:
        """Refuse a group that no entitlement can name."""
        value: str = self.cleaned_data["value"].strip()
        try:
            components = path_of(value)
        except Malformed as error:
            raise forms.ValidationError(_("This is no group: %(why)s.") % {"why": error}) from error
        if not all(components):
            raise forms.ValidationError(_("A part of the name is empty; write it like network:p4."))
        return value


class HomeScopeInline(ForManagers, TabularInline):  # type: ignore[misc]
    """Which home organisations it may name."""

    model = HomeScope
    autocomplete_fields = ("organisation",)
    extra = 0


class MappingRuleInline(ForManagers, TabularInline):  # type: ignore[misc]
    """What groups and affiliations give."""

    model = MappingRule
    form = RuleForm
    autocomplete_fields = ("project",)
    extra = 0


@admin.register(IdentityProvider)
class IdentityProviderAdmin(ForManagers, ModelAdmin):  # type: ignore[misc]
    """Who vouches for people. One that people came from is switched off, never deleted."""

    form = ProviderForm
    list_display = ("name", "protocol", "organisation", "is_enabled", "people")
    list_filter = ("is_enabled", "protocol")
    list_select_related = ("organisation",)
    search_fields = ("name", "slug", "issuer")
    autocomplete_fields = ("organisation",)
    prepopulated_fields = {"slug": ("name",)}
    readonly_fields = ("registered_as", "metadata_read_at", "try_out")
    inlines = (HomeScopeInline, MappingRuleInline)
    actions = ("switch_off", "switch_on")
    fieldsets = (
        (None, {"fields": ("name", "slug", "protocol", "issuer", "organisation", "registered_as", "try_out")}),
        (gettext_lazy("Switch"), {"fields": ("is_enabled", "disabled_because")}),
        ("OpenID Connect", {"fields": ("client_id", "secret")}),
        (
            "SAML",
            {"fields": ("metadata_url", "metadata_certificate", "metadata", "metadata_read_at")},
        ),
        (
            gettext_lazy("What its word is worth"),
            {"fields": ("entitlement_namespaces", "entitlement_authorities", "memberships_last_days")},
        ),
    )

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        """Suggest a short name for a new provider."""
        return {} if obj is not None or not self.has_add_permission(request) else self.prepopulated_fields

    def get_urls(self) -> list[URLPattern]:
        """Add the page that tries the rules out."""
        page = self.admin_site.admin_view(self.preview_page)
        return [
            path("<int:pk>/preview/", page, name="accounts_identityprovider_preview"),
            *super().get_urls(),
        ]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Keep the record as long as there is somebody it made: a new one of its name would be them."""
        if obj is not None and SocialAccount.objects.filter(provider=obj.slug).exists():
            return False
        return super().has_delete_permission(request, obj)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Offer no deleting of many: each has to be looked at."""
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    @display(description=gettext_lazy("people"))
    def people(self, record: IdentityProvider) -> int:
        """Return how many have signed in with it."""
        return int(SocialAccount.objects.filter(provider=record.slug).count())

    @display(description=gettext_lazy("register us there as"))
    def registered_as(self, record: IdentityProvider) -> str:
        """Say what the provider has to know of us."""
        if not record.pk:
            return _("Shown once this is saved.")
        if record.protocol == SAML:
            return reverse("saml_metadata")
        return reverse("openid_connect_callback", args=[record.slug])

    @display(description=gettext_lazy("try it out"))
    def try_out(self, record: IdentityProvider) -> str:
        """Lead to the preview."""
        if not record.pk:
            return _("Shown once this is saved.")
        return format_html(
            '<a class="link" href="{}">{}</a>',
            reverse("admin:accounts_identityprovider_preview", args=[record.pk]),
            _("What a sign-in would give"),
        )

    @admin.action(description=gettext_lazy("Switch off: sessions stop at once, leases are ended"))
    def switch_off(self, request: HttpRequest, queryset: QuerySet[IdentityProvider]) -> None:
        """Let nobody from there in any more."""
        self._switch(request, queryset, on=False)

    @admin.action(description=gettext_lazy("Switch on"))
    def switch_on(self, request: HttpRequest, queryset: QuerySet[IdentityProvider]) -> None:
        """Let people from there in again."""
        self._switch(request, queryset, on=True)

    def _switch(self, request: HttpRequest, queryset: QuerySet[IdentityProvider], *, on: bool) -> None:
        for record in queryset:
            if record.is_enabled == on:
                continue
            record.is_enabled = on
            record.save(update_fields=["is_enabled"])
            self.log_change(request, record, "Switched on" if on else "Switched off")
            self.message_user(
                request,
                (_("%(provider)s is switched on.") if on else _("%(provider)s is switched off."))
                % {"provider": record},
            )

    def preview_page(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show what the rules make of attributes: pasted ones, or those that were last seen."""
        if not may_read(request):
            raise Http404
        record = IdentityProvider.objects.select_related("organisation").filter(pk=pk).first()
        if record is None:
            raise Http404
        seen = last_seen(record)
        pasted, chosen = request.POST.get("pasted", ""), request.POST.get("seen", "")
        found, problem = None, ""
        if request.method == "POST":
            account = next((each for each in seen if str(each.pk) == chosen), None)
            try:
                attributes = attributes_of(account) if account is not None else read_pasted(pasted)
                found = preview(record, attributes, account=account)
            except CannotPreview as error:
                problem = str(error)
        context = self.admin_site.each_context(request) | {
            "title": _("What a sign-in with %(provider)s would give") % {"provider": record},
            "record": record,
            "seen": seen,
            "pasted": pasted,
            "chosen": chosen,
            "found": found,
            "problem": problem,
        }
        return render(request, "admin/federation/preview.html", context)
