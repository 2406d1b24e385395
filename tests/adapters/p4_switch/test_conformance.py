"""The promises of every adapter, kept by the P4 switch.

With SHARY_TEST_P4_SWITCH=host:port in the environment, they are tried on that switch instead of the
emulated one. It has to be free, and it is left parked.
"""

import pytest

from adapters.contract import Artefact
from tests.adapters.conformance import AdapterConformance
from tests.adapters.p4_switch.conftest import example_artefacts


class TestP4SwitchConformance(AdapterConformance):
    @pytest.fixture
    def artefacts(self) -> tuple[Artefact, ...]:
        return example_artefacts()
