"""The wait list: whoever waits longest and can be served has the devices held, is told, and books them.

The hub's tick looks when something came free, and once a minute: devices come back into service too. While
nobody waits it costs one question. An offer is a hold, so nobody is offered what another has booked.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.rules import memberships_of
from reservations.errors import CannotBook, IllegalMove, NotFound, WishRefusal
from reservations.models import Hold, Reservation, WaitingWish
from reservations.policy import MOST_MISSED_OFFERS, MOST_WAITING_WISHES, WAIT_LIST_ROUND_EVERY, WAITING_AT_ONCE
from reservations.selectors.availability import HeldBy
from reservations.services.asks import Ask
from reservations.services.booking import Request, book, project_to_charge, standing_refusal
from reservations.services.choosing import pool_for
from reservations.services.engine.post import tell_freed
from reservations.services.entering import locked_resources
from reservations.services.finding import MARGIN, SlotWish, first_windows, narrowed
from reservations.services.holds import end_holds, enter_hold
from reservations.services.races import is_lost_race
from reservations.services.windows import BookedWindow
from resources.models import Resource

State = WaitingWish.State


def offer_for() -> timedelta:
    """Return how long an offer is held."""
    return timedelta(minutes=settings.SHARY_OFFER_MINUTES)


def join(*, wish: SlotWish, project: str, purpose: str, now: datetime) -> WaitingWish:
    """Put a wish on the wait list. A window of exactly its length is a fixed one."""
    charged = project_to_charge(wish.person, project)
    is_fixed = wish.latest - wish.earliest <= wish.duration
    kinds, names = _kinds_and_names(wish.asks)
    if len(kinds) == 0:
        raise NotFound(_("There is no such resource; look it up in the calendar."))
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=wish.person.pk)
        waiting = WaitingWish.objects.filter(person=wish.person, state__in=WaitingWish.OPEN).count()
        if waiting >= MOST_WAITING_WISHES:
            message = _("You wait for %(count)s things already; leave the list for one of them first.")
            raise CannotBook((WishRefusal(wish=None, reason="limit", message=message % {"count": waiting}),))
        return WaitingWish.objects.create(
            person=wish.person,
            project=charged,
            purpose=purpose.strip(),
            lines=[_kept_line(ask, names) for ask in wish.asks],
            links=sorted(list(tie) for tie in wish.ties),
            sites=sorted(wish.sites),
            barred_sites=sorted(wish.barred_sites),
            kinds=sorted(kinds),
            duration=wish.duration,
            earliest=wish.earliest,
            latest=wish.latest,
            gives_up_at=wish.latest - (wish.duration / 2 if is_fixed else wish.duration),
            created_at=now,
            queued_at=now,
        )


def leave(*, wish_id: UUID, actor: User, now: datetime) -> None:
    """Wait no longer; what is held for it goes to the next. A second time changes nothing."""
    with transaction.atomic():
        wish = _own(wish_id, actor)
        if wish.state in WaitingWish.OPEN:
            _end(wish, State.LEFT, now=now)


def take_offer(*, wish_id: UUID, actor: User, now: datetime) -> Reservation:
    """Book what is held for the wish; a window that has begun begins now."""
    with transaction.atomic():
        wish = _own(wish_id, actor)
        kept = wish.hold
        if wish.state != State.OFFERED or kept is None or not kept.is_open(now):
            raise IllegalMove(_("There is no offer any more; you are told when the next one comes."))
        asks = list(_asks_of_offer(wish, kept))
        made = book(
            Request(
                user=actor,
                project=wish.project.slug,
                purpose=wish.purpose,
                starts_at=kept.starts_at if kept.starts_at > now else None,
                ends_at=kept.ends_at,
                asks=asks,
                ties=_ties_of_offer(wish, kept),
            ),
            now=now,
        )
        wish.reservation = made
        _end(wish, State.BOOKED, now=now)
    return made


def _own(wish_id: UUID, actor: User) -> WaitingWish:
    wish = (
        WaitingWish.objects.select_for_update(of=("self",), no_key=True)
        .select_related("project", "hold")
        .filter(pk=wish_id, person=actor)
        .first()
    )
    if wish is None:
        raise NotFound(_("There is no such wish of yours on the wait list."))
    return wish


def _end(wish: WaitingWish, state: WaitingWish.State, *, now: datetime) -> None:
    if wish.hold_id is not None:
        end_holds([wish.hold_id], outcome=Hold.Outcome.GIVEN_BACK, now=now)
    wish.state, wish.over_at = state, now
    wish.save(update_fields=["state", "over_at", "reservation"])


def _asks_of_offer(wish: WaitingWish, kept: Hold) -> Sequence[Ask]:
    lines = [Ask.from_line(line) for line in wish.lines]
    return [
        Ask(
            resource=held.resource_id,
            parameters=lines[held.line].parameters,
            artefacts=lines[held.line].artefacts,
        )
        for held in kept.held.all()
    ]


def _ties_of_offer(wish: WaitingWish, kept: Hold) -> frozenset[tuple[int, int]]:
    """Return the ties between the named devices, whose places differ from those of the lines."""
    places: dict[int, list[int]] = {}
    for place, held in enumerate(kept.held.all()):
        places.setdefault(held.line, []).append(place)
    return frozenset(
        (a, b)
        for one, other in wish.links
        for a in places.get(one, ())
        for b in places.get(other, ())
        if a != b
    )


def serve_waiting(*, now: datetime) -> int:
    """Offer what came free to those who wait, the first first; return how many offers were made.

    One tick at a time does this, or a second one would serve the second in line with what the first should get.
    """
    if not WaitingWish.objects.filter(state__in=WaitingWish.OPEN).exists():
        return 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtext('shary wait list'))")
        if not cursor.fetchone()[0]:
            return 0
    try:
        settle_offers(now=now)
        return _serve(now=now)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(hashtext('shary wait list'))")


def _serve(*, now: datetime) -> int:
    """Look at those for whose kinds of devices something came free, and at those not looked at for a while."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM reservations_freedtime RETURNING kind")
        freed = sorted({kind for (kind,) in cursor.fetchall()})
    due = Q(looked_at__isnull=True) | Q(looked_at__lte=now - WAIT_LIST_ROUND_EVERY)
    if freed:
        due |= Q(kinds__overlap=freed)
    waiting = WaitingWish.objects.filter(due, state=State.WAITING).order_by("queued_at", "pk")
    return sum(_try_to_serve(key, now=now) for key in waiting.values_list("pk", flat=True)[:WAITING_AT_ONCE])


