"""Who is in a project, and as what: the only writer of memberships, with an event for each change."""

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.errors import AlreadyThere, LastLeader, NotThere, NotYours
from accounts.models import Membership, MembershipEvent, Project, User
from accounts.rules import COUNTS, may_lead, visible_projects
from accounts.telling import tell

What = MembershipEvent.What
LEADER, MEMBER = Membership.Role.LEADER, Membership.Role.MEMBER


def project_of(actor: User, slug: str) -> Project:
    """Return a project that the person may see."""
    project = visible_projects(actor).filter(slug=slug).first()
    if project is None:
        raise NotThere(_("There is no project “%(slug)s”, or it is not yours to see.") % {"slug": slug})
    return project


def refuse_who_does_not_lead(actor: User, project: Project) -> None:
    """Let through leaders of the project and federation managers."""
    if not may_lead(actor, project):
        raise NotYours(
            _("Only the leaders of %(project)s say who is in it; ask one of them.") % {"project": project}
        )


def admit(
    *,
    project: Project,
    user: User,
    role: str = MEMBER,
    actor: User | None,
    now: datetime,
    words: str = "",
    source: str = "manual",
    expires_at: datetime | None = None,
) -> Membership:
    """Take somebody into a project; a membership that had ended begins anew, a lower role is raised."""
    with transaction.atomic():
        _lock(project)
        membership = Membership.objects.filter(project=project, user=user).first()
        if membership is None:
            membership = Membership(project=project, user=user)
        elif Membership.objects.filter(COUNTS, pk=membership.pk).exists() and role in (MEMBER, membership.role):
            return membership
        membership.role, membership.source, membership.expires_at = role, source, expires_at
        membership.save()
        record(project, user, What.JOINED, actor=actor, now=now, words=words)
        if role == LEADER:
            record(project, user, What.BECAME_LEADER, actor=actor, now=now)
        return membership


def leave(*, slug: str, actor: User, now: datetime) -> None:
    """Leave a project; what one booked for it stays."""
    project = project_of(actor, slug)
    with transaction.atomic():
        _lock(project)
        membership = _membership(project, actor)
        _refuse_last_leader(project, membership)
        membership.delete()
        record(project, actor, What.LEFT, actor=actor, now=now)


def remove(*, slug: str, username: str, actor: User, now: datetime) -> None:
    """Put somebody out of a project; the reservations stay, and the leaders can end them."""
    project = project_of(actor, slug)
    refuse_who_does_not_lead(actor, project)
    with transaction.atomic():
        _lock(project)
        membership = _membership(project, _person(project, username))
        _refuse_last_leader(project, membership)
        person = membership.user
        membership.delete()
        event = record(project, person, What.REMOVED, actor=actor, now=now)
        tell(
            person,
            key=f"membership:{event.pk}",
            subject=_("You are no longer in %(project)s") % {"project": project},
            body=_("%(actor)s took you out of the project %(project)s.") % {"actor": actor, "project": project},
            now=now,
        )


def change_role(*, slug: str, username: str, role: str, actor: User, now: datetime) -> Membership:
    """Make a member a leader, or a leader a member."""
    project = project_of(actor, slug)
    refuse_who_does_not_lead(actor, project)
    with transaction.atomic():
        _lock(project)
        membership = _membership(project, _person(project, username))
        if membership.role == role:
            raise AlreadyThere(
                _("%(person)s is that already; nothing was changed.") % {"person": membership.user}
            )
        if role != LEADER:
            _refuse_last_leader(project, membership)
        _set_role(membership, role, actor=actor, now=now)
        return membership


def hand_over(*, slug: str, username: str, actor: User, now: datetime) -> Membership:
    """Give the leadership to somebody else in the project; oneself stays as a member."""
    project = project_of(actor, slug)
    with transaction.atomic():
        _lock(project)
        mine = _membership(project, actor)
        if mine.role != LEADER:
            raise NotYours(
                _("You do not lead %(project)s, so there is nothing to hand over.") % {"project": project}
            )
        theirs = _membership(project, _person(project, username))
        if theirs.pk == mine.pk:
            raise AlreadyThere(_("You lead it yourself; name another member."))
        if theirs.role != LEADER:
            _set_role(theirs, LEADER, actor=actor, now=now)
        _set_role(mine, MEMBER, actor=actor, now=now)
        return theirs


def record(
    project: Project,
    user: User | None,
    what: MembershipEvent.What,
    *,
    actor: User | None,
    now: datetime,
    words: str = "",
) -> MembershipEvent:
    """Write down a change."""
    return MembershipEvent.objects.create(
        project=project, user=user, actor=actor, at=now, what=what, words=words[:200]
    )


def leaders_of(project: Project) -> list[User]:
    """Return who leads the project now."""
    leaders = Membership.objects.filter(COUNTS, project=project, role=LEADER, user__is_active=True)
    return [membership.user for membership in leaders.select_related("user").order_by("user__username")]


def _set_role(membership: Membership, role: str, *, actor: User, now: datetime) -> None:
    membership.role = role
    membership.save(update_fields=["role"])
    what = What.BECAME_LEADER if role == LEADER else What.BECAME_MEMBER
    event = record(membership.project, membership.user, what, actor=actor, now=now)
    if membership.user_id == actor.pk:
        return
    words = _("You lead %(project)s now") if role == LEADER else _("You no longer lead %(project)s")
    tell(
        membership.user,
        key=f"membership:{event.pk}",
        subject=words % {"project": membership.project},
        body=_("%(actor)s changed your part in the project %(project)s.")
        % {"actor": actor, "project": membership.project},
        now=now,
    )


def _lock(project: Project) -> None:
    """One change of a project's people at a time: two leaders who leave together would both go."""
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)


def _person(project: Project, username: str) -> User:
    person = User.objects.filter(memberships__project=project, username=username).first()
    if person is None:
        raise NotThere(
            _("Nobody called “%(name)s” is in %(project)s.") % {"name": username, "project": project}
        )
    return person


def _membership(project: Project, user: User) -> Membership:
    found = Membership.objects.select_related("project", "user").filter(project=project, user=user).first()
    if found is None:
        raise NotThere(_("%(person)s is not in %(project)s.") % {"person": user, "project": project})
    return found


def _refuse_last_leader(project: Project, membership: Membership) -> None:
    if membership.role != LEADER:
        return
    others = Membership.objects.filter(COUNTS, project=project, role=LEADER, user__is_active=True)
    if not others.exclude(pk=membership.pk).exists():
        raise LastLeader(
            _("%(person)s is the only leader of %(project)s; make another member its leader first.")
            % {"person": membership.user, "project": project}
        )
