"""The demonstration's first bookings, so that the calendar is not empty. Made through the booking service."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

from accounts.models import User
from reservations.services.artefacts import accept_artefact
from reservations.services.asks import Ask
from reservations.services.booking import Request, book
from reservations.services.maintenance import plan_maintenance
from resources.models import Resource
from shary_portal.quickstart.federation import SITES

EXAMPLE = Path(__file__).resolve().parent.parent.parent / "adapters" / "emulators" / "p4runtime" / "example"
PROGRAM = {"p4info": "forward.p4info.txtpb", "device_config": "forward.json"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """One booking, some days from now at an hour of the site's own clock; day 0 starts at once."""

    who: str
    project: str
    purpose: str
    day: int
    hour: int = 0
    length_h: float
    devices: Sequence[tuple[str, str]]


BOOKINGS = (
    Booking(
        who="researcher",
        project="in-network-learning",
        purpose="First look at the cards",
        day=0,
        length_h=4,
        devices=[("roma", "L40S 1"), ("torino", "BlueField-3")],
    ),
    Booking(
        who="researcher",
        project="in-network-learning",
        purpose="Training with aggregation in the switch",
        day=1,
        hour=9,
        length_h=8,
        devices=[("roma", "L40S 2"), ("roma", "L40S 3"), ("torino", "Tofino 1"), ("torino", "BlueField-3")],
    ),
    Booking(
        who="colleague",
        project="telemetry",
        purpose="Telemetry headers at line rate",
        day=1,
        hour=14,
        length_h=6,
        devices=[("torino", "Tofino 2"), ("roma", "A16 1"), ("roma", "A16 2")],
    ),
    Booking(
        who="colleague",
        project="telemetry",
        purpose="The whole host for a day",
        day=2,
        hour=8,
        length_h=12,
        devices=[("roma", "Host A16")],
    ),
    Booking(
        who="researcher",
        project="telemetry",
        purpose="A slice is enough for inference",
        day=2,
        hour=10,
        length_h=5,
        devices=[("osaka", "H100 1 slice A")],
    ),
    Booking(
        who="researcher",
        project="in-network-learning",
        purpose="Across two continents",
        day=4,
        hour=9,
        length_h=24,
        devices=[("osaka", "H100 2"), ("osaka", "Switch 1"), ("torino", "Tofino 1")],
    ),
)
MAINTENANCE = (("operator.torino", "torino", "BlueField-2", 3, 9, 4.0, "New firmware of the card"),)


def make_bookings(*, now: datetime) -> None:
    """Book what the demonstration shows."""
    for booking in BOOKINGS:
        user = User.objects.get(username=booking.who)
        resources = [Resource.objects.get(site__slug=site, name=name) for site, name in booking.devices]
        zone = _zone_of(booking.devices[0][0])
        starts_at = _moment(booking.day, booking.hour, zone, now) if booking.day else None
        book(
            Request(
                user=user,
                project=booking.project,
                purpose=booking.purpose,
                starts_at=starts_at,
                ends_at=(starts_at or now) + timedelta(hours=booking.length_h),
                asks=[
                    Ask(resource=resource.pk, artefacts=_files(user, booking.project, resource))
                    for resource in resources
                ],
            ),
            now=now,
        )
    for who, site, name, day, hour, length_h, reason in MAINTENANCE:
        starts_at = _moment(day, hour, _zone_of(site), now)
        plan_maintenance(
            resource_id=Resource.objects.get(site__slug=site, name=name).pk,
            starts_at=starts_at,
            ends_at=starts_at + timedelta(hours=length_h),
            reason=reason,
            actor=User.objects.get(username=who),
            now=now,
        )


def _files(user: User, project: str, resource: Resource) -> Mapping[str, UUID]:
    """Give a switch the example program."""
    if resource.adapter != "p4_switch":
        return {}
    return {
        name: accept_artefact(
            user=user,
            project=project,
            adapter="p4_switch",
            name=name,
            filename=filename,
            content=(EXAMPLE / filename).read_bytes(),
        ).pk
        for name, filename in PROGRAM.items()
    }


def _moment(day: int, hour: int, zone: ZoneInfo, now: datetime) -> datetime:
    """Return an hour of the clock on the wall at the site, some days from now."""
    date = now.astimezone(zone).date() + timedelta(days=day)
    return datetime.combine(date, time(hour), tzinfo=zone)


def _zone_of(site: str) -> ZoneInfo:
    return ZoneInfo(next(entry.time_zone for entry in SITES if entry.slug == site))
