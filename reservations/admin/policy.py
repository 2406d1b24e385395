"""A site's policy: what a change would have refused last month is shown before it counts."""

from copy import copy
from typing import Any, ClassVar, cast
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from accounts.models import User
from reservations.selectors.policy_preview import MOST_BOOKINGS, Preview, preview_policy
from resources.models import Site
from resources.operated import may_act, operated_sites
from resources.services.policy import POLICY_FIELDS, POLICY_TITLES, change_policy, changed_values

MOST_SHOWN = 50


class PolicyForm(forms.ModelForm):  # type: ignore[type-arg]
    """What a site allows; lengths in days and hours, as people say them."""

    class Meta:
        model = Site
        fields: ClassVar = list(POLICY_FIELDS)
        labels: ClassVar = POLICY_TITLES
        help_texts: ClassVar = {
            "longest_lease": gettext_lazy(
                "“2 00:00:00” is two days, “12:00:00” twelve hours. Empty: no limit."
            ),
            "look_ahead": gettext_lazy(
                "How far ahead a lease may start; “30 00:00:00” is 30 days. Empty: no limit."
            ),
            "most_open_reservations": gettext_lazy("How many at once. Empty: no limit."),
            "most_hours": gettext_lazy("Hours, times devices, booked and not yet used up. Empty: no limit."),
            "start_grace": gettext_lazy(
                "How long after its start a lease may still become ready before it is given up; “00:10:00” is"
                " ten minutes."
            ),
        }


def policy_urls(wrap: Any) -> list[URLPattern]:
    """Return the page, behind the door of the desk."""
    return [
        path("policy/", wrap(choose_site), name="policy"),
        path("policy/<slug:slug>/", wrap(page), name="policy_of_site"),
    ]


def choose_site(request: HttpRequest) -> HttpResponse:
    """Go to the person's first site."""
    site = operated_sites(request).first()
    if site is None:
        raise Http404(_("There is no site yet; a federation manager adds one under “Sites”."))
    return redirect("admin:policy_of_site", site.slug)


@require_http_methods(["GET", "POST"])
def page(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the policy and what it was; show what a change would have meant; write it."""
    site = operated_sites(request).filter(slug=slug).first()
    if site is None:
        raise Http404(_("There is no such site, or it is not yours."))
    now = timezone.now()
    preview: Preview | None = None
    changes: dict[str, list[str]] = {}
    form = PolicyForm(request.POST or None, instance=copy(site))
    if request.method == "POST" and form.is_valid():
        values = {name: form.cleaned_data[name] for name in POLICY_FIELDS}
        changes = changed_values(site, values)
        preview = preview_policy(site, form.instance, now=now)
        if request.POST.get("do") == "save":
            change = change_policy(
                site=site,
                values=values,
                actor=cast(User, request.user),
                now=now,
                reason=request.POST.get("why", ""),
                foreseen=preview.said,
            )
            if change is None:
                messages.info(request, _("Nothing to change: the policy was so before."))
            else:
                messages.success(request, _("The policy is changed. What is booked already stays as it is."))
            return redirect("admin:policy_of_site", site.slug)
    titles = POLICY_TITLES
    context = {
        **admin.site.each_context(request),
        "may_act": may_act(request),
        "title": _("Policy of %(site)s") % {"site": site},
        "site": site,
        "sites": operated_sites(request).exclude(pk=site.pk),
        "form": form,
        "changes": [(titles[name], was, will) for name, (was, will) in changes.items()],
        "preview": preview,
        "most_bookings": MOST_BOOKINGS,
        "why": request.POST.get("why", ""),
        "history": [
            (change, [(titles.get(name, name), *pair) for name, pair in change.changes.items()])
            for change in site.policy_changes.select_related("by")[:MOST_SHOWN]
        ],
        "back": reverse("admin:resources_site_change", args=[site.pk]),
    }
    with timezone.override(ZoneInfo(site.time_zone)):
        return TemplateResponse(request, "admin/policy.html", context).render()
