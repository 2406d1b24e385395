"""Planning maintenance: what it would displace is shown before it does, and it is taken back until it begins."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID
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
from django.views.decorators.http import require_http_methods, require_POST

from accounts.models import User
from reservations.errors import Invalid, Refusal
from reservations.models import MaintenancePlan
from reservations.selectors.displaced import Outlook, outlook
from reservations.services.displacement import (
    call_off,
    confirm_plan,
    needs_second_person,
    outlook_of,
    plan_displacing,
)
from resources.models import Resource, Site
from resources.operated import may_act, operated_sites

WIDTH = timedelta(hours=4)
WHOLE_SITE = "site"
BY_KIND = "kind:"


@dataclass(frozen=True, slots=True)
class Line:
    """A device as the form offers it."""

    resource: Resource
    depth: int
    is_chosen: bool


class PlanForm(forms.Form):
    """Which devices, when by the site's clock, and why."""

    what = forms.CharField(required=False)
    starts_at = forms.DateTimeField(
        label=gettext_lazy("From"),
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"],
        error_messages={"required": gettext_lazy("Say when it begins.")},
    )
    ends_at = forms.DateTimeField(
        label=gettext_lazy("Until"),
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"],
        error_messages={"required": gettext_lazy("Say when it ends.")},
    )
    reason = forms.CharField(
        label=gettext_lazy("What is done"),
        max_length=200,
        error_messages={"required": gettext_lazy("Say in a few words what is done; holders read it.")},
    )
    ends_running = forms.BooleanField(required=False)

    def __init__(self, *args: Any, zone: ZoneInfo, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.zone = zone

    def clean_starts_at(self) -> datetime:
        """Read it by the site's clock."""
        return self._at_site("starts_at")

    def clean_ends_at(self) -> datetime:
        """Read it by the site's clock."""
        return self._at_site("ends_at")

    def _at_site(self, name: str) -> datetime:
        there = self.cleaned_data[name].replace(tzinfo=self.zone)
        moment: datetime = there.astimezone(UTC)
        if moment.astimezone(self.zone).replace(tzinfo=None) != there.replace(tzinfo=None):
            raise forms.ValidationError(
                _("The clocks of %(zone)s skip this hour that night; choose another.") % {"zone": self.zone.key}
            )
        return moment


def plan_urls(wrap: Any) -> list[URLPattern]:
    """Return the pages, behind the door of the desk."""
    return [
        path("maintenance/plan/", wrap(choose_site), name="plan_maintenance"),
        path("maintenance/plan/<slug:slug>/", wrap(plan_page), name="plan_maintenance_at"),
        path("maintenance/plans/<uuid:plan_id>/", wrap(shown_plan), name="maintenance_plan"),
        path("maintenance/plans/<uuid:plan_id>/confirm/", wrap(confirm), name="confirm_maintenance_plan"),
        path("maintenance/plans/<uuid:plan_id>/call-off/", wrap(take_back), name="call_off_maintenance_plan"),
    ]


def choose_site(request: HttpRequest) -> HttpResponse:
    """Go to the site of the device that was asked about, or to the person's first."""
    sites = operated_sites(request)
    wanted = request.GET.get("resource", "")
    site = sites.filter(resources__pk=wanted).first() if _is_key(wanted) else None
    site = site or sites.first()
    if site is None:
        raise Http404(_("There is no site yet; a federation manager adds one under “Sites”."))
    page = reverse("admin:plan_maintenance_at", args=[site.slug])
    return redirect(f"{page}?{request.GET.urlencode()}" if request.GET else page)


@require_http_methods(["GET", "POST"])
def plan_page(request: HttpRequest, slug: str) -> HttpResponse:
    """Ask what and when; show whom it displaces; do it when that is confirmed."""
    site = _site(request, slug)
    zone, now, actor = ZoneInfo(site.time_zone), timezone.now(), cast(User, request.user)
    form = PlanForm(request.POST or None, zone=zone, initial=_initial(now, zone))
    devices = list(site.resources.select_related("site").order_by("name"))
    chosen = _chosen(request, devices)
    seen: Outlook | None = None
    problem = ""
    if request.method == "POST" and form.is_valid():
        wanted = dict(form.cleaned_data)
        choices = _choices(request.POST)
        try:
            if request.POST.get("do") == "carry out":
                plan = plan_displacing(
                    site=site,
                    resource_ids=[resource.pk for resource in chosen],
                    starts_at=wanted["starts_at"],
                    ends_at=wanted["ends_at"],
                    reason=wanted["reason"],
                    ends_running=wanted["ends_running"],
                    choices=choices,
                    actor=actor,
                    now=now,
                )
                _say_planned(request, plan)
                return redirect("admin:maintenance_plan", plan.pk)
        except Invalid as refusal:
            for name, words in refusal.errors.items():
                form.add_error(name if name in form.fields else None, words)
        except Refusal as refusal:
            problem = refusal.message
        if not chosen:
            form.add_error(None, _("Choose at least one device, a kind of device, or the whole site."))
        elif wanted["ends_at"] <= max(wanted["starts_at"], now) and not form.errors:
            form.add_error("ends_at", _("The end must come after the start, and after now."))
        if not form.errors:
            seen = outlook(
                chosen,
                starts_at=wanted["starts_at"],
                ends_at=wanted["ends_at"],
                ends_running=wanted["ends_running"],
                choices=choices,
                now=now,
            )
    context = {
        **admin.site.each_context(request),
        "may_act": may_act(request),
        "title": _("Plan maintenance at %(site)s") % {"site": site},
        "site": site,
        "sites": operated_sites(request).exclude(pk=site.pk),
        "form": form,
        "lines": _lines(devices, chosen),
        "kinds": sorted({resource.kind for resource in devices}),
        "what": request.POST.get("what", "devices"),
        "seen": seen,
        "problem": problem,
        "zone": site.time_zone,
        "needs_second": seen is not None and needs_second_person(seen, site, actor),
        "windows": reverse("admin:resources_maintenancewindow_changelist"),
    }
    with timezone.override(zone):
        return TemplateResponse(request, "admin/maintenance/plan.html", context).render()


def shown_plan(request: HttpRequest, plan_id: UUID) -> HttpResponse:
    """Show what a plan does or did, and offer to confirm it or to take it back."""
    plan = _plan(request, plan_id)
    now = timezone.now()
    waits = plan.state == MaintenancePlan.State.WAITING
    context = {
        **admin.site.each_context(request),
        "may_act": may_act(request),
        "title": str(plan),
        "plan": plan,
        "zone": plan.site.time_zone,
        "seen": outlook_of(plan, now=now) if waits and plan.ends_at > now else None,
        "done": plan.displacements.select_related(
            "lease__reservation__holder", "lease__reservation__project", "was_on__site", "went_to__site"
        ),
        "kept_free": plan.windows.select_related("resource__site").order_by("resource__name"),
        "is_mine": plan.planned_by_id == request.user.pk,
        "can_be_called_off": waits or (plan.state == MaintenancePlan.State.PLANNED and plan.starts_at > now),
    }
    with timezone.override(ZoneInfo(plan.site.time_zone)):
        return TemplateResponse(request, "admin/maintenance/shown.html", context).render()


@require_POST
def confirm(request: HttpRequest, plan_id: UUID) -> HttpResponse:
    """Do, as a second person, what somebody planned."""
    _plan(request, plan_id)
    try:
        plan = confirm_plan(plan_id=plan_id, actor=cast(User, request.user), now=timezone.now())
    except Refusal as refusal:
        messages.error(request, refusal.message)
    else:
        _say_planned(request, plan)
    return redirect("admin:maintenance_plan", plan_id)


@require_POST
def take_back(request: HttpRequest, plan_id: UUID) -> HttpResponse:
    """Call a plan off."""
    _plan(request, plan_id)
    try:
        call_off(plan_id=plan_id, actor=cast(User, request.user), now=timezone.now())
    except Refusal as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, _("Called off. The time can be booked again."))
    return redirect("admin:maintenance_plan", plan_id)


