"""This portal as a SAML service provider: one name, one door for answers, whoever the provider is."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from onelogin.saml2.constants import OneLogin_Saml2_Constants as Names
from onelogin.saml2.settings import OneLogin_Saml2_Settings

SECURITY = {
    "authnRequestsSigned": False,
    "logoutRequestSigned": False,
    "logoutResponseSigned": False,
    "signatureAlgorithm": Names.RSA_SHA256,
    "digestAlgorithm": Names.SHA256,
    "rejectDeprecatedAlgorithm": True,
    "requestedAuthnContext": False,
    "wantAssertionsSigned": True,
    "wantMessagesSigned": False,
    "wantAssertionsEncrypted": False,
    "wantNameId": False,
    "wantNameIdEncrypted": False,
    "wantAttributeStatement": False,
    "allowRepeatAttributeName": True,
    "allowSingleLabelDomains": True,
}


def entity_id(request: HttpRequest) -> str:
    """Return what this portal is called among identity providers."""
    return settings.SHARY_SAML_ENTITY_ID or request.build_absolute_uri(reverse("saml_metadata"))


def answers_at(request: HttpRequest) -> str:
    """Return the one address at which answers are taken."""
    return request.build_absolute_uri(reverse("saml_acs"))


def saml_settings(request: HttpRequest, idp: dict[str, Any] | None = None) -> OneLogin_Saml2_Settings:
    """Return what the SAML library has to know, about us and about the provider."""
    described: dict[str, Any] = {
        "strict": True,
        "security": dict(SECURITY),
        "sp": {
            "entityId": entity_id(request),
            "assertionConsumerService": {"url": answers_at(request), "binding": Names.BINDING_HTTP_POST},
            "NameIDFormat": Names.NAMEID_UNSPECIFIED,
        },
    }
    if settings.SHARY_SAML_CERTIFICATE and settings.SHARY_SAML_KEY:
        described["sp"] |= {"x509cert": settings.SHARY_SAML_CERTIFICATE, "privateKey": settings.SHARY_SAML_KEY}
        described["security"]["authnRequestsSigned"] = True
    if idp is not None:
        described["idp"] = idp
    return OneLogin_Saml2_Settings(described, sp_validation_only=idp is None)


def as_library_reads(request: HttpRequest, *, post: dict[str, str] | None = None) -> dict[str, Any]:
    """Return a request in the shape that the SAML library takes, at the address where answers are taken."""
    parts = urlsplit(answers_at(request))
    return {
        "https": "on" if parts.scheme == "https" else "off",
        "http_host": parts.netloc,
        "script_name": parts.path,
        "get_data": {},
        "post_data": post or {},
    }
