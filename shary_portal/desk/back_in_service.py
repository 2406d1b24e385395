"""Letting a device be lent again after an operator has looked at it."""

from collections.abc import Callable
from typing import Any, cast
from uuid import UUID

from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from accounts.models import User
from reservations.admin.verbs import Verb
from reservations.errors import Refusal
from reservations.services.quarantine import put_back_in_service
from resources.models import Resource
from resources.operated import operated_sites

VERB = Verb(
    name="back_in_service",
    title="Back in service",
    done="back in service; it can be booked again",
    explains="You have looked at the device, and it can be lent again: it, what contains it and what it is cut"
    " into. The same error puts it here again only if it was gone in between, or says something new.",
    asks="What you looked at and what you did",
    needs_reason=True,
    run=lambda resource, actor, reason, now: put_back_in_service(
        resource_id=resource.pk, actor=actor, reason=reason, now=now
    ),
    fits=lambda resource: resource.quarantined_at is not None,
)


def back_in_service_urls(wrap: Callable[..., Any]) -> list[URLPattern]:
    """Return the page, behind the door of the desk."""
    return [path("devices/<uuid:resource_id>/back-in-service/", wrap(page), name="back_in_service")]


@require_http_methods(["GET", "POST"])
def page(request: HttpRequest, resource_id: UUID) -> HttpResponse:
    """Ask what was done, then let the device be booked."""
    resource = (
        Resource.objects.select_related("site").filter(pk=resource_id, site__in=operated_sites(request)).first()
    )
    if resource is None:
        raise Http404("There is no such device, or it belongs to another site.")
    reason = request.POST.get("reason", "").strip()
    confirmed = request.method == "POST" and "confirmed" in request.POST
    if confirmed and reason:
        try:
            VERB.run(resource, cast(User, request.user), reason, timezone.now())
        except Refusal as refusal:
            messages.error(request, refusal.message)
        else:
            messages.success(request, f"{resource}: {VERB.done}.")
        return redirect("admin:resources_resource_change", resource.pk)
    said = f": {resource.quarantine_reason}" if resource.quarantine_reason else ""
    context = {
        **admin.site.each_context(request),
        "title": VERB.title,
        "verb": VERB,
        "rows": [f"{resource}{said}"],
        "back": reverse("admin:resources_resource_change", args=[resource.pk]),
        "reason": reason,
        "lacks_reason": confirmed,
    }
    return TemplateResponse(request, "admin/verb.html", context)