def _say_planned(request: HttpRequest, plan: MaintenancePlan) -> None:
    if plan.state == MaintenancePlan.State.WAITING:
        messages.warning(
            request,
            _(
                "Noted, and not done yet: it ends a running lease, so another operator of %(site)s, or a"
                " federation manager, has to confirm it."
            )
            % {"site": plan.site},
        )
    else:
        messages.success(
            request, _("Planned. Whom it displaces is told; until it begins, it can be called off.")
        )


def _site(request: HttpRequest, slug: str) -> Site:
    site = operated_sites(request).filter(slug=slug).first()
    if site is None:
        raise Http404(_("There is no such site, or it is not yours."))
    return site


def _plan(request: HttpRequest, plan_id: UUID) -> MaintenancePlan:
    plan = (
        MaintenancePlan.objects.select_related("site", "planned_by", "confirmed_by", "called_off_by")
        .filter(pk=plan_id, site__in=operated_sites(request))
        .first()
    )
    if plan is None:
        raise Http404(_("There is no such plan, or it belongs to another site."))
    return plan


def _initial(now: datetime, zone: ZoneInfo) -> dict[str, str]:
    starts_at = now.astimezone(zone).replace(minute=0, second=0, microsecond=0) + timedelta(days=1)
    return {
        "starts_at": f"{starts_at:%Y-%m-%dT%H:%M}",
        "ends_at": f"{starts_at + WIDTH:%Y-%m-%dT%H:%M}",
    }


def _chosen(request: HttpRequest, devices: list[Resource]) -> list[Resource]:
    what = request.POST.get("what", "")
    if what == WHOLE_SITE:
        return devices
    if what.startswith(BY_KIND):
        return [resource for resource in devices if resource.kind == what.removeprefix(BY_KIND)]
    keys = {*request.POST.getlist("device"), *request.GET.getlist("resource")}
    return [resource for resource in devices if str(resource.pk) in keys]


def _choices(posted: Mapping[str, str]) -> dict[str, str]:
    """Return where each displaced lease was said to go."""
    return {
        name.removeprefix("goes-"): value
        for name, value in posted.items()
        if name.startswith("goes-") and _is_key(name.removeprefix("goes-"))
    }


def _lines(devices: list[Resource], chosen: list[Resource]) -> list[Line]:
    """Return the devices with their parts below them."""
    parts: dict[UUID | None, list[Resource]] = {}
    for resource in devices:
        parts.setdefault(resource.parent_id, []).append(resource)
    keys = {resource.pk for resource in chosen}
    lines: list[Line] = []

    def add(whole: UUID | None, depth: int) -> None:
        for resource in parts.get(whole, ()):
            lines.append(Line(resource, depth, resource.pk in keys))
            add(resource.pk, depth + 1)

    add(None, 0)
    return lines


def _is_key(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
