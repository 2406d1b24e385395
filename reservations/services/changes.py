"""Changing a reservation after it was made: extend, shorten, move, end, cancel."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, OperationalError, transaction
from django.db.models import F

from accounts.models import User
from accounts.rules import Role, roles_in
from reservations.errors import CannotBook, IllegalMove, Invalid, NotAllowed, NotFound
from reservations.models import Countersign, Lease, Reservation
from reservations.selectors.visibility import may_change, may_end, may_operate, visible_reservations
from reservations.services.asks import Ask
from reservations.services.booking import standing_refusal
from reservations.services.choosing import cannot_book
from reservations.services.cleaning import begin_release
from reservations.services.engine.doorbell import ring_after_commit
from reservations.services.engine.orders import write_orders
from reservations.services.engine.post import tell_of_reservation, tell_who_wants
from reservations.services.entering import locked_resources
from reservations.services.exclusive import refuse_shared_choices
from reservations.services.gate import move, record_moves
from reservations.services.limits import limit_refusals
from reservations.services.races import is_lost_race
from reservations.services.second_person import confirm, second_person
from reservations.services.windows import BookedWindow, check_length, checked_window
from reservations.services.wiring import allot_vlans, lift_vlans
from reservations.states import HOLDING, Status
from reservations.words import say_moment, zone_of

NOT_STARTED = (Status.REQUESTED, Status.SCHEDULED)
UNDER_WAY = (Status.PROVISIONING, Status.ACTIVE)


def extend(*, reservation_id: UUID, ends_at: datetime, actor: User, now: datetime) -> Reservation:
    """Push the end back, checked like a new booking; all leases of the reservation, or none."""
    reservation, leases = _to_change(reservation_id, actor, may_change, "extend")
    window = _new_end(reservation, ends_at, now)
    if ends_at <= reservation.ends_at:
        raise Invalid({"ends_at": ["This is not later than the present end; shorten it instead."]})
    return _reschedule(reservation, leases, window, actor, now)


def shorten(*, reservation_id: UUID, ends_at: datetime, actor: User, now: datetime) -> Reservation:
    """Bring the end forward; what is given back can be booked by others at once."""
    reservation, leases = _to_change(reservation_id, actor, may_change, "shorten")
    window = _new_end(reservation, ends_at, now)
    if ends_at >= reservation.ends_at:
        raise Invalid({"ends_at": ["This is not earlier than the present end; extend it instead."]})
    return _reschedule(reservation, leases, window, actor, now)


def move_window(
    *, reservation_id: UUID, starts_at: datetime, ends_at: datetime, actor: User, now: datetime
) -> Reservation:
    """Move a reservation of which nothing has started to another window, checked like a new booking."""
    reservation, leases = _to_change(reservation_id, actor, may_change, "move")
    if any(lease.status not in NOT_STARTED for lease in leases):
        raise IllegalMove("It has started; its end can be changed, its start cannot.")
    window = checked_window(starts_at, ends_at, now=now)
    return _reschedule(reservation, leases, window, actor, now)


def end_now(*, reservation_id: UUID, actor: User, now: datetime, words: str = "") -> Reservation:
    """Bring the end to now; the devices are closed, cleaned and given back.

    Somebody of another project needs a second person for it, where the site wants two.
    """
    reservation, leases = _to_change(reservation_id, actor, may_end, "end")
    if all(lease.status in NOT_STARTED for lease in leases):
        raise IllegalMove("It has not started; cancel it instead.")
    return _give_back(reservation, leases, actor, now, reason="Ended early", words=words)


def cancel(*, reservation_id: UUID, actor: User, now: datetime, words: str = "") -> Reservation:
    """Give the reservation up, whatever state it is in; a second time changes nothing.

    Always legal for those whose it is. Somebody of another project needs a second person while it runs, where
    the site wants two.
    """
    reservation, leases = _to_change(reservation_id, actor, may_end, "cancel", may_be_over=True)
    return _give_back(reservation, leases, actor, now, reason="Cancelled", words=words)


def _to_change(
    reservation_id: UUID,
    actor: User,
    may: Callable[[User, Reservation], bool],
    verb: str,
    *,
    may_be_over: bool = False,
) -> tuple[Reservation, list[Lease]]:
    reservation = (
        visible_reservations(actor).select_related("project", "holder").filter(pk=reservation_id).first()
    )
    if reservation is None:
        raise NotFound("There is no such reservation, or it is not yours to see.")
    if not may(actor, reservation):
        raise NotAllowed(f"Only its holder and the leaders of {reservation.project} can {verb} it.")
    leases = [
        lease
        for lease in reservation.leases.select_related("resource__site").order_by("pk")
        if lease.status in HOLDING
    ]
    if not leases and not may_be_over:
        raise IllegalMove("It is over; book anew.")
    return reservation, leases


def _new_end(reservation: Reservation, ends_at: datetime, now: datetime) -> BookedWindow:
    if ends_at.tzinfo is None:
        raise Invalid({"ends_at": ["Give the time with its zone, such as 2030-01-31T14:00:00+01:00."]})
    if ends_at <= now:
        raise Invalid({"ends_at": ["The end is in the past; end it now instead."]})
    check_length(reservation.starts_at, ends_at)
    return BookedWindow(reservation.starts_at, ends_at)


def _reschedule(
    reservation: Reservation, leases: Sequence[Lease], window: BookedWindow, actor: User, now: datetime
) -> Reservation:
    zone = zone_of(actor)
    try:
        with transaction.atomic():
            resources = locked_resources(
                [lease.resource_id for lease in leases], person=actor, window=window, now=now
            )
            leases = list(
                Lease.objects.select_related("resource__site")
                .select_for_update(of=("self",), no_key=True)
                .filter(pk__in=[lease.pk for lease in leases], status__in=[*NOT_STARTED, *UNDER_WAY])
                .order_by("pk")
            )
            if not leases:
                raise IllegalMove("Its devices are being given back already; book anew.")
            longer = window.ends_at > reservation.ends_at or window.starts_at < reservation.starts_at
            refusals = [
                refusal
                for place, lease in enumerate(leases)
                if longer
                and lease.status in NOT_STARTED
                and (refusal := standing_refusal(place, resources[lease.resource_id], window, now=now))
            ]
            if longer or window.starts_at != reservation.starts_at:
                refusals += limit_refusals(
                    project=reservation.project,
                    sites=[lease.resource.site for lease in leases],
                    window=window,
                    now=now,
                    zone=zone,
                    ignoring=[reservation.pk],
                )
            if refusals:
                raise CannotBook(tuple(refusals))
            choices = [(place, lease.parameters, lease.resource) for place, lease in enumerate(leases)]
            refuse_shared_choices(choices, window, zone=zone, ignoring=reservation.pk)
            kept = lift_vlans(reservation)
            _note_change(reservation, leases, window, actor, now)
            _write_window(reservation, leases, window, now)
            allot_vlans(reservation, now=now, zone=zone, kept=kept)
    except (IntegrityError, OperationalError) as error:
        if not is_lost_race(error):
            raise
        asks = [Ask(resource=lease.resource_id) for lease in leases]
        raise cannot_book(
            asks, window, now=now, zone=zone, ignoring=[lease.pk for lease in leases], person=actor
        ) from error
    return reservation


def _note_change(
    reservation: Reservation, leases: Sequence[Lease], window: BookedWindow, actor: User, now: datetime
) -> None:
    """Write the change into the history, and tell the holder; of several in a row the last is told."""
    if window.starts_at != reservation.starts_at:
        what = f"Moved to {say_moment(window.starts_at)}"
    elif window.ends_at > reservation.ends_at:
        what = f"Extended until {say_moment(window.ends_at)}"
    else:
        what = f"Shortened to end at {say_moment(window.ends_at)}"
    by_status: dict[Status, list[UUID]] = {}
    for lease in leases:
        by_status.setdefault(Status(lease.status), []).append(lease.pk)
    for status, keys in by_status.items():
        record_moves(keys, source=status, to=status, now=now, actor=actor, reason=what)
    by = "" if actor.pk == reservation.holder_id else str(actor)
    tell_of_reservation(reservation, "changed", now=now, settles=True, by=by)


def _write_window(
    reservation: Reservation, leases: Sequence[Lease], window: BookedWindow, now: datetime
) -> None:
    reservation.starts_at, reservation.ends_at = window.starts_at, window.ends_at
    reservation.save(update_fields=["starts_at", "ends_at"])
    ids = [lease.pk for lease in leases]
    mine = Lease.objects.filter(pk__in=ids)
    mine.filter(status=Status.REQUESTED).update(
        starts_at=window.starts_at, ends_at=window.ends_at, next_action_at=window.starts_at
    )
    mine.filter(status=Status.SCHEDULED).update(
        starts_at=window.starts_at,
        ends_at=window.ends_at,
        next_action_at=window.starts_at - F("preparation_s") * timedelta(seconds=1),
    )
    mine.filter(status=Status.PROVISIONING).update(ends_at=window.ends_at, revision=F("revision") + 1)
    mine.filter(status=Status.ACTIVE).update(
        ends_at=window.ends_at, next_action_at=window.ends_at, revision=F("revision") + 1
    )
    told = [lease for lease in leases if lease.status in UNDER_WAY]
    if told:
        write_orders(told, verb="hold")
    if window.starts_at <= now:
        ring_after_commit()


def _give_back(
    reservation: Reservation, leases: Sequence[Lease], actor: User, now: datetime, *, reason: str, words: str
) -> Reservation:
    by = f"{reason} by {actor.username}" + (f": {words}" if words else "")
    wish = _second_person(reservation, leases, actor, words, now)
    with transaction.atomic():
        if both := confirm(wish, actor=actor, reason=words, now=now):
            by = f"{reason}, {both}" + (f": {words}" if words else "")
        locked = list(
            Lease.objects.select_related("resource__site")
            .select_for_update(of=("self",), no_key=True)
            .filter(pk__in=[lease.pk for lease in leases])
            .order_by("pk")
        )
        for lease in locked:
            status = Status(lease.status)
            if status in NOT_STARTED:
                move(lease_id=lease.pk, source=status, to=Status.CANCELLED, now=now, actor=actor, reason=by)
            elif status in UNDER_WAY:
                # Ending early is no move of its own: the end comes to now, and what is over is released.
                if lease.starts_at < now < lease.ends_at:
                    Lease.objects.filter(pk=lease.pk).update(ends_at=now)
                begin_release([lease], source=status, reason=by, now=now, actor=actor)
        if reservation.starts_at < now < reservation.ends_at:
            reservation.ends_at = now
            reservation.save(update_fields=["ends_at"])
        _tell_given_back(reservation, locked, actor, now)
    return reservation


def _tell_given_back(reservation: Reservation, leases: Sequence[Lease], actor: User, now: datetime) -> None:
    by = "" if actor.pk == reservation.holder_id else str(actor)
    if leases and all(lease.status in NOT_STARTED for lease in leases):
        tell_of_reservation(reservation, "cancelled", now=now, by=by, settles=True)
    elif by and any(lease.status in UNDER_WAY for lease in leases):
        tell_of_reservation(reservation, "ended", now=now, by=by, is_grave=True)
    else:
        tell_who_wants("ended", {reservation.pk}, now=now)


def _second_person(
    reservation: Reservation, leases: Sequence[Lease], actor: User, words: str, now: datetime
) -> Countersign | None:
    """Ask for a second person before another project's running lease is ended; see `second_person`."""
    own = {Role.MEMBER, Role.LEADER} & roles_in(actor, reservation.project_id)
    if own or reservation.holder_id == actor.pk:
        return None
    for lease in leases:
        site = lease.resource.site
        if lease.status == Status.ACTIVE and site.second_person and may_operate(actor, site):
            return second_person(lease, verb=Countersign.Verb.END, actor=actor, reason=words, now=now)
    return None
