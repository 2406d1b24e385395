"""The holder's keys, on the devices that they hold now."""

from typing import Any

from django.db import transaction
from django.db.models import F

from accounts.models import User
from reservations.models import Lease
from reservations.services.engine.orders import write_orders
from reservations.states import Status


def follow_keys(*, user: User, **_: Any) -> None:
    """Have the sites take over the present keys of a holder; called when a key was added or removed."""
    with transaction.atomic():
        leases = list(
            Lease.objects.select_related("resource")
            .select_for_update(of=("self",), no_key=True)
            .filter(reservation__holder=user, status__in=[Status.PROVISIONING, Status.ACTIVE])
            .order_by("pk")
        )
        if leases:
            Lease.objects.filter(pk__in=[lease.pk for lease in leases]).update(revision=F("revision") + 1)
            write_orders(leases, verb="hold")
