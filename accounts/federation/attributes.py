"""What a provider says of a person, read with suspicion: two dialects in, one shape out."""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

LONGEST_NAME = 150
LONGEST_VALUE = 1024
LONGEST_SUBJECT = 255
MOST_VALUES = 500

SUBJECT_ID = "urn:oasis:names:tc:SAML:attribute:subject-id"
PAIRWISE_ID = "urn:oasis:names:tc:SAML:attribute:pairwise-id"

# What an attribute is called: in OpenID Connect, and in SAML.
NAMES: Mapping[str, tuple[str, ...]] = {
    "name": ("name", "urn:oid:2.16.840.1.113730.3.1.241"),
    "given_name": ("given_name", "urn:oid:2.5.4.42"),
    "family_name": ("family_name", "urn:oid:2.5.4.4"),
    "mail": ("email", "urn:oid:0.9.2342.19200300.100.1.3"),
    "home_organisation": (
        "schac_home_organization",
        "schac_home_organisation",
        "urn:oid:1.3.6.1.4.1.25178.1.2.9",
    ),
    "affiliations": ("eduperson_scoped_affiliation", "urn:oid:1.3.6.1.4.1.5923.1.1.1.9"),
    "entitlements": ("eduperson_entitlement", "entitlements", "urn:oid:1.3.6.1.4.1.5923.1.1.1.7"),
    "assurance": ("eduperson_assurance", "urn:oid:1.3.6.1.4.1.5923.1.1.1.11"),
    "principal_name": ("eduperson_principal_name", "urn:oid:1.3.6.1.4.1.5923.1.1.1.6"),
    "community_id": ("voperson_id", "urn:oid:1.3.6.1.4.1.25178.4.1.6"),
}
_ONE = ("name", "given_name", "family_name", "mail", "home_organisation")
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class SignOnRefused(Exception):
    """Nobody is signed in; the words are for the person, and name the way out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """What was said of one person, cleaned. Nothing of it is believed yet."""

    subject: str
    values: Mapping[str, tuple[str, ...]]
    mail_is_verified: bool = True
    acr: str = ""
    notes: tuple[str, ...] = field(default=())
    """What was left out, and why: for the operator who wonders."""

    def one(self, name: str) -> str:
        """Return the single value of an attribute; empty when there is none."""
        found = self.values.get(name, ())
        return found[0] if len(found) == 1 else ""

    def all(self, name: str) -> tuple[str, ...]:
        """Return the values of an attribute."""
        return self.values.get(name, ())

    def as_kept(self) -> dict[str, Any]:
        """Return the shape in which the last seen attributes are kept beside the account."""
        return {
            "values": {name: list(values) for name, values in self.values.items()},
            "mail_is_verified": self.mail_is_verified,
            "acr": self.acr,
            "notes": list(self.notes),
        }


def kept_attributes(subject: str, kept: Mapping[str, Any]) -> Attributes:
    """Return what `as_kept` kept."""
    return Attributes(
        subject=subject,
        values={name: tuple(values) for name, values in kept.get("values", {}).items()},
        mail_is_verified=kept.get("mail_is_verified", True),
        acr=kept.get("acr", ""),
        notes=tuple(kept.get("notes", ())),
    )


def read_attributes(
    subject: object, said: Mapping[str, Any], *, mail_is_verified: bool = True, acr: object = ""
) -> Attributes:
    """Return what a provider said, in one shape; odd values are left out with a note, never guessed at.

    Raises `SignOnRefused` where there is no usable subject, or the identity is one for tests.
    """
    subject = checked_subject(subject)
    notes: list[str] = []
    values: dict[str, tuple[str, ...]] = {}
    for name, dialects in NAMES.items():
        raw = [value for dialect in dialects if dialect in said for value in _as_list(said[dialect])]
        cleaned = _cleaned(name, raw, notes)
        if name in _ONE and len(cleaned) > 1:
            notes.append(_("%(name)s: has several values, so none is taken.") % {"name": name})
            cleaned = ()
        if cleaned:
            values[name] = cleaned
    attributes = Attributes(
        subject=subject,
        values=values,
        mail_is_verified=mail_is_verified,
        acr=acr if isinstance(acr, str) and len(acr) <= LONGEST_VALUE else "",
        notes=tuple(notes),
    )
    _refuse_test_identities(attributes)
    return attributes


def checked_subject(subject: object) -> str:
    """Return the subject; refuse what could not be told apart from another one."""
    if not isinstance(subject, str) or not subject or subject != subject.strip():
        raise SignOnRefused(
            _("Your home institution did not say who you are: it sent no subject. Tell its help desk.")
        )
    if len(subject) > LONGEST_SUBJECT or not subject.isprintable() or not subject.isascii():
        raise SignOnRefused(_("Your home institution sent a subject that cannot be used. Tell its help desk."))
    return subject


def _cleaned(name: str, raw: Iterable[object], notes: list[str]) -> tuple[str, ...]:
    kept: dict[str, None] = {}
    longest = LONGEST_NAME if name in ("name", "given_name", "family_name") else LONGEST_VALUE
    for place, value in enumerate(raw):
        if place >= MOST_VALUES:
            notes.append(
                _("%(name)s: only the first %(most)d values are read.") % {"name": name, "most": MOST_VALUES}
            )
            break
        if not isinstance(value, str):
            notes.append(_("%(name)s: a value that is no text is left out.") % {"name": name})
            continue
        text = unicodedata.normalize("NFC", value).strip()
        if len(text) > longest:
            notes.append(
                _("%(name)s: a value longer than %(most)d characters is left out.")
                % {"name": name, "most": longest}
            )
        elif any(unicodedata.category(letter) in {"Cc", "Cs", "Zl", "Zp"} for letter in text) or (
            _BIDI & set(text)
        ):
            notes.append(
                _("%(name)s: a value with characters that cannot be seen is left out.") % {"name": name}
            )
        elif text:
            kept[text] = None
    return tuple(kept)


def _as_list(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _refuse_test_identities(attributes: Attributes) -> None:
    refused = {identity.casefold() for identity in settings.SHARY_REFUSED_IDENTITIES}
    known_by = (
        attributes.subject,
        *(
            value
            for name in ("mail", "principal_name", "community_id")
            for value in attributes.values.get(name, ())
        ),
    )
    if any(value.casefold() in refused for value in known_by):
        raise SignOnRefused(_("This is an identity for tests. Sign in with one of your own."))
