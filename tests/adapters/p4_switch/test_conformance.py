"""The promises of every adapter, kept by the P4 switch.

With SHARY_TEST_P4_SWITCH=host:port in the environment, they are tried on that switch instead of the
emulated one. It has to be free, and it is left parked.
"""

from collections.abc import Iterator

import pytest

from adapters.contract import Artefact, Target
from adapters.p4_switch.adapter import P4Switch
from p4_gateway.config import Config
from tests.adapters.conformance import AdapterConformance
from tests.adapters.p4_switch.conftest import example_artefacts, target_at
from tests.p4_gateway.conftest import RunningGateway


class TestP4SwitchConformance(AdapterConformance):
    @pytest.fixture
    def artefacts(self) -> tuple[Artefact, ...]:
        return example_artefacts()


class TestBehindTheGateway(AdapterConformance):
    """The same promises, where the holder never reaches the switch."""

    @pytest.fixture
    def artefacts(self) -> tuple[Artefact, ...]:
        return example_artefacts()

    @pytest.fixture
    def gateway(self, tmp_path) -> Iterator[RunningGateway]:
        config = Config(state_dir=tmp_path / "gateway", listen="127.0.0.1:0", public_host="127.0.0.1")
        running = RunningGateway(config)
        running.start()
        yield running
        running.stop()

    @pytest.fixture
    def adapter(self, secrets_of, gateway) -> P4Switch:
        return P4Switch(secrets=secrets_of({"p4-gateway": str(gateway.config.control_socket)}))

    @pytest.fixture
    def target(self, device) -> Target:
        return target_at(device.address, answer_timeout_s=0.8, gateway_secret="p4-gateway")
