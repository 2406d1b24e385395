"""The words of messages that were written without any: they tell of the reservation as it is when they go out."""

from datetime import datetime
from typing import Any

from django.db.models import prefetch_related_objects
from django.utils import translation

from reservations.messages.kinds import TEMPLATES
from reservations.messages.words import (
    language_of,
    moment_words,
    one_line,
    open_leases,
    values_of_reservation,
    write_words,
)
from reservations.models import Lease, OutgoingMail, Reservation
from reservations.phase import Phase, phase_of
from reservations.selectors.extension import latest_end
from reservations.selectors.warnings import warnings_of_leases
from reservations.states import Status
from reservations.words import zone_of

_GONE = (Phase.CANCELLED, Phase.REJECTED)
_AHEAD = (Status.REQUESTED, Status.SCHEDULED, Status.PROVISIONING)


def write_late(mail: OutgoingMail, *, now: datetime) -> bool:
    """Put a message into words; return False when what it would tell is no longer so."""
    reservation = mail.reservation
    if reservation is None:
        return False
    leases = open_leases(reservation)
    template = _template_now(mail, reservation, leases, now=now)
    if template is None:
        return False
    mail.template = template
    values = values_of_reservation(reservation, leases, to=mail.to) | mail.facts
    values |= _more(mail, reservation, leases, now=now)
    mail.subject, mail.body = write_words(template, to=mail.to, values=values)
    if values.get("warnings"):
        mail.facts = mail.facts | {"is_grave": True}
    mail.save(update_fields=["template", "subject", "body", "facts"])
    return True


def _template_now(
    mail: OutgoingMail, reservation: Reservation, leases: list[Lease], *, now: datetime
) -> str | None:
    phase = phase_of([lease.status for lease in leases])
    statuses = {lease.status for lease in leases}
    match mail.template:
        case "booked" | "asked":
            if phase in _GONE:
                return None
            return "asked" if Status.REQUESTED in statuses else "booked"
        case "changed":
            return None if phase in _GONE else "changed"
        case "starting_soon":
            return "starting_soon" if reservation.starts_at > now and statuses & set(_AHEAD) else None
        case "ending_soon":
            return "ending_soon" if reservation.ends_at > now and Status.ACTIVE in statuses else None
        case "ready":
            return "ready" if Status.ACTIVE in statuses else None
        case "approval_wanted":
            return "approval_wanted" if Status.REQUESTED in statuses else None
        case "cancelled":
            # Nobody has to hear that something is gone of which they never heard.
            return "cancelled" if phase in _GONE and _was_announced(mail) else None
        case "ended":
            return "ended"
    return mail.template if mail.template in TEMPLATES else None


def _was_announced(mail: OutgoingMail) -> bool:
    if mail.facts.get("by"):
        return True
    told = OutgoingMail.objects.filter(reservation=mail.reservation_id, to=mail.to_id).exclude(pk=mail.pk)
    first = told.filter(template__in=["booked", "asked"]).first()
    return first is None or first.sent_at is not None


def _more(
    mail: OutgoingMail, reservation: Reservation, leases: list[Lease], *, now: datetime
) -> dict[str, Any]:
    match mail.template:
        case "booked" | "asked" | "starting_soon":
            said = warnings_of_leases(leases)
            waiting = {
                one_line(lease.resource.site.name) for lease in leases if lease.status == Status.REQUESTED
            }
            by_ssh = any(lease.resource.kind.startswith("gpu") for lease in leases)
            return {
                "warnings": sorted({words for each in said.values() for words in each}),
                "waits_for": ", ".join(sorted(waiting)),
                "has_no_key": by_ssh and not mail.to.ssh_keys.exists(),
            }
        case "ready":
            active = [lease for lease in leases if lease.status == Status.ACTIVE]
            return {"devices": [one_line(str(lease.resource)) for lease in active]}
        case "approval_wanted":
            asked = [
                lease
                for lease in leases
                if lease.status == Status.REQUESTED
                and str(lease.resource.site_id) == str(mail.facts.get("site"))
            ]
            return {
                "devices": [one_line(str(lease.resource)) for lease in asked],
                "site": one_line(asked[0].resource.site.name) if asked else "",
            }
        case "ending_soon":
            with translation.override(language_of(mail.to)):
                prefetch_related_objects([reservation], "leases__resource__site")
                latest = latest_end(reservation, now=now)
                return {"latest_end": moment_words(latest, zone_of(mail.to)) if latest else ""}
    return {}
