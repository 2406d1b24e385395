"""The page of one's calendar feeds."""

from typing import cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET

from accounts.models import User
from accounts.pages import config_for
from resources.models import Resource

MOST_DEVICES = 500


@require_GET
@login_required
@ensure_csrf_cookie
def feeds(request: HttpRequest) -> HttpResponse:
    """Calendar feeds; the page reads and writes them by the API."""
    config = config_for(cast(User, request.user), now=timezone.now())
    config["devices"] = [
        {"id": str(device.pk), "name": str(device)}
        for device in Resource.objects.select_related("site").order_by("site__name", "name")[:MOST_DEVICES]
    ]
    return render(request, "interop/feeds.html", {"config_json": config})
