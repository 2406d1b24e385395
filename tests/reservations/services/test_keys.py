"""A holder's keys follow to the devices that they hold now."""

import pytest

from accounts.keys import add_ssh_key, remove_ssh_key
from reservations.models import Lease, OutgoingOrder
from reservations.services.engine.orders import lease_orders
from reservations.states import Status
from tests.factories import book_lease, make_user

pytestmark = pytest.mark.django_db

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIX8oKxLrN9cRrXkJ4oXjWnTbk0bVwYyB5jKQ6QkS7hC laptop"


def test_a_key_that_is_added_or_removed_reaches_the_devices_of_running_leases() -> None:
    lease = book_lease(status=Status.ACTIVE)
    holder = lease.reservation.holder
    key = add_ssh_key(user=holder, public_key=KEY)
    (order,) = lease_orders([lease.pk]).values()
    assert order.holder.ssh_keys == (key.public_key,)
    assert order.revision == lease.revision + 1
    remove_ssh_key(key)
    (order,) = lease_orders([lease.pk]).values()
    assert order.holder.ssh_keys == ()
    assert [entry.verb for entry in OutgoingOrder.objects.filter(lease=lease)] == ["hold", "hold"]


def test_leases_of_others_and_leases_that_wait_are_left_alone() -> None:
    others = book_lease(status=Status.ACTIVE)
    waiting = book_lease()
    add_ssh_key(user=make_user(), public_key=KEY)
    add_ssh_key(user=waiting.reservation.holder, public_key=KEY)
    assert not OutgoingOrder.objects.exists()
    assert Lease.objects.get(pk=others.pk).revision == others.revision
