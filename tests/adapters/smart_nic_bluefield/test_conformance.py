"""The promises of the contract, on emulated BlueFields."""

from collections.abc import Iterator

import pytest

from adapters.contract import Target
from adapters.emulators.redfish import RedfishEmulator
from tests.adapters.conformance import AdapterConformance
from tests.adapters.smart_nic_bluefield.conftest import PASSWORD, target_for
from tests.adapters.smart_nic_bluefield.probe import EmulatorProbe


class TestOnAnEmulatedBlueField3(AdapterConformance):
    @pytest.fixture
    def device(self, bmc):
        return EmulatorProbe(bmc)


class TestOnAnEmulatedBlueField2(TestOnAnEmulatedBlueField3):
    @pytest.fixture
    def bmc(self) -> Iterator[RedfishEmulator]:
        with RedfishEmulator(password=PASSWORD, generation=2) as emulator:
            yield emulator

    @pytest.fixture
    def target(self, bmc) -> Target:
        return target_for(bmc)


class TestOnAnOlderBlueField3ThatIsImagedAfterEachLease(TestOnAnEmulatedBlueField3):
    @pytest.fixture
    def bmc(self) -> Iterator[RedfishEmulator]:
        with RedfishEmulator(password=PASSWORD, firmware="BF-24.10-17") as emulator:
            yield emulator

    @pytest.fixture
    def target(self, bmc) -> Target:
        return target_for(bmc, image="http://192.0.2.1/bf-bundle-2.9.1.bfb", without_image="quarantine")

    @pytest.fixture
    def parameters(self):
        return {"mode": "ZeroTrust"}
