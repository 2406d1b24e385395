"""Who may do what, as far as it is about *who*; `resources.rules` and `reservations.rules` add their things.

A rule names a thing, a verb, and the roles that may. Doors, pages, the admin, feeds and live events all ask
these tables, by way of the questions below them; docs/roles.md shows the tables and a test compares the two.
"""

from collections.abc import Mapping
from enum import StrEnum

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from accounts.models import Membership, Project, User


class Role(StrEnum):
    """What somebody is towards a thing."""

    ANYBODY = "anybody signed in"
    SELF = "oneself"
    MEMBER = "member"
    LEADER = "project leader"
    HOLDER = "holder"
    OPERATOR = "site operator"
    AUDITOR = "auditor"
    MANAGER = "federation manager"


Rules = Mapping[str, frozenset[Role]]


def allow(*roles: Role) -> frozenset[Role]:
    """Return the roles of a rule."""
    return frozenset(roles)


PERSON: Rules = {
    "see": allow(Role.SELF, Role.AUDITOR, Role.MANAGER),
    "change": allow(Role.SELF, Role.MANAGER),
    "give rights": allow(Role.MANAGER),
}
KEY: Rules = {
    "see": allow(Role.SELF, Role.AUDITOR, Role.MANAGER),
    "add": allow(Role.SELF),
    "remove": allow(Role.SELF, Role.MANAGER),
}
PROJECT: Rules = {
    "see": allow(Role.MEMBER, Role.LEADER, Role.AUDITOR, Role.MANAGER),
    "book for": allow(Role.MEMBER, Role.LEADER),
    "leave": allow(Role.MEMBER, Role.LEADER),
    "ask to join": allow(Role.ANYBODY),
    "lead": allow(Role.LEADER, Role.MANAGER),
    "found": allow(Role.MANAGER),
}


def federation_roles(user: User) -> frozenset[Role]:
    """Return what the person is everywhere."""
    roles = set()
    if user.is_federation_manager:
        roles.add(Role.MANAGER)
    if user.is_federation_auditor:
        roles.add(Role.AUDITOR)
    return frozenset(roles)


def reads_everything(user: User) -> bool:
    """Whether the person sees all there is: auditors and federation managers."""
    return bool(federation_roles(user))


COUNTS = Q(expires_at__isnull=True) | Q(expires_at__gt=Now())
"""Which memberships count: those that do not end by themselves, or not yet."""


def memberships_of(user: User) -> QuerySet[Membership]:
    """Return the person's memberships that count now."""
    return Membership.objects.filter(COUNTS, user=user)


def roles_in_projects(user: User) -> dict[int, Role]:
    """Return the person's role in each of their projects."""
    return {
        project: Role.LEADER if role == Membership.Role.LEADER else Role.MEMBER
        for project, role in memberships_of(user).values_list("project_id", "role")
    }


def roles_in(user: User, project_id: int) -> frozenset[Role]:
    """Return what the person is towards a project."""
    role = memberships_of(user).filter(project=project_id).values_list("role", flat=True).first()
    if role is None:
        return federation_roles(user)
    return federation_roles(user) | {Role.LEADER if role == Membership.Role.LEADER else Role.MEMBER}


def may_lead(user: User, project: Project) -> bool:
    """Whether the person may say who is in the project."""
    return bool(roles_in(user, project.pk) & PROJECT["lead"])


def visible_projects(user: User) -> QuerySet[Project]:
    """Return the projects that the person may see."""
    if federation_roles(user) & PROJECT["see"]:
        return Project.objects.all()
    return Project.objects.filter(pk__in=memberships_of(user).values("project"))
