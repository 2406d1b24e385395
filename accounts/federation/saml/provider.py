"""SAML providers, as the sign-on library loads them."""

from typing import Any

from allauth.account.utils import get_next_redirect_url
from allauth.socialaccount.providers.base import AuthProcess, Provider, ProviderAccount
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from onelogin.saml2.auth import OneLogin_Saml2_Auth

from accounts.federation.saml.metadata import BadMetadata, descriptor_of
from accounts.federation.saml.service import as_library_reads, saml_settings
from accounts.federation.signing_on import record_of, refused


class FederatedSAML(Provider):  # type: ignore[misc]
    """A provider that is known by its metadata."""

    id = "saml"
    name = "SAML"
    supports_redirect = True
    account_class = ProviderAccount

    def __init__(self, request: HttpRequest, app: Any = None) -> None:
        super().__init__(request, app=app)
        self.name = app.name

    def get_login_url(self, request: HttpRequest, **kwargs: Any) -> str:
        """Return where a sign-in begins."""
        url = reverse("saml_login", kwargs={"provider_id": self.app.provider_id})
        return f"{url}?{urlencode(kwargs)}" if kwargs else url

    def get_redirect_from_request_kwargs(self, request: HttpRequest) -> dict[str, Any]:
        """Take nothing from the request but where to go on to."""
        kwargs: dict[str, Any] = {"process": AuthProcess.LOGIN}
        if next_url := get_next_redirect_url(request):
            kwargs["next_url"] = next_url
        return kwargs

    def redirect(
        self, request: HttpRequest, process: str, next_url: str | None = None, data: Any = None, **kwargs: Any
    ) -> HttpResponse:
        """Send the browser to the provider."""
        record = record_of(self.app)
        try:
            descriptor = descriptor_of(record, now=timezone.now())
        except BadMetadata as error:
            why = _("%(provider)s cannot be asked now: its metadata is not usable. %(why)s") % {
                "provider": record,
                "why": error,
            }
            return refused(request, record, why, code="metadata")
        auth = OneLogin_Saml2_Auth(as_library_reads(request), saml_settings(request, descriptor.settings))
        # The answer says which request it is for, and that leads back to where the person wanted to go: no
        # address travels with the request.
        address = auth.login(return_to="")
        self.stash_redirect_state(request, process, next_url, data, state_id=auth.get_last_request_id())
        return HttpResponseRedirect(address)


provider_classes = [FederatedSAML]
