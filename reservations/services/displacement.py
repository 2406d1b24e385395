"""Maintenance that displaces: planned with whom it displaces, carried out at once, and taken back until it begins."""

from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, OperationalError, transaction
from django.db.models import F
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.rules import Role, roles_in
from reservations.errors import IllegalMove, Invalid, LeasesInTheWay, NotAllowed, NotFound, Refusal
from reservations.messages.words import one_line
from reservations.models import Displacement, Lease, MaintenancePlan, Reservation
from reservations.selectors.displaced import NOT_STARTED, Displaced, Outlook, outlook
from reservations.selectors.visibility import may_operate
from reservations.services.asks import Ask
from reservations.services.booking import Request, book
from reservations.services.cleaning import begin_release
from reservations.services.engine.orders import write_orders
from reservations.services.engine.post import tell_holder
from reservations.services.gate import move
from reservations.services.moving import move_to
from reservations.services.races import is_lost_race
from reservations.states import Status
from reservations.words import say_moment, zone_of
from resources.models import MaintenanceWindow, Resource, Site

Fate = Displacement.Fate
State = MaintenancePlan.State


def plan_displacing(
    *,
    site: Site,
    resource_ids: Collection[UUID],
    starts_at: datetime,
    ends_at: datetime,
    reason: str,
    ends_running: bool,
    choices: Mapping[str, str],
    actor: User,
    now: datetime,
) -> MaintenancePlan:
    """Keep devices free for a while: move or cancel who booked them, and end who has them if that is wanted.

    All of it or nothing. Where it ends another project's running lease and the site wants two people for
    that, it is kept, and done when a second person confirms it.
    """
    _check(site, starts_at, ends_at, reason, actor, now)
    resources = list(Resource.objects.select_related("site").filter(pk__in=resource_ids, site=site))
    if not resources:
        raise Invalid({"resources": [_("Choose at least one device.")]})
    seen = outlook(
        resources, starts_at=starts_at, ends_at=ends_at, ends_running=ends_running, choices=choices, now=now
    )
    _refuse_impossible(seen, actor)
    waits = site.second_person and any(_is_anothers(lease, actor) for lease in seen.running)
    with transaction.atomic():
        plan = MaintenancePlan.objects.create(
            site=site,
            starts_at=seen.starts_at,
            ends_at=ends_at,
            reason=reason.strip(),
            ends_running=ends_running,
            choices=dict(choices),
            state=State.WAITING if waits else State.PLANNED,
            planned_by=actor,
            planned_at=now,
        )
        plan.resources.set(seen.resources)
        if not waits:
            _carry_out(plan, seen, actor, now)
    return plan


def confirm_plan(*, plan_id: UUID, actor: User, now: datetime) -> MaintenancePlan:
    """A second person wants it, too: do it, as things are by now."""
    with transaction.atomic():
        plan = _locked(plan_id, actor)
        if plan.state != State.WAITING:
            raise IllegalMove(_("This plan does not wait for anybody."))
        if plan.planned_by_id == actor.pk:
            raise NotAllowed(
                _("You planned it; another operator of %(site)s, or a federation manager, has to confirm it.")
                % {"site": plan.site}
            )
        if plan.ends_at <= now:
            raise IllegalMove(_("Its time has passed; plan it anew."))
        seen = outlook_of(plan, now=now)
        _refuse_impossible(seen, actor)
        plan.state, plan.confirmed_by = State.PLANNED, actor
        plan.save(update_fields=["state", "confirmed_by"])
        _carry_out(plan, seen, actor, now)
    return plan


def call_off(*, plan_id: UUID, actor: User, now: datetime) -> MaintenancePlan:
    """Take a plan back before it begins: the time is free again, and who was displaced goes back where possible."""
    with transaction.atomic():
        plan = _locked(plan_id, actor)
        if plan.state == State.CALLED_OFF:
            raise IllegalMove(_("This plan was called off already."))
        if plan.state == State.PLANNED and plan.starts_at <= now:
            raise IllegalMove(_("It has begun; delete its windows to end it early."))
        was_planned = plan.state == State.PLANNED
        plan.state, plan.called_off_by, plan.called_off_at = State.CALLED_OFF, actor, now
        plan.save(update_fields=["state", "called_off_by", "called_off_at"])
        MaintenanceWindow.objects.filter(plans=plan).delete()
    if was_planned:
        done = plan.displacements.select_related(
            "lease__resource__site", "lease__reservation__holder", "lease__reservation__project", "was_on__site"
        )
        for displacement in done:
            displacement.taken_back = _take_back(plan, displacement, now)
            displacement.save(update_fields=["taken_back"])
    return plan


