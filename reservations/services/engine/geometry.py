"""Carries out planned changes of geometry: orders them when the card is idle, and takes what the site answers."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from django.db import connection, transaction

from adapters.catalogue import CATALOGUE
from adapters.contract import FoundDevice
from adapters.contract.wire import Report
from reservations.models import CalendarEntry, GeometryChange, OutgoingOrder
from reservations.policy import BLOCKED_LOOK_AGAIN, RESEND_AFTER, RESEND_AT_MOST_EVERY
from reservations.services.engine.doorbell import ring_after_commit
from reservations.services.engine.orders import targets_for, write_watch
from reservations.services.engine.post import tell_operators
from reservations.services.geometry import SLICE, close_change, profile_of
from reservations.services.quarantine import quarantine
from resources.models import Resource, Site

log = structlog.get_logger(__name__)

_NOTHING_WAS_CHANGED = {"DeviceBusy", "DeviceUnreachable", "InvalidSettings"}


def press_geometry(*, now: datetime) -> int:
    """Order what is due, again what was not answered, and give up what is overdue; return how many."""
    with transaction.atomic():
        due = list(
            GeometryChange.objects.select_related("resource__site")
            .select_for_update(of=("self",), skip_locked=True)
            .filter(state__in=GeometryChange.PENDING, next_action_at__lte=now)
            .order_by("next_action_at")
        )
        for change in due:
            if change.deadline_at <= now:
                _overdue(change, now)
            elif change.state == GeometryChange.State.ORDERED:
                _order(change, now)
            elif _is_in_use(change.resource):
                change.next_action_at = now + BLOCKED_LOOK_AGAIN
                change.detail = "Waiting until the lease before is proven clean."
                change.save(update_fields=["next_action_at", "detail"])
            else:
                change.state, change.epoch, change.attempts = GeometryChange.State.ORDERED, _next_epoch(), 0
                _order(change, now)
    return len(due)


def take_reshaped(report: Report, *, site: Site, now: datetime) -> None:
    """Make true in the inventory what the site has cut, or say why it could not."""
    try:
        resource_id = UUID(report.resource_id or "")
    except ValueError:
        return
    with transaction.atomic():
        change = (
            GeometryChange.objects.select_related("resource__site")
            .select_for_update(of=("self",))
            .filter(
                resource=resource_id,
                resource__site=site,
                state=GeometryChange.State.ORDERED,
                epoch=report.epoch,
            )
            .first()
        )
        if change is None:
            return
        highest = report.detail.get("highest_epoch")
        if isinstance(highest, int):
            # As after a restore from a backup: go on above what the site has seen.
            with connection.cursor() as cursor:
                cursor.execute("SELECT setval('shary_epoch', greatest(%s, nextval('shary_epoch')))", [highest])
            change.epoch = _next_epoch()
            _order(change, now)
        elif report.failure is not None:
            _fail(
                change, report.failure.message, harmless=report.failure.error in _NOTHING_WAS_CHANGED, now=now
            )
        elif problem := _enter(change, report.devices):
            _fail(change, problem, harmless=False, now=now)
        else:
            close_change(change, GeometryChange.State.DONE, "Cut as planned", now=now)
            write_watch(change.resource.site)
            tell_operators(change.resource, f"{change}: done", "The slices are in the calendar.", now=now)


def _order(change: GeometryChange, now: datetime) -> None:
    waited = min(RESEND_AFTER * 2**change.attempts, RESEND_AT_MOST_EVERY)
    change.attempts = min(change.attempts + 1, 10)
    change.next_action_at = min(now + waited, max(change.deadline_at, now + BLOCKED_LOOK_AGAIN))
    change.detail = "The site has been told."
    change.save()
    OutgoingOrder.objects.create(geometry_change=change, site=change.resource.site, verb="reshape")
    ring_after_commit()


def _overdue(change: GeometryChange, now: datetime) -> None:
    if change.state == GeometryChange.State.PLANNED:
        _fail(change, "the card was still in use when the time was over", harmless=True, now=now)
    else:
        _fail(change, "the site has not answered in time", harmless=False, now=now)


def _fail(change: GeometryChange, why: str, *, harmless: bool, now: datetime) -> None:
    close_change(change, GeometryChange.State.FAILED, why, now=now)
    if harmless:
        tell_operators(
            change.resource,
            f"{change}: not done",
            f"The card is as it was: {why}\nPlan it for another time, or mend what is in the way first.",
            now=now,
        )
    else:
        reason = f"Cutting it into {' + '.join(change.geometry) or 'one piece'} failed half-way, perhaps: {why}"
        quarantine(change.resource, reason=reason, now=now)


def _enter(change: GeometryChange, devices: Sequence[FoundDevice]) -> str:
    """Write the slices found into the inventory, the known ones under their names; return what is wrong."""
    card = change.resource
    found = [part for part in devices[0].parts if part.kind == SLICE] if devices else []
    described = CATALOGUE[card.adapter]
    known = list(Resource.objects.filter(parent=card, kind=SLICE).order_by("-in_service", "name"))
    taken: set[UUID] = set()
    names = {resource.name for resource in Resource.objects.filter(site=card.site)}
    written: list[Resource] = []
    for part in found:
        profile = _profile_found(part)
        same = next((old for old in known if old.pk not in taken and profile_of(old) == profile), None)
        record = same or Resource(
            site=card.site,
            parent=card,
            kind=SLICE,
            adapter=card.adapter,
            name=_free_name(f"{card.name} {profile}", names),
            preparation_s=card.preparation_s,
            cleanup_s=card.cleanup_s,
        )
        record.in_service = True
        record.serial = part.serial
        record.attributes = dict(part.attributes)
        record.settings = {**(record.settings or {}), **part.settings}
        problems = [
            *described.check_attributes(record.attributes),
            *described.check_settings({**_settings_of(card), **record.settings}),
        ]
        if problems:
            return f"the site describes the slice {part.name} in a way that cannot work: {problems[0].message}"
        taken.add(record.pk)
        names.add(record.name)
        written.append(record)
    if sorted(_profile_found(part) for part in found) != sorted(change.geometry):
        there = ", ".join(_profile_found(part) for part in found) or "none"
        return f"the site found other slices than were asked for: {there}"
    for record in written:
        record.save()
    Resource.objects.filter(parent=card, kind=SLICE).exclude(pk__in=taken).update(in_service=False)
    _renew_baseline(card, devices[0].settings.get("baseline") if devices else None)
    return ""


def _renew_baseline(card: Resource, found: object) -> None:
    """Compare later leases with the card as it is cut now, where a baseline was accepted before."""
    if found is not None and "baseline" in (card.settings or {}):
        card.settings = {**card.settings, "baseline": found}
        card.save(update_fields=["settings"])


def _settings_of(card: Resource) -> Mapping[str, Any]:
    (target,) = targets_for([card])
    return target.settings


def _profile_found(part: FoundDevice) -> str:
    return profile_of(Resource(name=part.name, attributes={"model": part.model, **part.attributes}))


def _free_name(wanted: str, names: Iterable[str]) -> str:
    taken = set(names)
    number = 1
    while f"{wanted} {number}" in taken:
        number += 1
    return f"{wanted} {number}"


def _is_in_use(card: Resource) -> bool:
    return CalendarEntry.objects.filter(
        on_device=True, exclusive=True, resource__covered_by__whole=card
    ).exists()


def _next_epoch() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('shary_epoch')")
        return int(cursor.fetchone()[0])