def _try_to_serve(wish_id: UUID, *, now: datetime) -> bool:
    """Serve one wish in a transaction of its own: no device stays locked for the sake of the next wish."""
    with transaction.atomic():
        wish = (
            WaitingWish.objects.select_for_update(of=("self",), no_key=True, skip_locked=True)
            .select_related("person", "project")
            .filter(pk=wish_id, state=State.WAITING)
            .first()
        )
        if wish is None:
            return False
        wish.looked_at = now
        wish.save(update_fields=["looked_at"])
        return _offer(wish, now=now)


def settle_offers(*, now: datetime) -> None:
    """Take note of offers that were booked, ran out or were displaced, and of wishes whose time passed."""
    with transaction.atomic():
        offered = (
            WaitingWish.objects.select_for_update(of=("self",), no_key=True, skip_locked=True)
            .select_related("hold")
            .filter(state=State.OFFERED)
        )
        for wish in offered:
            if wish.hold is not None and not wish.hold.is_open(now):
                _settle(wish, wish.hold, now=now)
    passed = WaitingWish.objects.filter(state=State.WAITING, gives_up_at__lt=now)
    passed.update(state=State.PASSED, over_at=now)


def _settle(wish: WaitingWish, kept: Hold, *, now: datetime) -> None:
    match kept.outcome:
        case Hold.Outcome.BOOKED | Hold.Outcome.REPLACED:
            wish.state, wish.over_at = State.BOOKED, now
        case Hold.Outcome.DISPLACED:
            wish.state = State.WAITING
        case _:
            end_holds([kept.pk], outcome=Hold.Outcome.LAPSED, now=now)
            wish.missed += 1
            wish.queued_at = now
            wish.state = State.WAITING
            if wish.missed >= MOST_MISSED_OFFERS:
                wish.state, wish.over_at = State.MISSED, now
    wish.save(update_fields=["state", "over_at", "missed", "queued_at"])


