"""Asking to be let into a project, and deciding on it."""

from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.errors import InvitationOver, NotThere, TooMany
from accounts.memberships import What, admit, leaders_of, record
from accounts.models import JoinRequest, Membership, Project, User
from accounts.rules import COUNTS, may_lead
from accounts.telling import tell

MOST_OPEN = 10
"""Of one person at a time."""


def ask_to_join(*, slug: str, words: str = "", actor: User, now: datetime) -> None:
    """Ask the leaders of a project to be let in.

    Says nothing of whether there is such a project, whether one asked before, or whether one is in it: names of
    projects are for those who know them.
    """
    if JoinRequest.objects.filter(user=actor, over_at=None).count() >= MOST_OPEN:
        raise TooMany(
            _("%(count)d of your requests wait for an answer; withdraw one of them first.")
            % {"count": MOST_OPEN}
        )
    project = Project.objects.filter(slug=slug).first()
    if project is None or Membership.objects.filter(COUNTS, project=project, user=actor).exists():
        return
    try:
        with transaction.atomic():
            request = JoinRequest.objects.create(project=project, user=actor, words=words, made_at=now)
            record(project, actor, What.ASKED, actor=actor, now=now, words=words)
            for leader in leaders_of(project):
                tell(
                    leader,
                    key=f"join:{request.pk}:{leader.pk}",
                    subject=_("%(person)s asks to join %(project)s") % {"person": actor, "project": project},
                    body=_(
                        "%(person)s (%(email)s) asks to join %(project)s: %(words)s\n\nDecide under Projects."
                    )
                    % {"person": actor, "email": actor.email, "project": project, "words": words or "–"},
                    now=now,
                )
    except IntegrityError:
        return  # asked before, and not yet answered


def approve_request(*, request_id: UUID, actor: User, now: datetime) -> Membership:
    """Let somebody in who asked; for those who lead the project."""
    with transaction.atomic():
        request = _to_decide(request_id, actor)
        _close(request, JoinRequest.Outcome.APPROVED, actor, now)
        membership = admit(
            project=request.project, user=request.user, actor=actor, now=now, words=_("asked to join")
        )
        _answer(request, _("You are in %(project)s now"), now)
        return membership


def decline_request(*, request_id: UUID, actor: User, now: datetime) -> None:
    """Do not let somebody in who asked; for those who lead the project."""
    with transaction.atomic():
        request = _to_decide(request_id, actor)
        _close(request, JoinRequest.Outcome.DECLINED, actor, now)
        record(request.project, request.user, What.REFUSED, actor=actor, now=now)
        _answer(request, _("You were not let into %(project)s"), now)


def withdraw_request(*, request_id: UUID, actor: User, now: datetime) -> None:
    """Take one's own request back."""
    with transaction.atomic():
        found = JoinRequest.objects.select_for_update(of=("self",)).filter(pk=request_id, user=actor)
        request = found.filter(over_at=None).first()
        if request is None:
            raise NotThere(_("There is no such request of yours that waits for an answer."))
        _close(request, JoinRequest.Outcome.WITHDRAWN, actor, now)


def _to_decide(request_id: UUID, actor: User) -> JoinRequest:
    found = JoinRequest.objects.select_related("project", "user").select_for_update(of=("self",))
    request = found.filter(pk=request_id).first()
    if request is None or not may_lead(actor, request.project):
        raise NotThere(_("There is no such request, or it is not yours to decide."))
    if request.over_at is not None:
        raise InvitationOver(_("This request was answered or taken back already."))
    return request


def _close(request: JoinRequest, outcome: JoinRequest.Outcome, actor: User, now: datetime) -> None:
    request.outcome, request.over_at, request.decided_by = outcome, now, actor
    request.save(update_fields=["outcome", "over_at", "decided_by"])


def _answer(request: JoinRequest, subject: str, now: datetime) -> None:
    tell(
        request.user,
        key=f"joined:{request.pk}",
        subject=subject % {"project": request.project},
        body=_("%(person)s answered your request to join %(project)s.")
        % {"person": request.decided_by, "project": request.project},
        now=now,
    )
