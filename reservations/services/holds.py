"""Holds: devices kept free for some minutes while somebody makes up their mind.

A hold stands in the same ledger as bookings, so no way to book can overlook it. It ends by being booked, given
back or replaced by its holder, by running out, or by maintenance. One that has run out stands in nobody's way:
searches leave it out, and whoever books ends it with the statement that locks the devices.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import User
from accounts.rules import memberships_of
from reservations.errors import CannotBook, IllegalMove, NotAllowed, NotFound, WishRefusal
from reservations.models import HeldResource, Hold
from reservations.policy import HELD_AT_MOST, HELD_IS_FORGOTTEN_AFTER, HOLD_RENEWALS, KEEP_HOLDS, MOST_HOLDS
from reservations.selectors.availability import HeldBy
from reservations.services.asks import Ask, check_asks
from reservations.services.booking import TRIES, standing_refusal
from reservations.services.choosing import cannot_book, pool_for
from reservations.services.entering import locked_resources
from reservations.services.races import is_lost_race, is_taken
from reservations.services.windows import BookedWindow, checked_window
from reservations.services.wiring import check_ties, refuse_parted
from reservations.words import say_length, say_moment, zone_of
from resources.models import Resource
from scheduling.wiring import Ties


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldRequest:
    """What somebody wants to have kept free."""

    user: User
    starts_at: datetime | None
    ends_at: datetime
    asks: Sequence[Ask]
    ties: Ties = frozenset()
    instead_of: UUID | None = None
    """A hold of theirs that this one takes the place of."""


def hold_for() -> timedelta:
    """Return how long a hold lasts without being renewed."""
    return timedelta(minutes=settings.SHARY_HOLD_MINUTES)


def hold(request: HoldRequest, *, now: datetime) -> Hold:
    """Keep everything that is asked for free of others for some minutes, or nothing.

    Raises what a booking would raise. Own holds in the way of the window are replaced.
    """
    window = checked_window(request.starts_at, request.ends_at, now=now)
    check_asks(request.asks)
    check_ties(request.ties, lines=len(request.asks))
    zone = zone_of(request.user)
    if not memberships_of(request.user).exists():
        raise NotAllowed(_("You are in no project that could book this; ask the leader of one to add you."))
    for _attempt in range(TRIES):
        chosen = _chosen(request, window, now=now, zone=zone)
        try:
            with transaction.atomic():
                return _enter(request, window, chosen, now=now, zone=zone)
        except (IntegrityError, OperationalError) as error:
            if not is_lost_race(error):
                raise
            if is_taken(error) and all(ask.is_named for ask in request.asks):
                break
    raise cannot_book(request.asks, window, now=now, zone=zone, ties=request.ties, person=request.user)


def renew_hold(*, hold_id: UUID, actor: User, now: datetime) -> Hold:
    """Let a hold last for as long again from now; a few times only."""
    with transaction.atomic():
        kept = _own(actor).select_for_update(no_key=True).filter(pk=hold_id).first()
        if kept is None:
            raise NotFound(_("There is no such hold of yours."))
        if not kept.is_open(now):
            raise IllegalMove(_("This hold is over; ask for it again, or book at once."))
        if kept.is_offer:
            raise IllegalMove(_("An offer of the wait list cannot be renewed; book it before it runs out."))
        if kept.renewals >= HOLD_RENEWALS:
            raise IllegalMove(
                _("This hold was renewed %(times)s times already; book now, or let others have it.")
                % {"times": HOLD_RENEWALS}
            )
        kept.renewals += 1
        kept.expires_at = now + hold_for()
        kept.save(update_fields=["renewals", "expires_at"])
    return kept


def give_back_hold(*, hold_id: UUID, actor: User, now: datetime) -> None:
    """Let others have it; one that is over already changes nothing."""
    if not _own(actor).filter(pk=hold_id).exists():
        raise NotFound(_("There is no such hold of yours."))
    end_holds([hold_id], outcome=Hold.Outcome.GIVEN_BACK, now=now)


def end_holds(hold_ids: Sequence[UUID], *, outcome: Hold.Outcome, now: datetime) -> int:
    """End those of the holds that are not over yet; return how many."""
    return Hold.objects.filter(pk__in=hold_ids, over_at__isnull=True).update(over_at=now, outcome=outcome)


_LAPSE = """
UPDATE reservations_hold SET over_at = expires_at, outcome = 'lapsed'
WHERE id IN (SELECT id FROM reservations_hold WHERE over_at IS NULL AND expires_at <= %s
             ORDER BY id FOR NO KEY UPDATE SKIP LOCKED)
