"""The two doors of a sign-in by OpenID Connect: out to the provider, and back."""

from typing import Any, cast

import requests
import structlog
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.helpers import complete_social_login
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2LoginView
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from accounts.federation.attributes import SignOnRefused
from accounts.federation.oidc.client import FederatedClient
from accounts.federation.signing_on import record_of, refused, send_onward

log = structlog.get_logger(__name__)


def login(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Send the browser to the provider; asked by GET, let the person press the button first."""
    client = FederatedClient(request, provider_id)
    try:
        record = record_of(client.get_provider().app)
    except SocialApp.DoesNotExist as error:
        raise Http404 from error
    return send_onward(request, record, OAuth2LoginView.adapter_view(client)(request))


def callback(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Take the provider's answer. Whatever is wrong with it, nobody is signed in, and the page says why."""
    client = FederatedClient(request, provider_id)
    try:
        provider = client.get_provider()
    except SocialApp.DoesNotExist as error:
        raise Http404 from error
    record = record_of(provider.app)
    try:
        return _answered(request, client, provider)
    except ImmediateHttpResponse as error:
        return cast(HttpResponse, error.response)
    except PermissionDenied:
        why = _("This answer belongs to no sign-in that was begun here, or to one long ago. Begin anew.")
        return refused(request, record, why, code="state")
    except SignOnRefused as error:
        return refused(request, record, str(error), code=getattr(error, "code", "refused"))
    except (OAuth2Error, requests.RequestException, KeyError, TypeError, ValueError, AttributeError) as error:
        # The answers of a provider are not ours to trust: what cannot be read is a refusal, never an accident.
        log.warning("sign_on.unreadable", provider=record.slug, error=repr(error)[:300])
        why = _("Your home institution could not confirm the sign-in. Try again, or tell its help desk.")
        return refused(request, record, why, code="unreadable")


def _answered(request: HttpRequest, client: FederatedClient, provider: Any) -> HttpResponse:
    state = provider.unstash_redirect_state(request, request.GET.get("state", ""))
    client.refuse_mix_up(request)
    if "error" in request.GET or "code" not in request.GET:
        cancelled = request.GET.get("error") == "access_denied"
        raise SignOnRefused(
            _("You did not finish signing in at your home institution. Begin anew when you like.")
            if cancelled
            else _("Your home institution could not sign you in. Try again, or tell its help desk.")
        )
    app = provider.app
    answer = client.get_access_token_data(
        request, app, client.get_client(request, app), pkce_code_verifier=state.get("pkce_code_verifier")
    )
    found = client.complete_login(
        request, app, client.parse_token(answer), response=answer, nonce=state.get("nonce", "")
    )
    found.state = state
    response: HttpResponse = complete_social_login(request, found)
    return response
