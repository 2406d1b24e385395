"""Inviting somebody into a project, by username or by a link that works once."""

import hashlib
import secrets
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import structlog
from django.core.mail import send_mail
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.errors import AlreadyThere, InvitationOver, NotThere, TooMany
from accounts.memberships import What, admit, leaders_of, project_of, record, refuse_who_does_not_lead
from accounts.models import Invitation, Membership, Project, User
from accounts.rules import COUNTS, may_lead
from accounts.telling import tell

log = structlog.get_logger(__name__)

VALID_FOR = timedelta(days=14)
MOST_OPEN = 50
"""In a project at a time: nobody sends mail to the world through the portal."""


def invite(
    *,
    slug: str,
    username: str = "",
    email: str = "",
    role: str = Membership.Role.MEMBER,
    actor: User,
    now: datetime,
) -> tuple[Invitation, str]:
    """Invite somebody; return the invitation and, for one by address, the secret of its link, told only now.

    Somebody with an account finds the invitation under Projects. Whoever has the link of another can accept
    it once, and it is theirs from then on.
    """
    project = project_of(actor, slug)
    refuse_who_does_not_lead(actor, project)
    invited = _person(username) if username else None
    if invited is not None and Membership.objects.filter(COUNTS, project=project, user=invited).exists():
        raise AlreadyThere(_("%(person)s is in %(project)s already.") % {"person": invited, "project": project})
    secret = "" if invited is not None else secrets.token_urlsafe(32)
    with transaction.atomic():
        Project.objects.select_for_update(no_key=True).get(pk=project.pk)
        _close_the_expired(project, now)
        if project.invitations.filter(over_at=None).count() >= MOST_OPEN:
            raise TooMany(
                _("%(project)s has %(count)d open invitations; withdraw some of them first.")
                % {"project": project, "count": MOST_OPEN}
            )
        try:
            with transaction.atomic():
                invitation = Invitation.objects.create(
                    project=project,
                    invited=invited,
                    email="" if invited is not None else email,
                    role=role,
                    digest=_digest(secret) if secret else "",
                    made_by=actor,
                    made_at=now,
                    expires_at=now + VALID_FOR,
                )
        except IntegrityError as error:
            raise AlreadyThere(
                _("%(person)s is invited already; the invitation waits under Projects.") % {"person": invited}
            ) from error
        record(project, invited, What.INVITED, actor=actor, now=now, words=invitation.email)
        if invited is not None:
            tell(
                invited,
                key=f"invitation:{invitation.pk}",
                subject=_("You are invited into %(project)s") % {"project": project},
                body=_("%(actor)s invites you into the project %(project)s. Answer under Projects.")
                % {"actor": actor, "project": project},
                now=now,
            )
    return invitation, secret


def mail_link(invitation: Invitation, link: str) -> bool:
    """Send the link to the invited address; return whether it went out.

    Not by way of the outbox: what is kept there would hold a secret that opens the project.
    """
    words = {"project": invitation.project, "actor": invitation.made_by, "link": link}
    try:
        send_mail(
            _("You are invited into %(project)s") % words,
            _(
                "%(actor)s invites you into the project %(project)s.\n\n%(link)s\n\n"
                "The link works once, for two weeks. If you do not know what this is about, ignore it."
            )
            % words,
            None,
            [invitation.email],
        )
    except OSError as error:
        log.warning("invitation.not_mailed", invitation=str(invitation.pk), error=str(error))
        return False
    return True


def invitations_for(user: User, now: datetime) -> list[Invitation]:
    """Return the invitations that wait for the person's answer."""
    found = Invitation.objects.filter(invited=user, over_at=None, expires_at__gt=now)
    return list(found.select_related("project__organisation", "made_by"))


def invitation_of_link(secret: str, now: datetime) -> Invitation:
    """Return the invitation behind a link, as long as it can be accepted."""
    found = Invitation.objects.select_related("project__organisation", "made_by")
    invitation = found.filter(digest=_digest(secret)).first()
    if invitation is None:
        raise NotThere(_("This link is not known. Ask who sent it for a new one."))
    _refuse_what_is_over(invitation, now)
    return invitation


def accept(*, actor: User, now: datetime, invitation_id: UUID | None = None, secret: str = "") -> Membership:
    """Accept an invitation: one's own, or the one behind a link. It binds to who accepts it, once."""
    with transaction.atomic():
        invitation = _locked(actor, invitation_id, secret)
        _refuse_what_is_over(invitation, now)
        invitation.accepted_by = actor
        _close(invitation, Invitation.Outcome.ACCEPTED, now)
        membership = admit(
            project=invitation.project, user=actor, role=invitation.role, actor=actor, now=now,
            words=_("invited by %(person)s") % {"person": invitation.made_by},
        )  # fmt: skip
        for leader in leaders_of(invitation.project):
            if leader.pk != actor.pk:
                tell(
                    leader,
                    key=f"accepted:{invitation.pk}:{leader.pk}",
                    subject=_("%(person)s joined %(project)s")
                    % {"person": actor, "project": invitation.project},
                    body=_("%(person)s accepted the invitation into %(project)s.")
                    % {"person": actor, "project": invitation.project},
                    now=now,
                )
        return membership


def decline(*, actor: User, now: datetime, invitation_id: UUID | None = None, secret: str = "") -> None:
    """Say no to an invitation; its link is dead."""
    with transaction.atomic():
        invitation = _locked(actor, invitation_id, secret)
        _refuse_what_is_over(invitation, now)
        _close(invitation, Invitation.Outcome.DECLINED, now)
        record(invitation.project, actor, What.DECLINED, actor=actor, now=now)


def withdraw(*, invitation_id: UUID, actor: User, now: datetime) -> None:
    """Take an invitation back; for those who lead the project."""
    with transaction.atomic():
        found = Invitation.objects.select_related("project").select_for_update(of=("self",))
        invitation = found.filter(pk=invitation_id).first()
        if invitation is None or not may_lead(actor, invitation.project):
            raise NotThere(_("There is no such invitation, or it is not yours to take back."))
        _refuse_what_is_over(invitation, now)
        _close(invitation, Invitation.Outcome.WITHDRAWN, now)


def _locked(actor: User, invitation_id: UUID | None, secret: str) -> Invitation:
    found = Invitation.objects.select_related("project", "made_by").select_for_update(of=("self",))
    if secret:
        invitation = found.filter(digest=_digest(secret)).first()
    else:
        invitation = found.filter(pk=invitation_id or uuid4(), invited=actor).first()
    if invitation is None:
        raise NotThere(_("There is no such invitation, or it is for somebody else."))
    return invitation


def _refuse_what_is_over(invitation: Invitation, now: datetime) -> None:
    if not invitation.is_open(now):
        raise InvitationOver(
            _("This invitation into %(project)s was used, taken back, or has expired. Ask for a new one.")
            % {"project": invitation.project}
        )


def _close(invitation: Invitation, outcome: Invitation.Outcome, now: datetime) -> None:
    invitation.outcome, invitation.over_at = outcome, now
    invitation.save(update_fields=["outcome", "over_at", "accepted_by"])


def _close_the_expired(project: Project, now: datetime) -> None:
    project.invitations.filter(over_at=None, expires_at__lte=now).update(over_at=now)


def _person(username: str) -> User:
    person = User.objects.filter(username=username, is_active=True).first()
    if person is None:
        raise NotThere(
            _("Nobody here is called “%(name)s”; invite them by e-mail instead.") % {"name": username}
        )
    return person


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
