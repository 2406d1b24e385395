"""OpenID Connect providers, as the sign-on library loads them."""

from typing import Any, cast

from allauth.account.utils import get_next_redirect_url
from allauth.socialaccount.providers.base import AuthProcess
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import get_random_string

from accounts.federation.attributes import SignOnRefused
from accounts.federation.oidc.client import FederatedClient
from accounts.federation.oidc.tokens import discovered
from accounts.federation.signing_on import refused

PLAIN = ("openid", "profile", "email")
FEDERATED = (
    "eduperson_entitlement",
    "entitlements",
    "eduperson_scoped_affiliation",
    "schac_home_organization",
    "eduperson_principal_name",
    "voperson_id",
    "aarc",
)


class FederatedOIDC(OpenIDConnectProvider):  # type: ignore[misc]
    """A provider that is asked for what our rules can read, and bound to one sign-in by a nonce."""

    oauth2_adapter_class = FederatedClient

    def get_default_scope(self) -> list[str]:
        """Ask for who somebody is, and of the rest what the provider says that it knows: some refuse other words."""
        known = discovered(self.app.record).get("scopes_supported")
        return [*PLAIN, *(scope for scope in FEDERATED if isinstance(known, list) and scope in known)]

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
        nonce = get_random_string(32)
        try:
            return cast(
                HttpResponse,
                super().redirect(request, process, next_url, data, auth_params={"nonce": nonce}, nonce=nonce),
            )
        except SignOnRefused as error:
            return refused(request, self.app.record, str(error), code=getattr(error, "code", "redirect"))


provider_classes = [FederatedOIDC]
