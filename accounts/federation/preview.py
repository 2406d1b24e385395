"""What a sign-in would give, shown to a federation manager; nothing is changed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from allauth.socialaccount.models import SocialAccount
from django.utils.translation import gettext as _

from accounts.federation.attributes import Attributes, SignOnRefused, kept_attributes, read_attributes
from accounts.federation.consequences import GRANTERS
from accounts.federation.mapping import Verdict, judge
from accounts.models import IdentityProvider, Membership

MOST_CHARACTERS = 64 * 1024
MOST_SEEN = 50


class CannotPreview(ValueError):
    """The pasted text says nothing that could be judged; the words say why."""


@dataclass(frozen=True, slots=True)
class Change:
    """What would become of one project, or of one site."""

    what: str
    now: str
    then: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A verdict, beside how things are."""

    attributes: Attributes
    verdict: Verdict
    changes: tuple[Change, ...]
    granted: tuple[str, ...]


def read_pasted(text: str) -> Attributes:
    """Return the attributes of a pasted JSON object: claims, or SAML attributes by their names."""
    if len(text) > MOST_CHARACTERS:
        raise CannotPreview(_("That is longer than is read; paste the attributes of one person."))
    try:
        said = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CannotPreview(
            _('Paste a JSON object, such as {"sub": "person-1", "eduperson_entitlement": ["urn:…"]}.')
        ) from error
    if not isinstance(said, dict):
        raise CannotPreview(_("Paste one JSON object: names, and their values."))
    try:
        return read_attributes(
            said.get("sub") or "nobody-in-particular",
            said,
            mail_is_verified=said.get("email_verified", True) is True,
        )
    except SignOnRefused as error:
        raise CannotPreview(str(error)) from error


def last_seen(provider: IdentityProvider) -> list[SocialAccount]:
    """Return who signed in here last, with what was said of them."""
    seen = SocialAccount.objects.filter(provider=provider.slug).select_related("user")
    return list(seen.order_by("-last_login")[:MOST_SEEN])


def attributes_of(account: SocialAccount) -> Attributes:
    """Return what was last said of a person."""
    return kept_attributes(account.uid, account.extra_data)


def preview(
    provider: IdentityProvider, attributes: Attributes, *, account: SocialAccount | None = None
) -> Preview:
    """Return what a sign-in with these attributes would give, and for somebody who is here, what would change."""
    verdict = judge(provider, attributes)
    present: Mapping[Any, Membership] = (
        {
            membership.project: membership
            for membership in Membership.objects.filter(user=account.user).select_related("project")
        }
        if account is not None
        else {}
    )
    changes = []
    for project in sorted({*verdict.memberships, *present}, key=str):
        membership, role = present.get(project), verdict.memberships.get(project)
        now = membership.get_role_display() if membership else ""
        then = Membership.Role(role).label if role else ""
        if membership is not None and membership.source != provider.slug:
            then = now  # given by hand: no provider takes it
        changes.append(Change(what=str(project), now=str(now), then=str(then)))
    granted = [words for granter in GRANTERS for words in granter.preview(provider, verdict)]
    return Preview(attributes=attributes, verdict=verdict, changes=tuple(changes), granted=tuple(granted))
