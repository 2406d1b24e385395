"""The way to a provider and back: what is sent, and what is made of the answer."""

from typing import Any

from allauth.socialaccount.models import SocialApp, SocialLogin, SocialToken
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts.federation.attributes import read_attributes
from accounts.federation.oidc.tokens import BadToken, discovered, read_id_token
from accounts.federation.signing_on import record_of, sign_on


class FederatedClient(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]
    """Talks to one provider for one sign-in."""

    @property
    def openid_config(self) -> dict[str, Any]:
        """What the provider says of itself, checked."""
        if not hasattr(self, "_discovered"):
            self._discovered = discovered(record_of(self.get_provider().app))
        return self._discovered

    def complete_login(
        self, request: HttpRequest, app: SocialApp, token: SocialToken, **details: Any
    ) -> SocialLogin:
        """Return the sign-in that the provider's answer stands for."""
        record = record_of(app)
        answer, nonce = details["response"], details["nonce"]
        claims = read_id_token(
            answer.get("id_token"), record=record, keys_url=self.openid_config["jwks_uri"], nonce=nonce
        )
        said = dict(claims)
        if self.openid_config.get("userinfo_endpoint"):
            more = self._fetch_user_info(token.token)
            if not isinstance(more, dict) or more.get("sub") != claims["sub"]:
                raise BadToken("userinfo_subject", _("it speaks of two different people"))
            said |= more
        attributes = read_attributes(
            claims["sub"],
            said,
            mail_is_verified=said.get("email_verified", True) is True,
            acr=claims.get("acr", ""),
        )
        return sign_on(self.get_provider(), record, attributes)

    def refuse_mix_up(self, request: HttpRequest) -> None:
        """Refuse an answer that another issuer gave (RFC 9207)."""
        issuer = request.GET.get("iss")
        promised = self.openid_config.get("authorization_response_iss_parameter_supported") is True
        expected = record_of(self.get_provider().app).issuer
        if (issuer is not None or promised) and issuer != expected:
            raise BadToken("mix_up", _("the answer comes from another issuer"))
