"""What stands on a person's own desk beside their reservations: what needs an answer, and what is left to book."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.invitations import invitations_for
from accounts.models import JoinRequest, Membership, Project, User
from reservations.models import Lease, Rehearsal
from reservations.services.limits import Use, use_of
from reservations.states import Status
from reservations.words import say_length

NOT_OVER = (Status.REQUESTED, Status.SCHEDULED, Status.PROVISIONING, Status.ACTIVE)
MOST_PROJECTS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Something that waits for the person."""

    words: str
    address: str
    verb: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What a project has booked, and what it may."""

    project: Project
    booked: str
    left: str
    """Empty without a limit."""
    share_percent: int | None
    reservations: int
    most_reservations: int | None


def needs_of(user: User, *, now: datetime) -> list[Need]:
    """Return what waits for the person, the most pressing first; a few questions, however much there is."""
    needs = []
    if user.may_enter_desk and not user.rights_count:
        needs.append(
            Need(
                words=_("Your rights over what is others’ count only with a second factor."),
                address="/account/security/",
                verb=_("Set it up"),
            )
        )
    mine = Lease.objects.filter(reservation__holder=user, status__in=NOT_OVER, ends_at__gt=now)
    failing = Rehearsal.objects.filter(
        lease__reservation__holder=user,
        lease__status__in=[Status.REQUESTED, Status.SCHEDULED],
        state=Rehearsal.State.FAILED,
    ).select_related("lease__resource__site")
    needs += [
        Need(
            words=_("%(device)s would fail with the files that it has.") % {"device": each.lease.resource},
            address=f"/reservations/{each.lease.reservation_id}/",
            verb=_("Give better ones"),
        )
        for each in failing[:5]
    ]
    if not user.ssh_keys.exists() and mine.filter(resource__kind__startswith="gpu").exists():
        needs.append(
            Need(
                words=_("You have no ssh key: devices that are reached by ssh would not let you in."),
                address="/account/keys/",
                verb=_("Add one"),
            )
        )
    waiting = Lease.objects.filter(
        status=Status.REQUESTED, resource__site__operatorships__user=user, starts_at__gt=now
    ).count()
    if waiting:
        words = ngettext(
            "%(count)s lease waits for your approval.", "%(count)s leases wait for your approval.", waiting
        )
        needs.append(Need(words=words % {"count": waiting}, address="/admin/", verb=_("Look")))
    needs += [
        Need(
            words=_("You are invited into “%(project)s”.") % {"project": each.project},
            address="/projects/",
            verb=_("Answer"),
        )
        for each in invitations_for(user, now)
    ]
    asked = JoinRequest.objects.filter(
        over_at=None, project__memberships__user=user, project__memberships__role=Membership.Role.LEADER
    ).count()
    if asked:
        words = ngettext(
            "%(count)s person asks to join a project of yours.",
            "%(count)s people ask to join projects of yours.",
            asked,
        )
        needs.append(Need(words=words % {"count": asked}, address="/projects/", verb=_("Answer")))
    return needs


def budgets_of(user: User, *, now: datetime) -> list[Budget]:
    """Return what each of the person's projects has booked and may still book."""
    return [
        _budget(project, use_of(project, now=now).get(None, Use()))
        for project in user.projects.order_by("name")[:MOST_PROJECTS]
    ]


def _budget(project: Project, use: Use) -> Budget:
    most = project.most_booked
    return Budget(
        project=project,
        booked=say_length(use.booked) if use.booked else "",
        left="" if most is None else say_length(max(most - use.booked, timedelta())),
        share_percent=None if most is None else min(100, round(100 * (use.booked / most))),
        reservations=use.reservations,
        most_reservations=project.most_open_reservations,
    )
