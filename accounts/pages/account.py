"""The pages about oneself: what is shown of one, keys and tokens, and how one signs in."""

from typing import Any, ClassVar, cast
from zoneinfo import available_timezones

from allauth.mfa.models import Authenticator
from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, override
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.api.tokens import DEFAULT_SCOPES
from accounts.confirming import confirm_at, confirmed_recently
from accounts.models import User
from accounts.scopes import MEANS, Scope
from accounts.sessions import sessions_of, sign_out, sign_out_elsewhere

WORKING_ZONES = sorted(
    zone for zone in available_timezones() if "/" in zone and not zone.startswith(("Etc/", "SystemV/"))
)


class ProfileForm(forms.ModelForm):  # type: ignore[type-arg]
    """What others see of one, and how one reads the portal."""

    time_zone = forms.ChoiceField(
        label=gettext_lazy("Time zone"),
        required=False,
        choices=[
            ("", gettext_lazy("As the browser says")),
            ("UTC", "UTC"),
            *((zone, zone) for zone in WORKING_ZONES),
        ],
    )
    language = forms.ChoiceField(
        label=gettext_lazy("Language"),
        required=False,
        choices=[("", gettext_lazy("As the browser says")), *settings.LANGUAGES],
    )

    class Meta:
        model = User
        fields: ClassVar = ["first_name", "last_name", "language", "time_zone"]
        labels: ClassVar = {"first_name": gettext_lazy("First name"), "last_name": gettext_lazy("Last name")}


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def profile(request: HttpRequest) -> HttpResponse:
    """One's name, language and time zone."""
    form = ProfileForm(request.POST or None, instance=User.objects.get(pk=cast(User, request.user).pk))
    if request.method != "POST" or not form.is_valid():
        return render(request, "accounts/profile.html", {"form": form})
    user = form.save()
    with override(user.language or settings.LANGUAGE_CODE):
        messages.success(request, _("Your account is changed."))
    answer = redirect("profile")
    if user.language:
        answer.set_cookie(
            settings.LANGUAGE_COOKIE_NAME,
            user.language,
            max_age=settings.LANGUAGE_COOKIE_AGE,
            samesite="Lax",
            secure=settings.SESSION_COOKIE_SECURE,
        )
    else:
        answer.delete_cookie(settings.LANGUAGE_COOKIE_NAME)
    return answer


@require_GET
@login_required
@ensure_csrf_cookie
def keys(request: HttpRequest) -> HttpResponse:
    """Public keys and tokens; the page reads and writes them by the API."""
    context = {
        "scopes": [(scope.value, MEANS[scope], scope in DEFAULT_SCOPES) for scope in Scope],
        "confirm_at": None if confirmed_recently(request) else confirm_at(request.path),
    }
    return render(request, "accounts/keys.html", context)


@require_GET
@login_required
def security(request: HttpRequest) -> HttpResponse:
    """How one signs in: second factor, passkeys, and where one is signed in now."""
    user = cast(User, request.user)
    found: dict[str, list[Authenticator]] = {}
    for authenticator in Authenticator.objects.filter(user=user).order_by("created_at"):
        found.setdefault(authenticator.type, []).append(authenticator)
    codes = found.get(Authenticator.Type.RECOVERY_CODES)
    context: dict[str, Any] = {
        "needed": user.may_enter_desk and settings.SHARY_REQUIRE_SECOND_FACTOR,
        "rights_rest": user.may_enter_desk and not user.rights_count,
        "app": next(iter(found.get(Authenticator.Type.TOTP, [])), None),
        "passkeys": found.get(Authenticator.Type.WEBAUTHN, []),
        "codes_left": len(codes[0].wrap().get_unused_codes()) if codes else None,
        "sessions": sessions_of(user),
        "session_key": request.session.session_key,
        "has_password": user.has_usable_password(),
    }
    return render(request, "accounts/security.html", context)


@require_POST
@login_required
def end_sessions(request: HttpRequest) -> HttpResponse:
    """Sign out of one other browser, or of all."""
    user = cast(User, request.user)
    chosen = request.POST.get("session", "")
    if chosen.isdecimal() and len(chosen) < 19:
        ended = int(sign_out(user=user, session_id=int(chosen)))
    else:
        ended = sign_out_elsewhere(user=user, but=request.session.session_key)
    words = ngettext("Signed out of %(count)d browser.", "Signed out of %(count)d browsers.", ended)
    messages.success(request, words % {"count": ended} if ended else _("You were signed in nowhere else."))
    return redirect("security")
