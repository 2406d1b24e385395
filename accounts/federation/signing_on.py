"""What both protocols share: from a checked answer of a provider to an account here."""

import base64
import hashlib
from typing import cast

import structlog
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialLogin
from allauth.socialaccount.providers.base import AuthProcess
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from accounts.federation.attributes import Attributes, SignOnRefused
from accounts.models import IdentityProvider, User

LONGEST_KEPT = 191
log = structlog.get_logger(__name__)


def as_app(provider: IdentityProvider) -> SocialApp:
    """Return a provider as the sign-on library knows it. It is never saved: the secret stays encrypted."""
    is_saml = provider.protocol == IdentityProvider.Protocol.SAML
    app = SocialApp(
        provider=provider.protocol,
        provider_id=provider.slug,
        name=provider.name,
        client_id=provider.slug if is_saml else provider.client_id,
        secret=provider.client_secret,
        settings={} if is_saml else {"server_url": provider.issuer, "oauth_pkce_enabled": True},
    )
    app.record = provider
    return app


def record_of(app: SocialApp) -> IdentityProvider:
    """Return our record of a provider."""
    return cast(IdentityProvider, app.record)


def username_for(issuer: str, subject: str) -> str:
    """Return the name of an account: the same for the same identity, and telling nothing of the person."""
    digest = hashlib.sha256(f"{len(issuer)}:{issuer}{subject}".encode()).digest()
    return "u" + base64.b32encode(digest)[:15].decode().lower()


def kept_subject(subject: str) -> str:
    """Return a subject as it is kept: one that is too long for its column by its digest."""
    if len(subject) <= LONGEST_KEPT:
        return subject
    return f"sha256:{hashlib.sha256(subject.encode()).hexdigest()}"


def sign_on(provider: object, record: IdentityProvider, attributes: Attributes) -> SocialLogin:
    """Return the sign-in of the person with this subject at this provider; nothing is saved yet.

    What it is looked up by is the provider and the subject. No address goes into it, so that none can link
    anybody to an account that is there.
    """
    account = SocialAccount(
        provider=record.slug, uid=kept_subject(attributes.subject), extra_data=attributes.as_kept()
    )
    user = User(username=username_for(record.issuer, attributes.subject))
    user.set_unusable_password()
    login = SocialLogin(provider=provider, account=account, user=user)
    login.attributes = attributes
    login.record = record
    return login


def send_onward(request: HttpRequest, record: IdentityProvider, answer: HttpResponse) -> HttpResponse:
    """Have the browser follow a redirect to a provider by itself.

    Our policy lets forms be sent to ourselves only, and browsers hold a redirect after a form to it, too.
    """
    if answer.status_code != 302:
        return answer
    return render(request, "socialaccount/onward.html", {"address": answer["Location"], "provider": record})


def refused(request: HttpRequest, record: IdentityProvider | None, why: str, *, code: str) -> HttpResponse:
    """Return the page that says why nobody was signed in."""
    log.warning("sign_on.refused", provider=record.slug if record else "", code=code, why=why)
    return render(
        request, "socialaccount/authentication_error.html", {"why": why, "provider": record}, status=401
    )


def refuse(request: HttpRequest, record: IdentityProvider | None, why: str, *, code: str) -> None:
    """Stop the sign-in, whatever the library was about to do next."""
    raise ImmediateHttpResponse(refused(request, record, why, code=code))


def check_process(request: HttpRequest, login: SocialLogin) -> None:
    """Refuse everything but signing in: identities are not joined."""
    if login.state.get("process", AuthProcess.LOGIN) != AuthProcess.LOGIN:
        raise SignOnRefused(_("An account has one identity; others cannot be joined to it."))
