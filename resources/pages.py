"""The page of one resource."""

from typing import cast
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET

from accounts.models import User
from accounts.pages import config_for
from resources.selectors import described_resources


@require_GET
@login_required
@ensure_csrf_cookie
def resource(request: HttpRequest, resource_id: UUID) -> HttpResponse:
    """What a device is, how it is, and the last proof that it was clean."""
    found = get_object_or_404(
        described_resources().select_related("site__organisation", "parent"), pk=resource_id
    )
    last_proof = found.proofs.order_by("-verified_at").first()
    config = config_for(cast(User, request.user), now=timezone.now())
    return render(
        request,
        "resources/resource.html",
        {"resource": found, "last_proof": last_proof, "config_json": config},
    )
