"""Giving a reservation to a colleague: the holder offers it and the colleague accepts; leaders assign it."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import override

from accounts.models import User
from accounts.rules import COUNTS, Role, federation_roles, roles_in
from reservations.errors import IllegalMove, Invalid, NotAllowed, NotFound
from reservations.models import Handover, Lease, LeaseEvent, OutgoingMail, Reservation
from reservations.selectors.visibility import may_change, visible_reservations
from reservations.services.engine.orders import write_orders
from reservations.states import Status
from reservations.words import say_moment, zone_of

NOT_STARTED = (Status.REQUESTED, Status.SCHEDULED)
UNDER_WAY = (Status.PROVISIONING, Status.ACTIVE)


def offer(
    *, reservation_id: UUID, receiver: str, actor: User, now: datetime, at_once: bool = False
) -> Handover:
    """Offer a reservation to a member of its project; leaders may assign it at once.

    An earlier offer that waits is withdrawn. Raises `IllegalMove` once there is nothing left to give.
    """
    reservation = _to_give(reservation_id, actor)
    colleague = colleagues_of(reservation).filter(username=receiver).first()
    if colleague is None:
        raise Invalid(
            {
                "to": [
                    _("%(name)s is no other member of %(project)s; a leader can add them.")
                    % {"name": receiver, "project": reservation.project}
                ]
            }
        )
    if at_once and not may_assign(actor, reservation):
        raise NotAllowed(
            _("Only leaders of %(project)s assign reservations; offer it, and %(name)s can accept.")
            % {"project": reservation.project, "name": colleague}
        )
    with transaction.atomic():
        _lock(reservation)
        Handover.objects.filter(reservation=reservation, outcome=Handover.Outcome.WAITING).update(
            outcome=Handover.Outcome.WITHDRAWN, answered_at=now
        )
        handover = Handover.objects.create(
            reservation=reservation,
            giver=reservation.holder,
            receiver=colleague,
            asked_by=actor,
            asked_at=now,
        )
        if at_once:
            _conclude(handover, actor=actor, now=now)
        else:
            _changed(reservation)
            with override(colleague.language or "en"):
                subject = _("%(giver)s offers you “%(what)s”") % _names(handover)
                words = _("%(window)s. Accept or decline it on its page, under My desk.") % {
                    "window": _window(handover, colleague)
                }
                _tell(colleague, handover, subject, words, now=now)
    return handover


def accept(*, handover_id: int, actor: User, now: datetime) -> Handover:
    """Take over a reservation that was offered: from now on the actor holds it."""
    with transaction.atomic():
        handover = _waiting(handover_id, actor, lambda found: found.receiver_id == actor.pk)
        if not colleagues_of(handover.reservation).filter(pk=actor.pk).exists():
            raise NotAllowed(_("You are no member of %(project)s any more.") % _names(handover))
        _conclude(handover, actor=actor, now=now)
    return handover


def decline(*, handover_id: int, actor: User, now: datetime) -> Handover:
    """Leave a reservation that was offered with who holds it."""
    with transaction.atomic():
        handover = _waiting(handover_id, actor, lambda found: found.receiver_id == actor.pk)
        _answer(handover, Handover.Outcome.DECLINED, now=now)
        _changed(handover.reservation)
        with override(handover.giver.language or "en"):
            subject = _("%(receiver)s did not take over “%(what)s”") % _names(handover)
            words = _("It stays with you: %(window)s.") % {"window": _window(handover, handover.giver)}
            _tell(handover.giver, handover, subject, words, now=now)
    return handover


def withdraw(*, handover_id: int, actor: User, now: datetime) -> Handover:
    """Take an offer back before it was accepted."""
    with transaction.atomic():
        handover = _waiting(handover_id, actor, lambda found: may_change(actor, found.reservation))
        _answer(handover, Handover.Outcome.WITHDRAWN, now=now)
        _changed(handover.reservation)
    return handover


def colleagues_of(reservation: Reservation) -> QuerySet[User]:
    """Return the other people of the project, to whom it can be given."""
    members = reservation.project.memberships.filter(COUNTS).values("user")
    return User.objects.filter(pk__in=members, is_active=True).exclude(pk=reservation.holder_id)


def may_assign(actor: User, reservation: Reservation) -> bool:
    """Whether the actor may give a reservation to somebody without asking them."""
    roles = roles_in(actor, reservation.project_id) | federation_roles(actor)
    return bool(roles & {Role.LEADER, Role.MANAGER})


def _to_give(reservation_id: UUID, actor: User) -> Reservation:
    found = visible_reservations(actor).select_related("project", "holder")
    reservation = found.filter(pk=reservation_id).first()
    if reservation is None:
        raise NotFound(_("There is no such reservation, or it is not yours to see."))
    if not may_change(actor, reservation):
        raise NotAllowed(
            _("Only its holder and the leaders of %(project)s can hand it over.")
            % {"project": reservation.project}
        )
    if not reservation.leases.filter(status__in=[*NOT_STARTED, *UNDER_WAY]).exists():
        raise IllegalMove(_("It is over; there is nothing left to hand over."))
    return reservation


def _lock(reservation: Reservation) -> list[Lease]:
    """Lock what is still held of the reservation, so that nothing starts or ends meanwhile."""
    return list(
        Lease.objects.select_related("resource")
        .select_for_update(of=("self",), no_key=True)
        .filter(reservation=reservation, status__in=[*NOT_STARTED, *UNDER_WAY])
        .order_by("pk")
    )


def _waiting(handover_id: int, actor: User, may: Callable[[Handover], bool]) -> Handover:
    found = (
        Handover.objects.select_related("reservation__project", "reservation__holder", "giver", "receiver")
        .filter(pk=handover_id, reservation__in=visible_reservations(actor).values("pk"))
        .first()
    )
    if found is None or not may(found):
        raise NotFound(_("There is no such offer, or it is not for you."))
    _lock(found.reservation)
    found.refresh_from_db(fields=["outcome"])
    if found.outcome != Handover.Outcome.WAITING:
        raise IllegalMove(
            _("This offer was answered already: %(outcome)s.") % {"outcome": found.get_outcome_display()}
        )
    return found


def _answer(handover: Handover, outcome: Handover.Outcome, *, now: datetime) -> None:
    handover.outcome, handover.answered_at = outcome, now
    handover.save(update_fields=["outcome", "answered_at"])


def _conclude(handover: Handover, *, actor: User, now: datetime) -> None:
    """Make the receiver the holder; the sites take out the keys of the giver and put in the receiver's."""
    reservation = handover.reservation
    leases = _lock(reservation)
    if not leases:
        raise IllegalMove(_("It is over; there is nothing left to hand over."))
    _answer(handover, Handover.Outcome.ACCEPTED, now=now)
    Reservation.objects.filter(pk=reservation.pk).update(holder=handover.receiver)
    reservation.holder = handover.receiver
    reason = f"Handed over by {handover.giver.username} to {handover.receiver.username}"
    if actor.pk not in (handover.giver_id, handover.receiver_id):
        reason += f", assigned by {actor.username}"
    LeaseEvent.objects.bulk_create(
        LeaseEvent(lease=lease, at=now, actor=actor, source=lease.status, to=lease.status, reason=reason)
        for lease in leases
    )
    running = [lease for lease in leases if lease.status in UNDER_WAY]
    if running:
        Lease.objects.filter(pk__in=[lease.pk for lease in running]).update(revision=F("revision") + 1)
        write_orders(running, verb="hold")
    _changed(reservation)
    with override(handover.receiver.language or "en"):
        subject = _("You hold “%(what)s” now") % _names(handover)
        words = _("%(window)s. Your ssh keys are put on its devices, and those of %(giver)s taken off.") % {
            "window": _window(handover, handover.receiver),
            "giver": handover.giver,
        }
        _tell(handover.receiver, handover, subject, words, now=now)
    with override(handover.giver.language or "en"):
        subject = _("%(receiver)s holds “%(what)s” now") % _names(handover)
        words = _("It was yours: %(window)s. Your ssh keys are taken off its devices.") % {
            "window": _window(handover, handover.giver)
        }
        _tell(handover.giver, handover, subject, words, now=now)


def _changed(reservation: Reservation) -> None:
    """Let pages that watch the reservation know."""
    Reservation.objects.filter(pk=reservation.pk).update(version=F("version") + 1)


def _names(handover: Handover) -> dict[str, object]:
    reservation = handover.reservation
    return {
        "giver": handover.giver,
        "receiver": handover.receiver,
        "what": reservation.purpose or _("Reservation"),
        "project": reservation.project,
    }


def _window(handover: Handover, reader: User) -> str:
    zone = zone_of(reader)
    return (
        f"{say_moment(handover.reservation.starts_at, zone)} – {say_moment(handover.reservation.ends_at, zone)}"
    )


def _tell(to: User, handover: Handover, subject: str, words: str, *, now: datetime) -> None:
    mail = OutgoingMail(
        dedupe_key=f"handover:{handover.pk}:{handover.outcome}:{to.pk}",
        to=to,
        subject=" ".join(subject.split())[:200],
        body=f"{words}\n",
        next_try_at=now,
    )
    OutgoingMail.objects.bulk_create([mail], ignore_conflicts=True)
