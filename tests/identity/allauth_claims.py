"""What the real OpenID Connect provider says of its one person."""

from typing import Any

from allauth.idp.oidc.adapter import DefaultOIDCAdapter

SAID = {
    "given_name": "Researcher",
    "family_name": "A",
    "email": "researcher@uni-a.example",
    "email_verified": True,
    "schac_home_organization": "uni-a.example",
    "eduperson_entitlement": ["urn:geant:uni-a.example:group:network"],
}


class Claims(DefaultOIDCAdapter):
    """Releases what federations release."""

    scope_display = {scope: scope for scope in ("openid", "profile", "email")}

    def get_claims(self, purpose: Any, user: Any, client: Any, scopes: Any, **kwargs: Any) -> dict[str, Any]:
        """Return the claims of the person."""
        return super().get_claims(purpose, user, client, scopes, **kwargs) | SAID
