"""What the sign-in page shows: where people can be from."""

from dataclasses import dataclass

from django import template
from django.urls import reverse
from django.utils.http import urlencode

from accounts.models import IdentityProvider

register = template.Library()


@dataclass(frozen=True, slots=True)
class Choice:
    """One provider in the list."""

    slug: str
    name: str
    found_by: str
    """What a search looks in, in small letters."""
    begins_at: str


@register.simple_tag
def identity_providers(onward: str = "") -> list[Choice]:
    """Return the providers that are switched on, by name; each leads on to a page of the portal."""
    query = f"?{urlencode({'next': onward})}" if onward else ""
    found = IdentityProvider.objects.filter(is_enabled=True).select_related("organisation")
    return [
        Choice(
            slug=record.slug,
            name=record.name,
            found_by=" ".join(filter(None, [record.name, str(record.organisation or ""), record.slug])).lower(),
            begins_at=_begins_at(record) + query,
        )
        for record in found
    ]


def _begins_at(record: IdentityProvider) -> str:
    is_saml = record.protocol == IdentityProvider.Protocol.SAML
    return reverse("saml_login" if is_saml else "openid_connect_login", args=[record.slug])
