"""Feeds of reservations at the desk: made and revoked by the site's own operators."""

import ipaddress
from typing import Any, ClassVar, cast

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldBooleanSwitchWidget

from accounts.models import User
from interop.feeds import issue_feed, revoke_feed
from interop.models import ReservationFeed
from reservations.admin.verbs import Verb, VerbsAdmin
from resources.operated import READ, SiteFilter

REVOKE = Verb(
    name="revoke",
    title="Revoke",
    done="revoked",
    explains="From now on it gets no answer. On a switch this opens and closes nothing by itself: who is let in "
    "stays, until the site's own worker closes.",
    run=lambda feed, actor, _, now: revoke_feed(feed=feed, actor=actor, now=now),
    fits=lambda feed: feed.revoked_at is None,
    is_grave=True,
)


class FeedForm(forms.ModelForm):  # type: ignore[type-arg]
    """A new feed, guarded by a secret, by networks, or by both."""

    with_secret = forms.BooleanField(
        label="With a secret",
        required=False,
        initial=True,
        widget=UnfoldBooleanSwitchWidget,
        help_text="It stands in the address that you configure, and is shown once. Without it, only the "
        "networks below guard the feed.",
    )
    networks = forms.CharField(
        label="Networks",
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3, "spellcheck": "false"}),
        help_text="From where it may ask, one a line, such as 192.0.2.10 or 2001:db8::/64. Empty: from anywhere.",
    )

    class Meta:
        model = ReservationFeed
        fields: ClassVar = ["site", "name"]

    def clean_networks(self) -> list[str]:
        """Return the networks as they are usually written."""
        found = []
        for line in self.cleaned_data["networks"].replace(",", "\n").split():
            try:
                network = ipaddress.ip_network(line, strict=False)
            except ValueError as error:
                raise forms.ValidationError(
                    f"“{line}” is no network. Write an address, or an address with the length of its network: "
                    "192.0.2.0/28."
                ) from error
            if network.prefixlen == 0:
                raise forms.ValidationError(f"“{line}” is everybody. Leave the field empty and use a secret.")
            found.append(str(network))
        return found

    def clean(self) -> dict[str, Any]:
        """Refuse a feed that nothing guards."""
        found = super().clean() or self.cleaned_data
        if not self.errors and not found["with_secret"] and not found["networks"]:
            self.add_error("networks", "Without a secret, say from which networks it may be asked.")
        return found


@admin.register(ReservationFeed)
class ReservationFeedAdmin(VerbsAdmin):
    """Ways in for tools of the site that ask who has its switches."""

    to_site = "site"
    operators_may = READ | {"add"}
    managers_may = READ | {"add"}
    verbs = (REVOKE,)
    list_display: ClassVar = ["name", "site", "guard", "state", "last_used_at", "last_used_from"]
    list_filter: ClassVar = [SiteFilter]
    list_select_related: ClassVar = ["site"]
    search_fields: ClassVar = ["name"]
    fields: ClassVar = [
        "name",
        "site",
        "guard",
        "state",
        "address",
        "last_used_at",
        "last_used_from",
        "created_by_name",
        "created_at",
        "revoked_at",
    ]
    readonly_fields: ClassVar = fields

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Ask for little; show what there is to know."""
        return ["site", "name", "with_secret", "networks"] if obj is None else self.fields

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Nothing of a feed is changed: it is revoked, and another one made."""
        return [] if obj is None else self.readonly_fields

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Return the form for a new feed."""
        return super().get_form(request, obj, change=change, **kwargs | ({} if obj else {"form": FeedForm}))

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Make the feed by its service, and keep the secret for this one answer."""
        feed, secret = issue_feed(
            site=obj.site,
            name=obj.name,
            networks=form.cleaned_data["networks"],
            with_secret=form.cleaned_data["with_secret"],
            actor=cast(User, request.user),
        )
        # The admin goes on with the row that the form began.
        obj.__dict__.update(feed.__dict__)
        obj.new_secret = secret

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Show the address once, without a redirect: it goes through no cookie and no session."""
        address = request.build_absolute_uri(_dashboard(obj, obj.new_secret))
        context = {
            **self.admin_site.each_context(request),
            "title": obj.name,
            "opts": self.opts,
            "feed": obj,
            "address": address,
            "back": reverse("admin:interop_reservationfeed_change", args=[obj.pk]),
        }
        response = TemplateResponse(request, "admin/reservation_feed.html", context)
        response["Cache-Control"] = "no-store"
        response["Referrer-Policy"] = "no-referrer"
        return response

    @display(description="Guarded by")
    def guard(self, feed: ReservationFeed) -> str:
        """Say what guards it."""
        secret = [f"a secret that begins with {feed.prefix}"] if feed.has_secret else []
        return "; ".join([*secret, *feed.networks])

    @display(description="State", label={"in use": "success", "never used": "warning", "revoked": "danger"})
    def state(self, feed: ReservationFeed) -> str:
        """Say whether it works and was used."""
        if feed.revoked_at is not None:
            return "revoked"
        return "in use" if feed.last_used_at else "never used"

    @display(description="Address (dashboard_url)")
    def address(self, feed: ReservationFeed) -> str:
        """Return what the site's tool is configured with, without the secret."""
        return _dashboard(feed, f"{feed.prefix}…")

    @display(description="Made by")
    def created_by_name(self, feed: ReservationFeed) -> str:
        """Name who made it."""
        return str(feed.created_by) if feed.created_by else "–"


def _dashboard(feed: ReservationFeed, secret: str) -> str:
    return f"/sup4rnet/{secret}" if feed.has_secret else f"/sup4rnet/at/{feed.site.slug}"
