"""Orders to the sites: written with the move that needs them, sealed and sent after the commit."""

from collections.abc import Collection, Iterable
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import structlog
from celery import current_app
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.db.models import Q
from kombu.exceptions import OperationalError

from accounts.models import SshKey
from adapters.contract import Artefact as GivenFile
from adapters.contract import Holder, LeaseOrder, Link, Target
from adapters.contract.wire import Order, private_key, seal
from reservations.models import GeometryChange, Lease, OutgoingOrder
from reservations.policy import ORDERS_PER_MESSAGE
from reservations.selectors.links import WiredLink, links_of
from reservations.services.engine.doorbell import ring_after_commit
from reservations.states import ON_DEVICE, Status
from resources.models import Cover, Resource, Site
from resources.selectors import settings_by_resource

log = structlog.get_logger(__name__)

HUB = "hub"
TAKE_ORDERS = "site.take_orders"
AT_ONCE = 500


def write_orders(leases: Iterable[Lease], *, verb: str) -> None:
    """Note, in the transaction of the move, that the sites have something to be told."""
    OutgoingOrder.objects.bulk_create(
        OutgoingOrder(lease=lease, site_id=lease.resource.site_id, verb=verb) for lease in leases
    )
    ring_after_commit()


def write_watch(site: Site) -> None:
    """Note that the site is to be told its devices anew."""
    OutgoingOrder.objects.create(site=site, verb="watch")


def write_look(site: Site) -> None:
    """Note that the site is to look at once at its devices that are not well."""
    OutgoingOrder.objects.create(site=site, verb="look")
    ring_after_commit()


def send_orders(*, now: datetime) -> int:
    """Send what was written and not yet sent; return how many orders went out.

    Sent twice after a crash between sending and noting it: a site takes the same order any number of times.
    """
    sent = 0
    while True:
        with transaction.atomic():
            waiting = list(
                OutgoingOrder.objects.select_related("site", "geometry_change__resource__site")
                .select_for_update(of=("self",), skip_locked=True)
                .filter(sent_at__isnull=True)
                .order_by("id")[:AT_ONCE]
            )
            if not waiting or not _publish(waiting):
                return sent
            OutgoingOrder.objects.filter(pk__in=[order.pk for order in waiting]).update(sent_at=now)
        sent += len(waiting)


def _publish(waiting: Iterable[OutgoingOrder]) -> bool:
    sealed: dict[Site, list[str]] = {}
    lease_ids = {order.lease_id for order in waiting if order.lease_id}
    orders_of = lease_orders(lease_ids)
    for order in waiting:
        message: Order | None = None
        if order.verb in ("watch", "look"):
            soon = tuple(_not_well(order.site)) if order.verb == "look" else ()
            targets = tuple(targets_of(order.site))
            message = Order(site=order.site.slug, verb="watch", targets=targets, covers=soon)
        elif order.geometry_change is not None:
            message = reshape_order(order.geometry_change)
        elif order.lease_id in orders_of:
            message = Order(site=order.site.slug, verb=_verb(order), lease=orders_of[order.lease_id])
        if message is not None:
            sealed.setdefault(order.site, []).append(seal(message, key=hub_key(), sender=HUB))
    try:
        for site, messages in sealed.items():
            for first in range(0, len(messages), ORDERS_PER_MESSAGE):
                batch = messages[first : first + ORDERS_PER_MESSAGE]
                current_app.send_task(TAKE_ORDERS, args=[batch], queue=site.queue, retry=False)
    except (OperationalError, OSError) as error:
        log.warning("orders.not_sent", error=str(error))
        return False
    return True


def _not_well(site: Site) -> Iterable[str]:
    ill = Q(health=Resource.Health.UNHEALTHY) | Q(quarantined_at__isnull=False)
    return (str(key) for key in Resource.objects.filter(ill, site=site).values_list("pk", flat=True))


