"""Leases of cards that go to instances of their holders."""

import pytest

OWN = {"instance": "figo-ada/vm1"}
VM = "virtual-machine"


@pytest.fixture
def own_order(order_for, target):
    def make(instance="figo-ada/vm1", *, of=target, **wishes):
        return order_for(of, parameters={"instance": instance}, **wishes)

    return make


def start(adapter, order):
    adapter.provision(order)
    adapter.admit(order)


def cards_in(lxd, instance):
    return [card.pci for card in lxd.daemon.cards_of(instance)] if instance.running else []


def switches(lxd):
    """Note each start and stop from now on."""
    noted, switch = [], lxd.daemon.switch

    def note(instance, action, *, force):
        noted.append(f"{action}{' at once' if force and action == 'stop' else ''}")
        return switch(instance, action, force=force)

    lxd.daemon.switch = note
    return noted
