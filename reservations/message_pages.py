"""The page of one's messages, and the door by which a letter itself stops its kind."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt, ensure_csrf_cookie
from django.views.decorators.http import require_GET, require_http_methods

from accounts.models import User
from reservations.messages.letters import title_of, who_stops
from reservations.services.messages import choose_messages


@require_GET
@login_required
@ensure_csrf_cookie
def notifications(request: HttpRequest) -> HttpResponse:
    """Which messages one gets; the page reads and writes by the API."""
    return render(request, "messages/notifications.html", {})


@csrf_exempt
@require_http_methods(["GET", "POST"])
def stop(request: HttpRequest, signed: str) -> HttpResponse:
    """Stop a kind of message for whoever got the letter; mail programs post here by themselves.

    Looking changes nothing: programs that check links for dangers look at all of them.
    """
    found = who_stops(signed)
    user = None if found is None else User.objects.filter(pk=found[0], is_active=True).first()
    if found is None or user is None:
        return _quiet(render(request, "messages/stop.html", {"unknown": True}, status=404))
    if request.method == "POST":
        choose_messages(user=user, wanted={found[1]: False})
    return _quiet(
        render(
            request,
            "messages/stop.html",
            {"title": title_of(found[1]), "stopped": request.method == "POST"},
        )
    )


def _quiet(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex"
    return response
