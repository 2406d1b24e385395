"""Taking over what a sign-in says, and ending what nobody says any more."""

from datetime import datetime, timedelta
from typing import Protocol

import structlog
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.federation.attributes import Attributes
from accounts.federation.mapping import Verdict, judge
from accounts.memberships import record
from accounts.models import IdentityProvider, Membership, MembershipEvent, Project, User

What = MembershipEvent.What
log = structlog.get_logger(__name__)


class Granter(Protocol):
    """Something above this package that groups give, too: the right to run a site."""

    def preview(self, provider: IdentityProvider, verdict: Verdict) -> list[str]:
        """Say in words what the groups would give."""

    def apply(self, user: User, provider: IdentityProvider, verdict: Verdict) -> None:
        """Give it, and take back what is not given any more."""


GRANTERS: list[Granter] = []
"""Who wants to know what groups somebody is in; packages above this one add themselves."""


@transaction.atomic
def take_attributes(
    *, user: User, provider: IdentityProvider, attributes: Attributes, now: datetime
) -> Verdict:
    """Bring a person to what their provider says now: name, home, memberships, and what is granted above."""
    verdict = judge(provider, attributes)
    _take_person(user, verdict)
    _take_memberships(user, provider, verdict, now)
    for granter in GRANTERS:
        granter.apply(user, provider, verdict)
    return verdict


def _take_person(user: User, verdict: Verdict) -> None:
    user.first_name, user.last_name = verdict.first_name, verdict.last_name
    user.home_organisation = verdict.home_organisation
    # An address that somebody else uses is left out: it links nobody, and tells nobody that it is in use.
    taken = verdict.mail and User.objects.filter(email__iexact=verdict.mail).exclude(pk=user.pk).exists()
    user.email = "" if taken else verdict.mail
    user.save(update_fields=["first_name", "last_name", "home_organisation", "email"])


def _take_memberships(user: User, provider: IdentityProvider, verdict: Verdict, now: datetime) -> None:
    until = now + timedelta(days=provider.memberships_last_days)
    standing = {
        membership.project_id: membership
        for membership in Membership.objects.select_for_update().filter(user=user).order_by("pk")
    }
    for project, role in verdict.memberships.items():
        membership = standing.pop(project.pk, None)
        if membership is None:
            Membership.objects.create(
                user=user, project=project, role=role, source=provider.slug, expires_at=until
            )
            _note_joined(user, project, role, provider, now)
        elif membership.source == provider.slug:
            changed = membership.role != role
            membership.role, membership.expires_at = role, until
            membership.save(update_fields=["role", "expires_at"])
            if changed:
                what = What.BECAME_LEADER if role == Membership.Role.LEADER else What.BECAME_MEMBER
                record(project, user, what, actor=None, now=now, words=str(provider))
    for membership in standing.values():
        if membership.source == provider.slug:
            lose_membership(
                membership,
                because=_("%(provider)s no longer names a group that gives it") % {"provider": provider},
                now=now,
            )


def _note_joined(user: User, project: Project, role: str, provider: IdentityProvider, now: datetime) -> None:
    record(project, user, What.JOINED, actor=None, now=now, words=str(provider))
    if role == Membership.Role.LEADER:
        record(project, user, What.BECAME_LEADER, actor=None, now=now, words=str(provider))


def lose_membership(membership: Membership, *, because: str, now: datetime) -> None:
    """End a membership; the reason is kept for those whose leases end with it."""
    record(
        membership.project,
        membership.user,
        What.REMOVED,
        actor=None,
        now=now,
        words=because,
    )
    log.info("membership.lost", user=membership.user_id, project=membership.project_id, because=because)
    membership.delete()


def end_expired_memberships(*, now: datetime) -> int:
    """End the memberships whose time is over; return how many those were."""
    with transaction.atomic():
        over = list(
            Membership.objects.select_related("user", "project")
            .select_for_update(of=("self",), skip_locked=True)
            .filter(expires_at__lte=now)
            .order_by("pk")
        )
        for membership in over:
            lose_membership(membership, because=_because(membership), now=now)
    return len(over)


def _because(membership: Membership) -> str:
    provider = IdentityProvider.objects.filter(slug=membership.source).first()
    if provider is None:
        return _("it was given until %(day)s") % {"day": f"{membership.expires_at:%d %b %Y}"}
    return _("the last sign-in with %(provider)s is more than %(days)d days ago; sign in again") % {
        "provider": provider,
        "days": provider.memberships_last_days,
    }
