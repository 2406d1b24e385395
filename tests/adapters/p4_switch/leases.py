"""A lease of an emulated switch, and a look at the switch from outside."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from finsy.proto import p4r

from adapters.contract import Holder, LeaseOrder
from adapters.emulators.p4runtime import P4RuntimeEmulator
from tests.adapters.emulators.p4runtime.controller import (
    Controller,
)
from tests.adapters.p4_switch.conftest import target_at
from tests.adapters.p4_switch.outside import OutsideOfEmulator

LEASE = "3f6c8f7e-0000-4000-8000-000000000001"
OTHER = "3f6c8f7e-0000-4000-8000-000000000002"
EPOCH = 7


@pytest.fixture
def outside(switch) -> OutsideOfEmulator:
    return OutsideOfEmulator(switch)


@pytest.fixture
def order_for(switch, artefacts) -> Callable[..., LeaseOrder]:
    def make(lease_id: str = LEASE, *, epoch: int = EPOCH, **settings: object) -> LeaseOrder:
        now = datetime(2030, 1, 1, tzinfo=UTC)
        address = str(settings.pop("address", switch.address))
        return LeaseOrder(
            lease_id=lease_id,
            epoch=epoch,
            revision=1,
            target=target_at(address, **({"answer_timeout_s": 3.0} | settings)),
            covers=("0b7a8e3c-5e0e-4d0e-9d5f-6a3c1f0d2b11",),
            holder=Holder(username="researcher@uni-a.example", project="testbed"),
            starts_at=now,
            ends_at=now + timedelta(hours=1),
            artefacts=artefacts,
        )

    return make


@pytest.fixture
def order(order_for) -> LeaseOrder:
    return order_for()


@pytest.fixture
def opened(adapter, order):
    """The lease's access, with the switch open to its holder."""
    access = adapter.provision(order)
    adapter.admit(order)
    return access


def on_switch(switch: P4RuntimeEmulator) -> p4r.ForwardingPipelineConfig:
    with Controller(switch.address) as controller:
        return controller.pipeline().config


def program_on(switch: P4RuntimeEmulator) -> bytes:
    return on_switch(switch).p4_device_config
