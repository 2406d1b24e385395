from collections.abc import Iterator

import pytest

from adapters.contract import Secrets, Target
from adapters.emulators.sriov import EmulatedCard, SriovEmulator
from adapters.smart_nic_sriov.adapter import SmartNicSriov


@pytest.fixture
def emulator() -> Iterator[SriovEmulator]:
    with SriovEmulator(card=EmulatedCard(namespaces=["lab"])) as emulator:
        yield emulator


@pytest.fixture
def secrets(secrets_of) -> Secrets:
    return secrets_of({})


@pytest.fixture
def adapter(secrets: Secrets) -> SmartNicSriov:
    return SmartNicSriov(secrets=secrets)


def target_for(emulator: SriovEmulator, /, **more: object) -> Target:
    settings = {
        "card": emulator.card.name,
        "pci": emulator.card.pci,
        "vf": 1,
        "holder_host": "gpu1.uni-a.example",
        "kernel": emulator.url,
        "sysfs": str(emulator.sysfs),
        "timeout_s": 4.0,
    } | more
    return Target(
        resource_id="f00d",
        name="Roma · ens1f0 VF 1",
        kind="smart_nic_vf" if settings.get("vf") is not None else "smart_nic",
        adapter="smart_nic_sriov",
        settings={name: value for name, value in settings.items() if value is not None},
        attributes={"model": "mlx5_core 15b3:101d", "functions": 1},
    )


@pytest.fixture
def target(emulator: SriovEmulator) -> Target:
    return target_for(emulator)
