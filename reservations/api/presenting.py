"""Reservations and leases as the API shows them, built from objects in hand: no statement of its own."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from adapters.catalogue import CATALOGUE
from adapters.contract import Access, ArtefactSlot
from adapters.contract.wire import from_json
from reservations.models import Lease, Proof, Reservation
from reservations.phase import phase_of
from reservations.selectors.extension import Extension
from reservations.selectors.links import WiredLink
from reservations.selectors.viewer import Viewer
from reservations.states import HOLDING, Status
from reservations.words import say_moment, zone_of
from resources.models import Resource

NOT_STARTED = frozenset({Status.REQUESTED, Status.SCHEDULED})
UNDER_WAY = frozenset({Status.PROVISIONING, Status.ACTIVE})


def reservation_head(reservation: Reservation, viewer: Viewer, *, now: datetime) -> dict[str, Any]:
    """Return what all answers say of a reservation."""
    statuses = {lease.status for lease in reservation.leases.all()}
    return {
        "id": reservation.pk,
        "project": reservation.project.slug,
        "project_name": reservation.project.name,
        "holder": reservation.holder.username,
        "purpose": reservation.purpose,
        "starts_at": reservation.starts_at,
        "ends_at": reservation.ends_at,
        "created_at": reservation.created_at,
        "version": reservation.version,
        "series": reservation.series_id,
        "phase": phase_of(statuses).value,
        "can": _can(reservation, statuses, viewer, now),
    }


def reservation_brief(reservation: Reservation, viewer: Viewer, *, now: datetime) -> dict[str, Any]:
    """Return a reservation as a list shows it."""
    shown = reservation_head(reservation, viewer, now=now)
    shown["leases"] = [lease_brief(lease, viewer, now=now) for lease in reservation.leases.all()]
    return shown


def reservation_whole(
    reservation: Reservation,
    viewer: Viewer,
    *,
    now: datetime,
    warnings: Mapping[UUID, Sequence[str]],
    extension: Extension | None = None,
    links: Sequence[WiredLink] = (),
) -> dict[str, Any]:
    """Return all of a reservation that the person may see."""
    shown = reservation_head(reservation, viewer, now=now)
    shown["latest_end"] = extension.latest if extension else None
    shown["latest_end_because"] = extension.because if extension else ""
    shown["links"] = [link_shown(link) for link in links]
    shown["leases"] = [
        lease_whole(lease, reservation, viewer, now=now, warnings=warnings.get(lease.pk, ()))
        for lease in reservation.leases.all()
    ]
    return shown


def link_shown(link: WiredLink) -> dict[str, Any]:
    """Return a cable between two of the reservation's devices."""
    return {
        "ends": [
            {
                "lease": end.lease,
                "resource": end.resource,
                "resource_name": end.name,
                "port": end.port,
            }
            for end in (link.a, link.b)
        ],
        "speed_gbps": link.speed_gbps,
        "vlan": link.vlan,
    }


def lease_brief(lease: Lease, viewer: Viewer, *, now: datetime) -> dict[str, Any]:
    """Return a lease as a list shows it."""
    resource, site = lease.resource, lease.resource.site
    asked = lease.status == Status.REQUESTED and viewer.may_operate(site.pk)
    failed = lease.status == Status.RELEASE_FAILED and viewer.may_operate(site.pk)
    return {
        "id": lease.pk,
        "resource": resource.pk,
        "resource_name": resource.name,
        "site": site.slug,
        "site_name": site.name,
        "site_time_zone": site.time_zone,
        "kind": resource.kind,
        "status": str(lease.status),
        "starts_at": lease.starts_at,
        "ends_at": lease.ends_at,
        "preparation_begins_at": lease.starts_at - timedelta(seconds=lease.preparation_s),
        "prepared_at": lease.prepared_at,
        "opened_at": lease.opened_at,
        "isolated_at": lease.isolated_at,
        "step": step_of(lease, zone=zone_of(viewer.user), now=now),
        "trouble": lease.trouble,
        "can": {
            "approve": asked,
            "reject": asked,
            "replace_files": bool(_slots(lease))
            and lease.status in NOT_STARTED
            and viewer.may_change(lease.reservation),
            "retry": failed,
            "vouch": failed,
        },
    }


def lease_whole(
    lease: Lease, reservation: Reservation, viewer: Viewer, *, now: datetime, warnings: Sequence[str]
) -> dict[str, Any]:
    """Return all of a lease that the person may see."""
    proof = next(iter(lease.proofs.all()), None)
    return lease_brief(lease, viewer, now=now) | {
        "epoch": lease.epoch,
        "access": _access(lease) if viewer.may_enter(reservation) else None,
        "proof": None if proof is None else proof_shown(proof),
        "adapter": lease.resource.adapter,
        "parameters": lease.parameters,
        "files": _files(lease),
        "rehearsal": _rehearsal(lease),
        "warnings": [*_trouble_of_device(lease), *warnings],
        "events": [
            {
                "at": event.at,
                "actor": event.actor.username if event.actor else "",
                "source": event.source,
                "to": event.to,
                "reason": event.reason,
            }
            for event in lease.events.all()
        ],
    }


