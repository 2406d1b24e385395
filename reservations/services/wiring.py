"""What a reservation asks of the cables between its devices, and the VLANs that it gets for them."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import Q

from reservations.errors import CannotBook, Invalid, WishRefusal
from reservations.models import Lease, Reservation, VlanAllotment
from reservations.selectors.links import WiredLink, links_of, neighbours_of, network_of
from reservations.services.windows import BookedWindow
from reservations.states import HOLDING, Status
from reservations.words import say_moment
from resources.models import Resource, Site
from resources.vlans import vlans_of
from scheduling.wiring import Ties, parted

NAMED_NEIGHBOURS = 6
Kept = Mapping[tuple[UUID | None, int], int]
"""The VLANs that a reservation had, by cable and site."""


def check_ties(ties: Ties, *, lines: int) -> None:
    """Raise `Invalid` for links between lines that are not there."""
    if any(not 0 <= place < lines for tie in ties for place in tie):
        raise Invalid({"links": [f"Name pairs of lines, counted from 0 to {lines - 1}, such as [[0, 1]]."]})


def parted_refusals(picks: Sequence[tuple[int, Resource]], ties: Ties) -> list[WishRefusal]:
    """Return which of these devices cannot talk to each other and should, and what would work."""
    resources = {str(resource.pk): resource for _, resource in picks}
    place_of = {str(resource.pk): place for place, resource in picks}
    lines = [
        [str(resource.pk) for at, resource in picks if at == place]
        for place in range(max(place_of.values()) + 1)
    ]
    return [
        WishRefusal(
            wish=place_of[first],
            reason="unconnected",
            message=_say_parted(resources[first], resources[second]),
            resource=resources[first].pk,
            resource_name=str(resources[first]),
            never=True,
        )
        for first, second in parted(network_of(resources.values()), lines, ties)
    ]


def refuse_parted(picks: Sequence[tuple[int, Resource]], ties: Ties) -> None:
    """Raise `CannotBook` where devices that should talk to each other cannot."""
    if ties and (refusals := parted_refusals(picks, ties)):
        raise CannotBook(tuple(refusals))


def _say_parted(first: Resource, second: Resource) -> str:
    words = f"{first.name} and {second.name} are not joined, neither by a cable nor through a switch of this booking."
    told = [
        f"{device.name} is wired to {_listed(names)}"
        for device in (first, second)
        if (names := neighbours_of(device))
    ]
    if not told:
        return f"{words} No cable of either is known; ask their operators, or book them without a link."
    return f"{words} {'; '.join(told)}: choose one of these, or book the switch between them as well."


def _listed(names: Sequence[str]) -> str:
    if len(names) > NAMED_NEIGHBOURS:
        return f"{', '.join(names[:NAMED_NEIGHBOURS])} and {len(names) - NAMED_NEIGHBOURS} more"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def keep_ties(
    reservation: Reservation, leases: Sequence[tuple[int, Lease]], ties: Ties, *, now: datetime, zone: str
) -> None:
    """Note what a new reservation asks of its wiring, and give it the VLANs of its links."""
    if not ties:
        return
    lines: list[list[str]] = [[] for _ in range(max(place for place, _ in leases) + 1)]
    for place, lease in leases:
        lines[place].append(str(lease.pk))
    reservation.wiring = {"ties": sorted(map(list, ties)), "lines": lines}
    Reservation.objects.filter(pk=reservation.pk).update(wiring=reservation.wiring)
    allot_vlans(reservation, now=now, zone=zone)


def lift_vlans(reservation: Reservation) -> Kept:
    """Take the reservation's VLANs back while it is changed; `allot_vlans` gives them again."""
    if reservation.wiring is None:
        return {}
    held = VlanAllotment.objects.filter(reservation=reservation, holding=True)
    kept: dict[tuple[UUID | None, int], int] = {
        (cable, site): vlan for cable, site, vlan in held.values_list("cable_id", "site_id", "vlan")
    }
    held.delete()
    return kept


