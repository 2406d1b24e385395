"""Where one is signed in, and signing out elsewhere."""

from importlib import import_module
from typing import Any, cast

from allauth.core.internal.httpkit import get_client_ip
from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import SignedIn, User


def note_sign_in(sender: Any, request: HttpRequest, user: User, **kwargs: Any) -> None:
    """Write down a session that began; its key may be known only now."""
    session = request.session
    if session.session_key is None:
        session.create()
    SignedIn.objects.update_or_create(
        session_key=session.session_key,
        defaults={
            "user": user,
            "began_at": timezone.now(),
            "address": get_client_ip(request) or None,
            "browser": request.META.get("HTTP_USER_AGENT", "")[:200],
        },
    )


def note_sign_out(sender: Any, request: HttpRequest, **kwargs: Any) -> None:
    """Forget a session that ended by itself."""
    key = request.session.session_key
    if key:
        SignedIn.objects.filter(session_key=key).delete()


def sessions_of(user: User) -> list[SignedIn]:
    """Return where the person is signed in now; what has expired is forgotten."""
    found: list[SignedIn] = []
    gone: list[SignedIn] = []
    for signed_in in SignedIn.objects.filter(user=user):
        (found if _store().exists(signed_in.session_key) else gone).append(signed_in)
    SignedIn.objects.filter(pk__in=[each.pk for each in gone]).delete()
    return found


def sign_out(*, user: User, session_id: int) -> bool:
    """End one of the person's sessions; return whether there was one."""
    signed_in = SignedIn.objects.filter(user=user, pk=session_id).first()
    if signed_in is None:
        return False
    _end(signed_in)
    return True


def sign_out_elsewhere(*, user: User, but: str | None) -> int:
    """End all of the person's sessions but one; return how many."""
    others = list(SignedIn.objects.filter(user=user).exclude(session_key=but or ""))
    for signed_in in others:
        _end(signed_in)
    return len(others)


def _end(signed_in: SignedIn) -> None:
    _store().delete(signed_in.session_key)
    signed_in.delete()


def _store() -> SessionBase:
    return cast(SessionBase, import_module(settings.SESSION_ENGINE).SessionStore())
