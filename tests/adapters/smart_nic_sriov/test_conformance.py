"""The promises of the contract, on an emulated card."""

import pytest

from adapters.contract import Target
from tests.adapters.conformance import AdapterConformance
from tests.adapters.smart_nic_sriov.conftest import target_for
from tests.adapters.smart_nic_sriov.probe import CardProbe


class TestAVirtualFunction(AdapterConformance):
    @pytest.fixture
    def device(self, emulator) -> CardProbe:
        return CardProbe(emulator)


class TestAWholeCard(TestAVirtualFunction):
    @pytest.fixture
    def target(self, emulator) -> Target:
        return target_for(emulator, vf=None)


class TestAFunctionLentIntoANamespace(TestAVirtualFunction):
    @pytest.fixture
    def target(self, emulator) -> Target:
        return target_for(emulator, namespace="lab")


class TestASubfunction(TestAVirtualFunction):
    @pytest.fixture
    def target(self, emulator) -> Target:
        return target_for(emulator, vf=None, port_function=32768)
