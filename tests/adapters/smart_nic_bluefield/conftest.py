from collections.abc import Iterator

import pytest

from adapters.contract import Secrets, Target
from adapters.emulators.redfish import RedfishEmulator
from adapters.smart_nic_bluefield.adapter import SmartNicBluefieldAdapter

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
        }
        | more,
        attributes={"model": f"BlueField-{bmc.card.generation}", "ports": 2},
    )


@pytest.fixture
def target(bmc: RedfishEmulator) -> Target:
    return target_for(bmc)