def outlook_of(plan: MaintenancePlan, *, now: datetime) -> Outlook:
    """Return what a plan that waits would do by now."""
    return outlook(
        list(plan.resources.select_related("site")),
        starts_at=plan.starts_at,
        ends_at=plan.ends_at,
        ends_running=plan.ends_running,
        choices=plan.choices,
        now=now,
    )


def needs_second_person(seen: Outlook, site: Site, actor: User) -> bool:
    """Whether somebody else would have to confirm it."""
    return site.second_person and any(_is_anothers(lease, actor) for lease in seen.running)


def _check(site: Site, starts_at: datetime, ends_at: datetime, reason: str, actor: User, now: datetime) -> None:
    if not may_operate(actor, site):
        raise NotAllowed(_("Only an operator of %(site)s can plan maintenance there.") % {"site": site})
    errors: dict[str, list[str]] = {}
    if ends_at <= starts_at:
        errors["ends_at"] = [_("The end must come after the start.")]
    elif ends_at <= now:
        errors["ends_at"] = [_("The end is in the past.")]
    if not reason.strip():
        errors["reason"] = [_("Say in a few words what is done; holders read it.")]
    if errors:
        raise Invalid(errors)


def _refuse_impossible(seen: Outlook, actor: User) -> None:
    if seen.closed_already:
        window = seen.closed_already[0]
        raise LeasesInTheWay(
            _(
                "%(device)s is in maintenance already until %(until)s: %(reason)s. Choose another time, or delete it."
            )
            % {
                "device": window.resource,
                "until": say_moment(window.ends_at, zone_of(actor)),
                "reason": window.reason or _("no reason was given"),
            },
            [],
        )
    if seen.in_the_way:
        words = "; ".join(
            f"{each.lease.resource} ({each.lease.reservation.project})" for each in seen.in_the_way
        )
        raise LeasesInTheWay(
            _("In the way: %(leases)s. Begin later, or tick that running leases are ended.")
            % {"leases": words},
            [each.lease.pk for each in seen.in_the_way],
        )
    if not seen.windows:
        raise Invalid(
            {"ends_at": [_("Nothing is left of the window once the devices are clean; end it later.")]}
        )


def _carry_out(plan: MaintenancePlan, seen: Outlook, actor: User, now: datetime) -> None:
    keys = sorted({each.lease.resource_id for each in seen.displaced} | {r.pk for r in seen.resources})
    try:
        with transaction.atomic():
            list(Resource.objects.select_for_update(no_key=True).filter(pk__in=keys).order_by("pk"))
            for each in seen.displaced:
                _displace(plan, each, actor, now)
            for resource, begins_at in seen.windows:
                plan.windows.add(
                    MaintenanceWindow.objects.create(
                        resource=resource,
                        starts_at=begins_at,
                        ends_at=plan.ends_at,
                        reason=plan.reason,
                        created_by=plan.planned_by,
                    )
                )
    except (IntegrityError, OperationalError) as error:
        if not is_lost_race(error):
            raise
        raise _changed() from error


def _displace(plan: MaintenancePlan, each: Displaced, actor: User, now: datetime) -> None:
    lease = each.lease
    was_on, ended_at_before = lease.resource, lease.ends_at
    match each.fate:
        case Fate.MOVED if each.to is not None:
            if not move_to(lease, each.to.pk, now=now):
                raise _changed()
            _tell(plan, lease, "moved", now, other=one_line(str(each.to)))
        case Fate.CANCELLED:
            _cancel(plan, lease, actor, now)
        case Fate.SHORTENED if each.ends_at is not None:
            _bring_end_to(lease, each.ends_at, now)
            _tell(plan, lease, "shortened", now, ends=_said(each.ends_at, lease))
        case Fate.ENDED if each.ends_at is not None:
            Lease.objects.filter(pk=lease.pk, starts_at__lt=each.ends_at).update(ends_at=each.ends_at)
            begin_release(
                [lease],
                source=Status(lease.status),
                reason=f"Ended for maintenance: {plan.reason}",
                now=now,
                actor=actor,
            )
            _tell(plan, lease, "ended", now)
    Displacement.objects.create(
        plan=plan,
        lease=lease,
        fate=each.fate,
        was_on=was_on,
        went_to=each.to if each.fate == Fate.MOVED else None,
        ended_at_before=ended_at_before,
    )