def _slots(lease: Lease) -> Sequence[ArtefactSlot]:
    description = CATALOGUE.get(lease.resource.adapter)
    return description.artefacts if description is not None else ()


def _files(lease: Lease) -> list[dict[str, Any]]:
    slots = _slots(lease)
    has = {file.name: file for file in lease.artefacts.all()} if slots else {}
    return [
        {
            "name": slot.name,
            "title": slot.title,
            "max_bytes": slot.max_bytes,
            "id": has[slot.name].pk if slot.name in has else None,
            "filename": has[slot.name].filename if slot.name in has else "",
            "version": has[slot.name].version if slot.name in has else None,
            "sha256": has[slot.name].sha256 if slot.name in has else "",
        }
        for slot in slots
    ]


def _rehearsal(lease: Lease) -> dict[str, Any] | None:
    if not _slots(lease):
        return None
    rehearsal = getattr(lease, "rehearsal", None)
    if rehearsal is None:
        return None
    return {
        "state": rehearsal.state,
        "stage": rehearsal.stage,
        "steps": rehearsal.steps,
        "detail": rehearsal.detail,
        "asked_at": rehearsal.asked_at,
        "answered_at": rehearsal.answered_at,
    }


def whose(reservation: Reservation) -> dict[str, Any]:
    """Return whose lease it is."""
    return {
        "reservation": reservation.pk,
        "project": reservation.project.slug,
        "holder": reservation.holder.username,
        "purpose": reservation.purpose,
    }


def proof_shown(proof: Proof) -> dict[str, Any]:
    """Return the evidence that a device was clean."""
    return {
        "verified_at": proof.verified_at,
        "verifier": proof.verifier,
        "is_clean": proof.is_clean,
        "digest": proof.digest,
        "checks": proof.checks,
    }


def step_of(lease: Lease, *, zone: str, now: datetime) -> str:
    """Return what happens with the lease now, for people."""
    match Status(lease.status):
        case Status.REQUESTED:
            return f"Waiting for {lease.resource.site.name} to approve it."
        case Status.SCHEDULED if lease.trouble:
            return lease.trouble
        case Status.SCHEDULED:
            at = lease.starts_at - timedelta(seconds=lease.preparation_s)
            return (
                f"Preparation begins {say_moment(at, zone)}." if at > now else "Preparation is about to begin."
            )
        case Status.PROVISIONING if lease.prepared_at and lease.starts_at > now:
            return f"The device is ready; access opens {say_moment(lease.starts_at, zone)}."
        case Status.PROVISIONING:
            return "The device is being made ready."
        case Status.ACTIVE:
            return f"Access is open until {say_moment(lease.ends_at, zone)}."
        case Status.RELEASING:
            return "Access is closed; the device is being cleaned and checked."
        case Status.RELEASE_FAILED:
            return "Access is closed. The device could not be proven clean; its operators are told."
        case Status.RELEASED:
            return "It is over, and the device was proven clean."
        case Status.REJECTED:
            return f"{lease.resource.site.name} rejected it."
        case Status.CANCELLED:
            return "It was cancelled."


def _trouble_of_device(lease: Lease) -> list[str]:
    """Return what its holder has to know of the state of the device."""
    device = lease.resource
    if lease.status not in NOT_STARTED | UNDER_WAY:
        return []
    if device.quarantined_at is not None:
        reason = device.quarantine_reason or "it was not proven clean."
        if lease.status in UNDER_WAY:
            return [
                f"{device.name} reported an error: {reason} Your lease goes on, but results of this device may be"
                " wrong: copy what you need, and check what you have computed."
            ]
        return [f"{device.name} is kept back: {reason} The lease starts if its operator hands it on in time."]
    if device.health == Resource.Health.UNHEALTHY:
        return [f"{device.name} is unhealthy now: {device.health_detail or 'it gives no answer.'}"]
    return []


def _can(reservation: Reservation, statuses: set[str], viewer: Viewer, now: datetime) -> dict[str, bool]:
    changeable = bool(statuses & (NOT_STARTED | UNDER_WAY)) and reservation.ends_at > now
    may_change = changeable and viewer.may_change(reservation)
    may_end = bool(statuses & (NOT_STARTED | UNDER_WAY)) and viewer.may_end(reservation)
    return {
        "cancel": may_end,
        "extend": may_change,
        "shorten": may_change,
        "move": may_change and not statuses & HOLDING - NOT_STARTED,
        "end": may_end and bool(statuses & UNDER_WAY),
    }


def _access(lease: Lease) -> dict[str, Any] | None:
    """Return the way in while it is open.

    Not a moment earlier: a one-lease password or an election id that is known before the start could be tried
    before the start.
    """
    if lease.status != Status.ACTIVE or not lease.access:
        return None
    access = from_json(Access, lease.access)
    return {
        "opens_at": lease.starts_at,
        "instructions": access.instructions,
        "endpoints": [
            {
                "label": endpoint.label,
                "protocol": endpoint.protocol,
                "host": endpoint.host,
                "port": endpoint.port,
                "username": endpoint.username,
                "secret": endpoint.secret,
                "command": endpoint.command,
            }
            for endpoint in access.endpoints
        ],
        "files": [{"name": file.name, "content": file.content} for file in access.files],
    }