def reshape_order(change: GeometryChange) -> Order:
    """Return the order that has the site cut a card."""
    covers = Cover.objects.filter(whole=change.resource).values_list("part_id", flat=True)
    return Order(
        site=change.resource.site.slug,
        verb="reshape",
        targets=tuple(targets_for([change.resource])),
        geometry=tuple(change.geometry),
        epoch=change.epoch,
        covers=tuple(str(part) for part in covers),
    )


def _verb(order: OutgoingOrder) -> Any:
    return order.verb


def lease_orders(
    lease_ids: Iterable[UUID], *, statuses: Collection[Status] = ON_DEVICE
) -> dict[UUID, LeaseOrder]:
    """Return what the sites need to know of leases, by default of those that are on a device now.

    An order that was written for a lease that is over by now says nothing that is still wanted.
    """
    leases = list(
        Lease.objects.select_related("resource", "reservation__holder", "reservation__project")
        .prefetch_related("artefacts")
        .filter(pk__in=lease_ids, status__in=statuses)
    )
    keys: dict[int, list[str]] = {}
    holders = {lease.reservation.holder_id for lease in leases}
    for holder, text in SshKey.objects.filter(user__in=holders).values_list("user_id", "public_key"):
        keys.setdefault(holder, []).append(text)
    resources = {lease.resource_id: lease.resource for lease in leases}
    covers: dict[UUID, list[str]] = {}
    pairs = Cover.objects.filter(whole__in=resources).order_by("depth", "part_id")
    for whole, part in pairs.values_list("whole_id", "part_id"):
        covers.setdefault(whole, []).append(str(part))
    wired = links_of({lease.reservation_id for lease in leases})
    targets = {target.resource_id: target for target in targets_for(resources.values())}
    return {
        lease.pk: LeaseOrder(
            lease_id=str(lease.pk),
            epoch=lease.epoch or 0,
            revision=lease.revision,
            target=targets[str(lease.resource_id)],
            covers=tuple(covers[lease.resource_id]),
            holder=Holder(
                username=lease.reservation.holder.username,
                project=lease.reservation.project.slug,
                ssh_keys=tuple(keys.get(lease.reservation.holder_id, ())),
            ),
            starts_at=lease.starts_at,
            ends_at=lease.ends_at,
            parameters=lease.parameters,
            artefacts=tuple(
                GivenFile(name=f.name, filename=f.filename, sha256=f.sha256, content=bytes(f.content))
                for f in lease.artefacts.all()
            ),
            links=tuple(_links(lease, wired[lease.reservation_id])),
        )
        for lease in leases
    }


def _links(lease: Lease, wired: Iterable[WiredLink]) -> Iterable[Link]:
    """Return the cables of one lease, as its own end sees them."""
    for link in wired:
        for here, there in ((link.a, link.b), (link.b, link.a)):
            if here.lease == lease.pk:
                yield Link(
                    port=here.port,
                    peer=str(there.resource),
                    peer_name=there.name,
                    peer_port=there.port,
                    vlan=link.vlan,
                )


def targets_of(site: Site) -> list[Target]:
    """Return all devices and parts of a site, as its worker must address them."""
    return targets_for(Resource.objects.filter(site=site, in_service=True))


def targets_for(resources: Iterable[Resource]) -> list[Target]:
    """Return how the site must address each resource: the settings of its wholes, overlaid by its own."""
    resources = list(resources)
    settings_of = settings_by_resource(resources)
    return [
        Target(
            resource_id=str(resource.pk),
            name=resource.name,
            kind=resource.kind,
            adapter=resource.adapter,
            settings=settings_of[resource.pk],
            attributes=resource.attributes,
        )
        for resource in resources
    ]


def hub_key() -> Ed25519PrivateKey:
    """Return the key that the hub signs its orders with."""
    if not settings.SHARY_HUB_KEY:
        raise ImproperlyConfigured("SHARY_HUB_KEY is empty: make one with `manage.py new_key`.")
    return _hub_key(settings.SHARY_HUB_KEY)


@cache
def _hub_key(text: str) -> Ed25519PrivateKey:
    return private_key(text)
