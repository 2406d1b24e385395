"""The promises of every adapter, kept for a lease that goes to the holder's own instance.

Nobody logs in through SHARY there: to be in means that the card is usable inside the running instance.
"""

from contextlib import contextmanager

import pytest

from tests.adapters.conformance import AdapterConformance
from tests.adapters.gpu_lxd.conftest import H100
from tests.adapters.gpu_lxd.figo_site import figo_site, gpu_profile


class UseInside:
    """Somebody who computes on the card inside the instance, without a break."""

    def __init__(self, emulated):
        self.emulated = emulated
        self.stays = emulated.has_the_card()

    def alive(self):
        self.stays = self.stays and self.emulated.has_the_card()
        return self.stays


class BorrowedInstance:
    """What the suite sees of the holder's instance, from inside it."""

    def __init__(self, lxd, project, name):
        self.lxd, self.key = lxd, (project, name)
        self.break_with, self.mend, self.changes = lxd.break_with, lxd.mend, lxd.changes

    def has_the_card(self):
        instance = self.lxd.daemon.instances[self.key]
        cards = [card.pci for card in self.lxd.daemon.cards_of(instance)]
        return instance.running and H100 in cards

    def can_enter(self, access, order):
        marked = self.lxd.daemon.instances[self.key].config.get("user.shary.lease")
        return marked == order.lease_id and self.has_the_card()

    @contextmanager
    def hold_session(self, access, order):
        yield UseInside(self)

    def residue(self, order):
        instance = self.lxd.daemon.instances[self.key]
        if instance.config.get("user.shary.lease") != order.lease_id:
            return []
        tags = [key for key in instance.config if key.startswith("user.shary.")]
        devices = [name for name in instance.devices if name.startswith("shary-")]
        profiles = [name for name in instance.profiles if name.startswith("gpu-")]
        return [f"{what} of the instance" for what in tags + devices + profiles]


class OnAnOwnInstance(AdapterConformance):
    @pytest.fixture
    def parameters(self):
        return {"instance": "figo-ada/vm1"}

    @pytest.fixture
    def device(self, lxd):
        figo_site(lxd, type=self.kind)
        return BorrowedInstance(lxd, "figo-ada", "vm1")


class TestOnAContainer(OnAnOwnInstance):
    kind = "container"


class TestOnAVirtualMachineByFigosProfile(OnAnOwnInstance):
    kind = "virtual-machine"

    @pytest.fixture
    def target(self, target_for):
        return target_for(pci=H100, figo_profiles=True)

    @pytest.fixture
    def device(self, lxd):
        figo_site(lxd, type=self.kind, profiles=[gpu_profile("gpu-1-65000", "65:00.0")])
        return BorrowedInstance(lxd, "figo-ada", "vm1")
