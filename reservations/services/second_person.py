"""What takes two people: one asks for it, and another operator of the site, or a federation manager, confirms."""

from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.models import User
from reservations.errors import IllegalMove, NeedsSecondPerson, NotAllowed, NotFound
from reservations.models import Countersign, Lease
from reservations.policy import CONFIRM_WITHIN
from reservations.selectors.visibility import may_operate
from reservations.services.engine.post import tell_operators
from reservations.words import say_length, say_moment, zone_of

Verb = Countersign.Verb
Answer = Countersign.Answer


def second_person(
    lease: Lease, *, verb: Countersign.Verb, actor: User, reason: str, now: datetime
) -> Countersign | None:
    """Return the wish that the actor confirms, or None where the site leaves it to one person.

    Raises `NeedsSecondPerson`, having noted the wish, for whoever asks first. To be called outside of the
    transaction that does it, which then calls `confirm`.
    """
    site = lease.resource.site
    if not site.second_person:
        return None
    forget_late(now=now, lease=lease)
    wish = _open(lease, verb)
    if wish is None:
        wish = _note(lease, verb=verb, actor=actor, reason=reason, now=now)
    if wish.asked_by_id != actor.pk:
        return wish
    until = say_moment(wish.expires_at, zone_of(actor))
    raise NeedsSecondPerson(
        _(
            "Noted, and not done yet: another operator of %(site)s, or a federation manager, has to confirm it"
            " by %(until)s. It waits for them under “Today”."
        )
        % {"site": site, "until": until}
    )


def confirm(wish: Countersign | None, *, actor: User, reason: str, now: datetime) -> str:
    """Note, in the transaction that does it, that a second person wants it; return what to say of the two."""
    if wish is None:
        return ""
    changed = Countersign.objects.filter(pk=wish.pk, answer="").update(
        answer=Answer.CONFIRMED, answered_by=actor, answered_at=now, words=reason
    )
    if not changed:
        raise IllegalMove(_("This was answered meanwhile; look at the page again."))
    return _("asked for by %(first)s, confirmed by %(second)s") % {
        "first": wish.asked_by.username,
        "second": actor.username,
    }


def refuse(*, wish_id: UUID, actor: User, reason: str, now: datetime) -> Countersign:
    """Say no to what somebody asked for, or take one's own wish back."""
    wish = Countersign.objects.select_related("lease__resource__site").filter(pk=wish_id).first()
    if wish is None:
        raise NotFound(_("There is no such wish."))
    site = wish.lease.resource.site
    if not may_operate(actor, site):
        raise NotAllowed(_("Only an operator of %(site)s can answer it.") % {"site": site})
    changed = Countersign.objects.filter(pk=wish.pk, answer="").update(
        answer=Answer.REFUSED, answered_by=actor, answered_at=now, words=reason
    )
    if not changed:
        raise IllegalMove(_("This was answered meanwhile; look at the page again."))
    return wish


def forget_late(*, now: datetime, lease: Lease) -> None:
    """Close wishes that nobody confirmed in time."""
    Countersign.objects.filter(lease=lease, answer="", expires_at__lte=now).update(
        answer=Answer.REFUSED, answered_at=now, words=_("Nobody confirmed it in time.")
    )


def _open(lease: Lease, verb: Countersign.Verb) -> Countersign | None:
    return Countersign.objects.select_related("asked_by").filter(lease=lease, verb=verb, answer="").first()


def _note(lease: Lease, *, verb: Countersign.Verb, actor: User, reason: str, now: datetime) -> Countersign:
    try:
        with transaction.atomic():
            wish = Countersign.objects.create(
                lease=lease,
                verb=verb,
                reason=reason,
                asked_by=actor,
                asked_at=now,
                expires_at=now + CONFIRM_WITHIN,
            )
            tell_operators(
                lease.resource,
                f"{lease.resource} needs a second person",
                f"{actor} wants: {wish.get_verb_display().lower()} ({lease.resource}, {lease.reservation.project})."
                f"\nWhy: {reason or 'no reason was given'}\n\nConfirm or refuse it under “Today” at the desk within"
                f" {say_length(CONFIRM_WITHIN)}.",
                now=now,
            )
            return wish
    except IntegrityError:
        other = _open(lease, verb)  # somebody was quicker
        if other is None:
            raise
        return other
