"""What the attributes of a person give here: by the provider's rules, and by nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext as _

from accounts.federation.attributes import Attributes
from accounts.federation.entitlements import Entitlement, Malformed, normal_namespace, path_of, read_entitlement
from accounts.models import IdentityProvider, MappingRule, Membership, Organisation, Project


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that was said, and what becomes of it."""

    said: str
    outcome: str
    counts: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a sign-in with these attributes makes of somebody."""

    first_name: str
    last_name: str
    mail: str
    home_organisation: Organisation | None
    groups: tuple[Entitlement, ...]
    memberships: Mapping[Project, str]
    lines: tuple[Line, ...]


def judge(provider: IdentityProvider, attributes: Attributes) -> Verdict:
    """Return what the attributes give, saying of each value whether it counts; nothing is written."""
    lines: list[Line] = []
    first_name, last_name = _names(attributes)
    home = _home(provider, attributes, lines)
    mail = _mail(attributes, lines)
    groups = _groups(provider, attributes, lines)
    affiliations = _affiliations(provider, attributes, lines)
    memberships: dict[Project, str] = {}
    for rule in provider.rules.select_related("project"):
        if _applies(rule, groups, affiliations):
            leads = rule.role == Membership.Role.LEADER
            if leads or rule.project not in memberships:
                memberships[rule.project] = rule.role
            lines.append(
                Line(
                    said=f"{rule.get_kind_display()} {rule.value}",
                    outcome=_("%(role)s in %(project)s")
                    % {"role": rule.get_role_display(), "project": rule.project},
                    counts=True,
                )
            )
    lines += [Line(said="", outcome=note, counts=False) for note in attributes.notes]
    return Verdict(
        first_name=first_name,
        last_name=last_name,
        mail=mail,
        home_organisation=home,
        groups=groups,
        memberships=memberships,
        lines=tuple(lines),
    )


def _names(attributes: Attributes) -> tuple[str, str]:
    given, family = attributes.one("given_name"), attributes.one("family_name")
    if given or family:
        return given, family
    first, _space, last = attributes.one("name").partition(" ")
    return first, last


def _mail(attributes: Attributes, lines: list[Line]) -> str:
    mail = attributes.one("mail")
    if not mail:
        return ""
    try:
        validate_email(mail)
    except ValidationError:
        lines.append(Line(said=mail[:80], outcome=_("is no e-mail address"), counts=False))
        return ""
    if not attributes.mail_is_verified or len(mail) > 254:
        lines.append(Line(said=mail[:80], outcome=_("the provider has not verified it"), counts=False))
        return ""
    return mail


def _home(provider: IdentityProvider, attributes: Attributes, lines: list[Line]) -> Organisation | None:
    said = attributes.one("home_organisation").lower()
    if not said:
        return provider.organisation
    scope = provider.home_scopes.select_related("organisation").filter(scope=said).first()
    if scope is not None:
        lines.append(Line(said=said, outcome=str(scope.organisation), counts=True))
        return scope.organisation
    lines.append(
        Line(
            said=said,
            outcome=_("%(provider)s may not name this home organisation") % {"provider": provider},
            counts=False,
        )
    )
    # With no list at all, the provider speaks for one organisation only.
    return None if provider.home_scopes.exists() else provider.organisation


def _groups(provider: IdentityProvider, attributes: Attributes, lines: list[Line]) -> tuple[Entitlement, ...]:
    namespaces = {normal_namespace(namespace) for namespace in provider.namespaces}
    found: dict[Entitlement, None] = {}
    for text in attributes.all("entitlements"):
        try:
            entitlement = read_entitlement(text)
        except Malformed as error:
            lines.append(Line(said=text, outcome=_("not a group name: %(why)s") % {"why": error}, counts=False))
            continue
        if entitlement.namespace not in namespaces:
            outcome = _("the namespace is not one of this provider’s")
        elif entitlement.authority not in (provider.authorities or {""}):
            outcome = _("the authority behind the # is not one of this provider’s")
        else:
            found[entitlement] = None
            lines.append(Line(said=text, outcome=_("group %(group)s") % {"group": entitlement}, counts=True))
            continue
        lines.append(Line(said=text, outcome=outcome, counts=False))
    return tuple(found)


def _affiliations(
    provider: IdentityProvider, attributes: Attributes, lines: list[Line]
) -> frozenset[tuple[str, str]]:
    scopes = set(provider.home_scopes.values_list("scope", flat=True))
    found = set()
    for text in attributes.all("affiliations"):
        affiliation, _at, scope = text.lower().rpartition("@")
        if affiliation and scope in scopes:
            found.add((affiliation, scope))
        else:
            lines.append(
                Line(said=text, outcome=_("the domain is not one that this provider may name"), counts=False)
            )
    return frozenset(found)


def _applies(
    rule: MappingRule, groups: tuple[Entitlement, ...], affiliations: frozenset[tuple[str, str]]
) -> bool:
    if rule.kind == MappingRule.Kind.AFFILIATION:
        affiliation, at, scope = rule.value.strip().lower().partition("@")
        return any(has == affiliation and (not at or of == scope) for has, of in affiliations)
    try:
        path = path_of(rule.value.strip())
    except Malformed:
        return False
    return any(
        group.path == path and (not rule.role_there or group.role == rule.role_there) for group in groups
    )
