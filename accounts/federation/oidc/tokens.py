"""Reading ID tokens: the signature, and every claim that says for whom and from whom it is."""

import json
from collections.abc import Mapping
from typing import Any

import jwt
import requests
from django.core.cache import cache
from django.utils.translation import gettext as _

from accounts.federation.attributes import SignOnRefused
from accounts.federation.fetching import CannotAsk, address_problem, fetch_text
from accounts.models import IdentityProvider

# Only signatures with a public key: a shared secret would let whoever knows it sign for the provider.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
LEEWAY_S = 60
LONGEST_TOKEN = 64 * 1024
DISCOVERY_KEPT_S = 3600
KEYS_KEPT_S = 600
NEEDED = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class BadToken(SignOnRefused):
    """The provider's answer does not hold; `code` says which check failed."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(
            _(
                "Your home institution answered in a way that cannot be trusted: %(why)s."
                " Nobody was signed in; tell its help desk."
            )
            % {"why": why}
        )
        self.code = code


def discovered(record: IdentityProvider) -> dict[str, Any]:
    """Return what the provider says of itself, checked; kept for an hour."""
    key = f"oidc.discovery.{record.pk}.{record.issuer}"
    found: dict[str, Any] | None = cache.get(key)
    if found is None:
        found = _discover(record)
        cache.set(key, found, DISCOVERY_KEPT_S)
    return found


def _discover(record: IdentityProvider) -> dict[str, Any]:
    address = record.issuer.rstrip("/") + "/.well-known/openid-configuration"
    found = _json(address)
    if found.get("issuer") != record.issuer:
        raise BadToken("discovery_issuer", _("its description is another issuer’s"))
    for name in NEEDED:
        if not isinstance(found.get(name), str):
            raise BadToken("discovery_incomplete", _("its description lacks an address"))
    for name in (*NEEDED, "userinfo_endpoint"):
        if found.get(name) and address_problem(str(found[name])):
            raise BadToken("discovery_insecure", _("it names an address without encryption"))
    return found


def read_id_token(text: object, *, record: IdentityProvider, keys_url: str, nonce: str) -> dict[str, Any]:
    """Return the claims of an ID token that was made by this provider, for us, for this very sign-in."""
    if not isinstance(text, str) or len(text) > LONGEST_TOKEN:
        raise BadToken("no_id_token", _("it sent no ID token"))
    try:
        header = jwt.get_unverified_header(text)
        if header.get("alg") not in ALGORITHMS:
            raise BadToken("algorithm", _("the ID token is not signed with a public key"))
        claims: dict[str, Any] = jwt.decode(
            text,
            key=_key_for(header, record, keys_url),
            algorithms=[header["alg"]],
            audience=record.client_id,
            issuer=record.issuer,
            leeway=LEEWAY_S,
            options={"require": ["iss", "sub", "aud", "exp", "iat"]},
        )
    except jwt.PyJWTError as error:
        raise BadToken(
            "id_token", _("its ID token does not hold (%(name)s)") % {"name": type(error).__name__}
        ) from error
    audience = claims["aud"]
    if isinstance(audience, list) and len(audience) > 1 and claims.get("azp") != record.client_id:
        raise BadToken("azp", _("the ID token is for several, and was not asked for by us"))
    if claims.get("azp", record.client_id) != record.client_id:
        raise BadToken("azp", _("the ID token was asked for by somebody else"))
    if not nonce or claims.get("nonce") != nonce:
        raise BadToken("nonce", _("the ID token belongs to another sign-in"))
    return claims


def _key_for(header: Mapping[str, Any], record: IdentityProvider, keys_url: str) -> Any:
    for fresh in (False, True):
        for described in _keys(record, keys_url, fresh=fresh):
            if "kid" in header and described.get("kid") != header["kid"]:
                continue
            if described.get("use", "sig") != "sig" or described.get("alg", header["alg"]) != header["alg"]:
                continue
            if described.get("kty") not in {"RSA", "EC", "OKP"}:
                continue
            try:
                key = jwt.PyJWK(described, algorithm=header["alg"])
            except jwt.PyJWTError:
                continue
            if getattr(key.key, "key_size", 2048) < 2048 and described["kty"] == "RSA":
                continue
            return key.key
    raise BadToken("unknown_key", _("the ID token is signed with a key that it does not publish"))


def _keys(record: IdentityProvider, keys_url: str, *, fresh: bool) -> list[dict[str, Any]]:
    name = f"oidc.keys.{record.pk}.{keys_url}"
    kept: list[dict[str, Any]] | None = None if fresh else cache.get(name)
    if kept is None:
        listed = _json(keys_url).get("keys")
        kept = [key for key in listed if isinstance(key, dict)][:50] if isinstance(listed, list) else []
        cache.set(name, kept, KEYS_KEPT_S)
    return kept


def _json(address: str) -> dict[str, Any]:
    try:
        found = json.loads(fetch_text(address))
    except CannotAsk as error:
        raise BadToken("unreachable", str(error).rstrip(".")) from error
    except requests.RequestException as error:
        raise BadToken("unreachable", _("it cannot be reached now")) from error
    except (ValueError, RecursionError) as error:
        raise BadToken("not_json", _("it answered something else than was asked for")) from error
    if not isinstance(found, dict):
        raise BadToken("not_json", _("it answered something else than was asked for"))
    return found
