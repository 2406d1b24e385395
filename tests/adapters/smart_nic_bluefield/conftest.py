import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from adapters.contract import Holder, LeaseOrder, Secrets, Target
from adapters.emulators.redfish import RedfishEmulator
from adapters.smart_nic_bluefield.adapter import SmartNicBluefieldAdapter
from tests.adapters.smart_nic_bluefield.probe import Caller

PASSWORD = "HelloNvidia3D!"


@pytest.fixture
def bmc() -> Iterator[RedfishEmulator]:
    with RedfishEmulator(password=PASSWORD) as emulator:
        yield emulator


@pytest.fixture
def secrets(secrets_of, bmc: RedfishEmulator) -> Secrets:
    return secrets_of({"bmc-password": PASSWORD, "bmc.pem": bmc.certificate, "account-key": "k9" * 20 + "\n"})


@pytest.fixture
def adapter(secrets: Secrets) -> SmartNicBluefieldAdapter:
    return SmartNicBluefieldAdapter(secrets=secrets)


def target_for(bmc: RedfishEmulator, /, **more: object) -> Target:
    return Target(
        resource_id="d2f1",
        name="Roma · BlueField 1",
        kind="smart_nic",
        adapter="smart_nic_bluefield",
        settings={
            "bmc": bmc.url,
            "password_secret": "bmc-password",
            "certificate_secret": "bmc.pem",
            "account_key_secret": "account-key",
            "generation": bmc.card.generation,
            "timeout_s": 1.0,
            "restart_minutes": 0.2,
            "without_image": "accept",
        }
        | more,
        attributes={"model": f"BlueField-{bmc.card.generation}", "ports": 2},
    )


@pytest.fixture
def target(bmc: RedfishEmulator) -> Target:
    return target_for(bmc)


def order_for(target: Target, *, epoch: int = 1, **more: object) -> LeaseOrder:
    now = datetime.now(UTC)
    return LeaseOrder(
        **{
            "lease_id": str(uuid.uuid4()),
            "epoch": epoch,
            "revision": 1,
            "target": target,
            "covers": (target.resource_id,),
            "holder": Holder(username="researcher@uni-a.example", project="optics"),
            "starts_at": now,
            "ends_at": now + timedelta(hours=1),
        }
        | more
    )


@pytest.fixture
def order(target) -> LeaseOrder:
    return order_for(target)


@pytest.fixture
def access(adapter, order):
    access = adapter.provision(order)
    adapter.admit(order)
    return access


@pytest.fixture
def holder(access):
    """The holder, logged in."""
    endpoint = access.endpoints[0]
    with Caller(endpoint.host, endpoint.port, login=(endpoint.username, endpoint.secret)) as caller:
        yield caller


def failed(proof) -> list[str]:
    return [check.name for check in proof.checks if not check.passed]