def _cancel(plan: MaintenancePlan, lease: Lease, actor: User, now: datetime) -> None:
    """Cancel a lease and, all or nothing, whatever of its reservation has not started."""
    reason = f"{lease.resource} is not available: maintenance, {plan.reason}"
    siblings = Lease.objects.filter(reservation=lease.reservation_id, status__in=NOT_STARTED).order_by("pk")
    for sibling in siblings:
        words = reason if sibling.pk == lease.pk else f"The reservation is all or nothing: {reason}"
        source = Status(sibling.status)
        move(lease_id=sibling.pk, source=source, to=Status.CANCELLED, now=now, actor=actor, reason=words)
    tell_holder(lease, "cancelled", why=one_line(f"{reason}."), now=now, occasion=f"{plan.pk}:{plan.state}")


def _bring_end_to(lease: Lease, ends_at: datetime, now: datetime) -> None:
    Lease.objects.filter(pk=lease.pk, status=Status.PROVISIONING).update(
        ends_at=ends_at, revision=F("revision") + 1
    )
    Lease.objects.filter(pk=lease.pk, status=Status.ACTIVE).update(
        ends_at=ends_at, next_action_at=max(ends_at, now), revision=F("revision") + 1
    )
    write_orders([lease], verb="hold")


def _take_back(plan: MaintenancePlan, done: Displacement, now: datetime) -> str:
    """Undo what the plan did to one lease, where that is still possible; return what came of it."""
    lease = done.lease
    match done.fate:
        case Fate.MOVED:
            if lease.status not in NOT_STARTED or lease.resource_id != done.went_to_id:
                return _("stays where it is by now")
            if move_to(lease, done.was_on_id, now=now):
                _tell(plan, lease, "moved back", now, other=one_line(str(done.was_on)))
                return _("moved back")
            return _("stays on %(device)s: its old device is taken") % {"device": lease.resource}
        case Fate.SHORTENED:
            if (
                lease.status not in (Status.PROVISIONING, Status.ACTIVE)
                or lease.ends_at >= done.ended_at_before
            ):
                return _("has ended")
            try:
                with transaction.atomic():
                    _bring_end_to(lease, done.ended_at_before, now)
            except (IntegrityError, OperationalError) as error:
                if not is_lost_race(error):
                    raise
                return _("keeps its earlier end: somebody has booked the time after it")
            _tell(plan, lease, "restored", now, ends=_said(done.ended_at_before, lease))
            return _("has its old end again")
        case Fate.CANCELLED:
            return _book_again(plan, lease.reservation, now)
        case _:
            return _("stays ended")


def _book_again(plan: MaintenancePlan, reservation: Reservation, now: datetime) -> str:
    others = plan.displacements.filter(lease__reservation=reservation, fate=Fate.CANCELLED)
    if others.exclude(taken_back="").exists():
        return _("booked again with the rest of its reservation")
    cancelled = reservation.leases.filter(status=Status.CANCELLED).prefetch_related("artefacts")
    request = Request(
        user=reservation.holder,
        project=reservation.project.slug,
        purpose=reservation.purpose,
        starts_at=reservation.starts_at,
        ends_at=reservation.ends_at,
        asks=[
            Ask(
                resource=lease.resource_id,
                parameters=lease.parameters,
                artefacts={file.name: file.pk for file in lease.artefacts.defer("content")},
            )
            for lease in cancelled
        ],
    )
    try:
        again = book(request, now=now)
    except Refusal as refusal:
        return _("could not be booked again: %(why)s") % {"why": refusal.message[:200]}
    first = again.leases.select_related("resource__site", "reservation__holder")[0]
    _tell(plan, first, "booked again", now)
    return _("booked again")


def _tell(plan: MaintenancePlan, lease: Lease, becomes: str, now: datetime, **values: str) -> None:
    why = one_line(plan.reason.rstrip("."))
    occasion = f"{plan.pk}:{plan.state}"
    tell_holder(lease, "maintenance", now=now, occasion=occasion, becomes=becomes, why=why, **values)


def _said(moment: datetime, lease: Lease) -> str:
    return say_moment(moment, zone_of(lease.reservation.holder))


def _locked(plan_id: UUID, actor: User) -> MaintenancePlan:
    plan = (
        MaintenancePlan.objects.select_related("site", "planned_by")
        .select_for_update(of=("self",), no_key=True)
        .filter(pk=plan_id)
        .first()
    )
    if plan is None:
        raise NotFound(_("There is no such plan."))
    if not may_operate(actor, plan.site):
        raise NotAllowed(_("Only an operator of %(site)s can do that.") % {"site": plan.site})
    return plan


def _is_anothers(lease: Lease, actor: User) -> bool:
    reservation = lease.reservation
    own = {Role.MEMBER, Role.LEADER} & roles_in(actor, reservation.project_id)
    return lease.status == Status.ACTIVE and reservation.holder_id != actor.pk and not own


def _changed() -> LeasesInTheWay:
    return LeasesInTheWay(_("Something was booked or freed meanwhile. Look at the preview again."), [])
