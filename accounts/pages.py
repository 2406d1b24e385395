"""The page of one's keys and tokens."""

from datetime import datetime
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET

from accounts.models import User


def config_for(user: User, *, now: datetime) -> dict[str, Any]:
    """Return what the scripts of a page have to know about the person."""
    return {
        "time_zone": user.time_zone,
        "user": {"username": user.username, "name": str(user)},
        "projects": [{"slug": each.slug, "name": each.name} for each in user.projects.all()],
        "has_ssh_key": user.ssh_keys.exists(),
        "now": now,
    }


@require_GET
@login_required
@ensure_csrf_cookie
def keys(request: HttpRequest) -> HttpResponse:
    """Public keys and tokens; the page reads and writes them by the API."""
    return render(request, "accounts/keys.html", {})
