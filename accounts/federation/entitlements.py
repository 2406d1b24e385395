"""Group names as federations write them (AARC-G069), read strictly."""

import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import unquote

MOST_CHARACTERS = 1024

_SAFE = r"[A-Za-z0-9._~!$&'()*+,;=@/-]|%[0-9A-Fa-f]{2}"
_COMPONENT = re.compile(f"(?:{_SAFE})+")
_NAMESPACE = re.compile(f"urn:[a-z0-9][a-z0-9-]{{0,30}}[a-z0-9](?::(?:{_SAFE})+)+", re.IGNORECASE)


class Malformed(ValueError):
    """The text is no group name; the words say what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entitlement:
    """`<namespace>:group:<group>[:<subgroup>…][:role=<role>][#<authority>]`, taken apart and decoded once."""

    namespace: str
    path: tuple[str, ...]
    role: str = ""
    authority: str = ""

    def __str__(self) -> str:
        role = f", role {self.role}" if self.role else ""
        return " › ".join(self.path) + role


def read_entitlement(text: str) -> Entitlement:
    """Return what a group name says; raise `Malformed` for anything that does not keep to the grammar."""
    if len(text) > MOST_CHARACTERS:
        raise Malformed(f"longer than {MOST_CHARACTERS} characters")
    name, mark, authority = text.partition("#")
    if mark and not _COMPONENT.fullmatch(authority):
        raise Malformed("nothing, or no authority, stands behind the #")
    namespace, found, rest = name.partition(":group:")
    if not found:
        raise Malformed("it names no group")
    if not _NAMESPACE.fullmatch(namespace):
        raise Malformed("it does not begin with a namespace")
    components = rest.split(":")
    if not all(_COMPONENT.fullmatch(component) for component in components):
        raise Malformed("a part of the name is empty or has a character that must be encoded")
    role = ""
    if components[-1].startswith("role="):
        role = _decoded(components.pop().removeprefix("role="))
        if not role:
            raise Malformed("the role is empty")
    if not components:
        raise Malformed("it names a role and no group")
    if any(component.startswith("role=") for component in components):
        raise Malformed("a role stands in the middle")
    return Entitlement(
        namespace=normal_namespace(namespace),
        path=tuple(_decoded(component) for component in components),
        role=role,
        authority=_decoded(authority),
    )


def normal_namespace(namespace: str) -> str:
    """Return a namespace as it is compared: “urn” and what follows have no case, the rest has."""
    head, separator, rest = namespace.partition(":")
    identifier, colon, tail = rest.partition(":")
    return f"{head.lower()}{separator}{identifier.lower()}{colon}{tail}"


def path_of(value: str) -> tuple[str, ...]:
    """Return the group of a rule, as it is compared with that of an entitlement."""
    return tuple(_decoded(component) for component in value.split(":"))


def _decoded(component: str) -> str:
    try:
        text = unquote(component, errors="strict")
    except UnicodeDecodeError as error:
        raise Malformed("what is encoded in it is not UTF-8") from error
    text = unicodedata.normalize("NFC", text)
    if any(unicodedata.category(letter) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} for letter in text):
        raise Malformed("it hides a character that cannot be seen")
    return text