"""


def let_holds_lapse(*, now: datetime) -> int:
    """End the holds that have run out; return how many. Waits for nobody."""
    with connection.cursor() as cursor:
        cursor.execute(_LAPSE, [now])
        return int(cursor.rowcount)


def forget_holds(*, now: datetime) -> None:
    """Drop holds that were over long ago."""
    Hold.objects.filter(over_at__lt=now - KEEP_HOLDS).delete()


def enter_hold(
    holder: User,
    window: BookedWindow,
    resources: Sequence[tuple[int, Resource]],
    *,
    expires_at: datetime,
    is_offer: bool,
    now: datetime,
) -> Hold:
    """Enter a hold and its devices; the database raises if somebody has one of them."""
    kept = Hold.objects.create(
        holder=holder,
        starts_at=window.starts_at,
        ends_at=window.ends_at,
        created_at=now,
        expires_at=expires_at,
        is_offer=is_offer,
    )
    # One statement, so that the database enters them all in the order in which bookings do.
    HeldResource.objects.bulk_create(
        HeldResource(
            hold=kept,
            resource=resource,
            line=line,
            preparation_s=resource.preparation_s,
            cleanup_s=resource.cleanup_s,
        )
        for line, resource in resources
    )
    return kept


def _own(actor: User) -> QuerySet[Hold]:
    return Hold.objects.filter(holder=actor)


def _chosen(request: HoldRequest, window: BookedWindow, *, now: datetime, zone: str) -> list[tuple[int, UUID]]:
    asks = request.asks
    if all(ask.is_named for ask in asks):
        return [(place, ask.resource) for place, ask in enumerate(asks) if ask.resource is not None]
    pool = pool_for(
        asks,
        earliest=window.starts_at - timedelta(days=1),
        latest=window.ends_at + timedelta(days=1),
        ties=request.ties,
        held=HeldBy(now=now, by_others_than=request.user),
    )
    lines = pool.choose(window)
    if lines is None:
        raise cannot_book(asks, window, now=now, zone=zone, ties=request.ties, person=request.user)
    return [(place, resource.pk) for place, line in enumerate(lines) for resource in line]


def _enter(
    request: HoldRequest,
    window: BookedWindow,
    chosen: Sequence[tuple[int, UUID]],
    *,
    now: datetime,
    zone: str,
) -> Hold:
    # The person's row stands for the sum of their holds: two requests of one person wait for each other.
    User.objects.select_for_update(no_key=True).get(pk=request.user.pk)
    if request.instead_of is not None:
        _own(request.user).filter(pk=request.instead_of, over_at__isnull=True, is_offer=False).update(
            over_at=now, outcome=Hold.Outcome.REPLACED
        )
    keys = [key for _place, key in chosen]
    resources = locked_resources(
        keys, person=request.user, window=window, now=now, outcome=Hold.Outcome.REPLACED
    )
    refusals = [_unknown(place, key) for place, key in chosen if key not in resources]
    if not refusals:
        standing = (standing_refusal(place, resources[key], window, now=now) for place, key in chosen)
        refusals = [refusal for refusal in standing if refusal is not None]
    refusals += _hoarding(request.user, keys, now=now, zone=zone)
    if refusals:
        raise CannotBook(tuple(refusals))
    picks = [(place, resources[key]) for place, key in chosen]
    refuse_parted(picks, request.ties)
    return enter_hold(request.user, window, picks, expires_at=now + hold_for(), is_offer=False, now=now)


def _unknown(place: int, key: UUID) -> WishRefusal:
    return WishRefusal(
        wish=place,
        reason="unknown",
        message=_("There is no such resource; look it up in the calendar."),
        resource=key,
        never=True,
    )


_HELD_OF_LATE = """
SELECT r.id, r.name, sum(least(coalesce(h.over_at, %(now)s), h.expires_at, %(now)s) - h.created_at), min(h.created_at)
FROM reservations_hold h JOIN reservations_heldresource held ON held.hold_id = h.id
JOIN resources_resource r ON r.id = held.resource_id
WHERE h.holder_id = %(person)s AND NOT h.is_offer AND held.resource_id = ANY(%(keys)s)
  AND h.created_at > %(since)s AND h.outcome <> 'booked'
GROUP BY r.id, r.name
"""


def _hoarding(user: User, keys: Sequence[UUID], *, now: datetime, zone: str) -> list[WishRefusal]:
    """Return why the person has held enough: too many things at once, or one thing for too long."""
    refusals = []
    count = _own(user).filter(over_at__isnull=True, expires_at__gt=now, is_offer=False).count()
    if count >= MOST_HOLDS:
        message = ngettext(
            "You hold %(count)s thing already; book it or give it back first.",
            "You hold %(count)s things already; book one or give it back first.",
            count,
        )
        refusals.append(WishRefusal(wish=None, reason="limit", message=message % {"count": count}))
    with connection.cursor() as cursor:
        cursor.execute(
            _HELD_OF_LATE,
            {"person": user.pk, "keys": list(keys), "now": now, "since": now - HELD_IS_FORGOTTEN_AFTER},
        )
        rows = cursor.fetchall()
    for key, name, held, since in rows:
        if held >= HELD_AT_MOST:
            message = _(
                "You have held %(device)s for %(length)s of late and not booked it. Book it now, or hold it"
                " again after %(moment)s."
            ) % {
                "device": name,
                "length": say_length(held),
                "moment": say_moment(since + HELD_IS_FORGOTTEN_AFTER, zone),
            }
            refusals.append(
                WishRefusal(
                    wish=None,
                    reason="limit",
                    message=message,
                    resource=key,
                    resource_name=name,
                    until=since + HELD_IS_FORGOTTEN_AFTER,
                )
            )
    return refusals