def _offer(wish: WaitingWish, *, now: datetime) -> bool:
    """Hold what the wish needs if all of it is free, and tell its person."""
    if not wish.person.is_active or not memberships_of(wish.person).filter(project=wish.project).exists():
        _end(wish, State.LEFT, now=now)
        return False
    wanted = slot_wish_of(wish, now=now)
    # Every hold counts, the person's own too: two wishes of one person are not offered one slot.
    pool = pool_for(
        wanted.asks,
        earliest=wanted.earliest - MARGIN,
        latest=wanted.latest + MARGIN,
        ties=wanted.ties,
        held=HeldBy(now=now),
    )
    window = next(iter(first_windows(narrowed(pool, wanted, now=now), wanted, limit=1)), None)
    if window is None:
        return False
    lines = [line for line, ask in enumerate(wanted.asks) for _each in range(ask.count)]
    booked = BookedWindow(window.starts_at, window.ends_at)
    try:
        with transaction.atomic():
            resources = locked_resources(window.resources, person=None, window=booked, now=now)
            picks = [
                (line, resources[key])
                for line, key in zip(lines, window.resources, strict=True)
                if key in resources
            ]
            if len(picks) < len(lines) or any(
                standing_refusal(line, one, booked, now=now) for line, one in picks
            ):
                return False
            expires_at = now + offer_for()
            kept = enter_hold(wish.person, booked, picks, expires_at=expires_at, is_offer=True, now=now)
    except (IntegrityError, OperationalError) as error:
        if not is_lost_race(error):
            raise
        return False  # somebody booked it meanwhile
    wish.hold, wish.state = kept, State.OFFERED
    wish.save(update_fields=["hold", "state"])
    _tell(wish, kept, [one for _line, one in picks], now=now)
    return True


def slot_wish_of(wish: WaitingWish, *, now: datetime) -> SlotWish:
    """Return what is searched for: from now on, as far as its time has begun."""
    earliest = max(wish.earliest, now)
    return SlotWish(
        person=wish.person,
        asks=[Ask.from_line(line) for line in wish.lines],
        ties=frozenset((one, other) for one, other in wish.links),
        duration=min(wish.duration, wish.latest - earliest) if wish.is_fixed else wish.duration,
        earliest=earliest,
        latest=wish.latest,
        sites=frozenset(wish.sites),
        barred_sites=frozenset(wish.barred_sites),
    )


def _tell(wish: WaitingWish, kept: Hold, devices: Sequence[Resource], *, now: datetime) -> None:
    tell_freed(
        to=wish.person,
        starts_at=kept.starts_at,
        ends_at=kept.ends_at,
        what=", ".join(str(device) for device in devices),
        why=_("Book it on “My desk”."),
        until=kept.expires_at,
        occasion=f"offer:{kept.pk}",
        now=now,
    )


def _kept_line(ask: Ask, names: dict[UUID, str]) -> dict[str, object]:
    line = ask.as_line()
    return line if ask.resource is None else line | {"name": names.get(ask.resource, "")}


def _kinds_and_names(asks: Sequence[Ask]) -> tuple[set[str], dict[UUID, str]]:
    keys = [ask.resource for ask in asks if ask.resource is not None]
    named = list(Resource.objects.select_related("site").filter(pk__in=keys)) if keys else []
    kinds = {resource.kind for resource in named} | {ask.kind for ask in asks if not ask.is_named}
    return kinds, {resource.pk: str(resource) for resource in named}