def allot_vlans(reservation: Reservation, *, now: datetime, zone: str, kept: Kept | None = None) -> None:
    """Give each link a VLAN of its sites' pools, the one it had where that is free.

    Raises `CannotBook` where a pool has none left, or where a device has its VLAN already and it is
    promised to somebody else.
    """
    if reservation.wiring is None:
        return
    leases = list(Lease.objects.filter(reservation=reservation, status__in=HOLDING))
    links = {
        link.cable: link
        for link in links_of([reservation.pk])[reservation.pk]
        if link.a.sets_vlan or link.b.sets_vlan
    }
    if not leases or not links:
        return
    kept = kept or {}
    started = any(lease.status not in (Status.REQUESTED, Status.SCHEDULED) for lease in leases)
    starts = min(lease.starts_at - timedelta(seconds=lease.preparation_s) for lease in leases)
    ends = max(lease.ends_at + timedelta(seconds=lease.cleanup_s) for lease in leases)
    sites = Site.objects.in_bulk({site for link in links.values() for site in link.sites})
    _wait_for_turn(sorted(sites))
    span = DateTimeTZRange(starts, ends)
    # What should be over and is not clean yet may still be on a device.
    taken = VlanAllotment.objects.filter(
        Q(occupies__overlap=span) | Q(occupies__fully_lt=DateTimeTZRange(now, None)),
        site__in=sites,
        holding=True,
    )
    used = set(taken.values_list("site_id", "vlan"))
    window = BookedWindow(reservation.starts_at, reservation.ends_at)
    fresh = []
    for link in links.values():
        had = {kept.get((link.cable, site)) for site in link.sites} - {None}
        vlan = next(
            (
                vlan
                for vlan in [*sorted(v for v in had if v is not None), *_shared_pool(link, sites)]
                if all((site, vlan) not in used for site in link.sites)
            ),
            None,
        )
        if vlan is None or (started and had and vlan not in had):
            raise CannotBook((_no_vlan(link, sites, window, zone, had_one=bool(started and had)),))
        for site in link.sites:
            used.add((site, vlan))
            fresh.append(
                VlanAllotment(
                    reservation=reservation, cable_id=link.cable, site_id=site, vlan=vlan, occupies=span
                )
            )
    VlanAllotment.objects.bulk_create(fresh)


def rewire(reservation: Reservation, *, now: datetime) -> None:
    """Check a reservation's wiring after one of its devices was replaced, and allot anew.

    Raises `CannotBook` where the new device does not reach the others.
    """
    if reservation.wiring is None:
        return
    place_of = {key: place for place, line in enumerate(reservation.wiring["lines"]) for key in line}
    leases = Lease.objects.select_related("resource__site").filter(reservation=reservation, status__in=HOLDING)
    ties = frozenset((one, other) for one, other in reservation.wiring["ties"])
    picks = sorted(((place_of[str(lease.pk)], lease.resource) for lease in leases), key=lambda pick: pick[0])
    refuse_parted(picks, ties)
    allot_vlans(reservation, now=now, zone="UTC", kept=lift_vlans(reservation))


def _shared_pool(link: WiredLink, sites: Mapping[int, Site]) -> list[int]:
    pools = [set(vlans_of(sites[site].vlan_pool)) for site in link.sites]
    return sorted(set.intersection(*pools))


def _no_vlan(
    link: WiredLink, sites: Mapping[int, Site], window: BookedWindow, zone: str, *, had_one: bool
) -> WishRefusal:
    names = " and ".join(sorted(sites[site].name for site in link.sites))
    joined = f"{link.a.name} and {link.b.name}"
    size = len(_shared_pool(link, sites))
    if had_one:
        message = f"The VLAN between {joined} is promised to somebody else after this; choose an earlier end."
    elif not size:
        together = " together" if len(link.sites) > 1 else ""
        message = (
            f"{names} has no pool of VLANs{together} for the link between {joined}; ask its operator for one,"
            " or book without a link."
        )
    else:
        message = (
            f"No VLAN is left for the link between {joined}: all {size} of {names} are allotted between"
            f" {say_moment(window.starts_at, zone)} and {say_moment(window.ends_at, zone)}; choose another time."
        )
    return WishRefusal(wish=None, reason="no_vlan", message=message, never=not size and not had_one)


def _wait_for_turn(sites: Sequence[int]) -> None:
    # One after the other at a site, so that two bookings never choose the same VLAN; the last lock that a
    # booking takes, so that nobody waits in a circle.
    with connection.cursor() as cursor:
        for site in sites:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('vlans of a site'), %s)", [site])
