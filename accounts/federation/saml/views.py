"""The doors of a sign-in by SAML: our metadata, out to the provider, and back."""

from typing import Any, cast

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.helpers import complete_social_login
from allauth.socialaccount.internal import statekit
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.base.utils import respond_to_login_on_get
from allauth.socialaccount.sessions import LoginSession
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from accounts.federation.attributes import SignOnRefused
from accounts.federation.saml.metadata import BadMetadata, descriptor_of
from accounts.federation.saml.response import MOST_CHARACTERS, answered_request, read_response
from accounts.federation.saml.service import saml_settings
from accounts.federation.signing_on import record_of, refused, send_onward, sign_on
from accounts.models import IdentityProvider

_KEPT, _COOKIE = "saml_answer", "saml-answer"


@require_GET
def metadata(request: HttpRequest) -> HttpResponse:
    """Say who we are, for a federation to register."""
    return HttpResponse(saml_settings(request).get_sp_metadata(), content_type="application/samlmetadata+xml")


def login(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Send the browser to the provider; asked by GET, let the person press the button first."""
    provider = _provider(request, provider_id)
    asked: HttpResponse | None = respond_to_login_on_get(request, provider)
    if asked is not None:
        return asked
    return send_onward(request, record_of(provider.app), provider.redirect_from_request(request))


@csrf_exempt
@require_POST
def acs(request: HttpRequest) -> HttpResponse:
    """Keep the answer for the next request: this one comes from another site, and so without a session."""
    text = request.POST.get("SAMLResponse", "")
    if not text or len(text) > MOST_CHARACTERS:
        return refused(request, None, _("That was no answer to a sign-in. Begin anew."), code="no_response")
    response = HttpResponseRedirect(reverse("saml_finish_acs"))
    kept = LoginSession(request, _KEPT, _COOKIE)
    kept.store.update({"text": text})
    kept.store.set_expiry(300)
    kept.save(response)
    return response


@require_GET
def finish_acs(request: HttpRequest) -> HttpResponse:
    """Take the provider's answer. Whatever is wrong with it, nobody is signed in, and the page says why."""
    kept = LoginSession(request, _KEPT, _COOKIE)
    text = kept.store.get("text", "")
    kept.delete()
    record: IdentityProvider | None = None
    try:
        if not text:
            raise PermissionDenied
        request_id = answered_request(text)
        provider = _asked(request, request_id)
        record = record_of(provider.app)
        # From here on the request is answered, rightly or wrongly: a second answer finds nothing to answer.
        state = provider.unstash_redirect_state(request, request_id)
        descriptor = descriptor_of(record, now=timezone.now())
        attributes = read_response(request, text, descriptor=descriptor, request_id=request_id)
        found = sign_on(provider, record, attributes)
        found.state = state
        response: HttpResponse = complete_social_login(request, found)
    except ImmediateHttpResponse as error:
        return cast(HttpResponse, error.response)
    except PermissionDenied:
        why = _("This answer belongs to no sign-in that was begun here, or to one long ago. Begin anew.")
        return refused(request, record, why, code="state")
    except (SignOnRefused, BadMetadata) as error:
        return refused(request, record, str(error), code=getattr(error, "code", "refused"))
    return response


def _asked(request: HttpRequest, request_id: str) -> Any:
    """Return the provider that this browser was sent to with a request."""
    stashed = statekit.get_states(request).get(request_id)
    if stashed is None:
        raise PermissionDenied
    try:
        return _provider(request, stashed[2])
    except Http404 as error:  # switched off in the meantime
        raise PermissionDenied from error


def _provider(request: HttpRequest, slug: str) -> Any:
    try:
        app = get_adapter(request).get_app(request, provider=slug)
    except SocialApp.DoesNotExist as error:
        raise Http404 from error
    if app.provider != IdentityProvider.Protocol.SAML:
        raise Http404
    return app.get_provider(request)
