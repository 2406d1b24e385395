"""The promises of the contract, on a real BlueField.

`SHARY_TEST_SMART_NIC` names a JSON file: {"settings": {…}, "secrets": {"name": "value", …}}. The
card must carry no lease; the tests lease it many times.
"""

import json
import os
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from adapters.contract import Target
from adapters.smart_nic_bluefield.adapter import SmartNicBluefieldAdapter
from tests.adapters.conformance import AdapterConformance
from tests.adapters.smart_nic_bluefield.probe import BmcProbe, over_redfish

REAL = os.environ.get("SHARY_TEST_SMART_NIC")
if REAL is None:
    pytest.skip("SHARY_TEST_SMART_NIC names no settings file of a real card", allow_module_level=True)


class TestOnARealBlueField(AdapterConformance):
    patience_s = 60.0

    @pytest.fixture
    def given(self):
        return json.loads(Path(str(REAL)).read_text())

    @pytest.fixture
    def adapter(self, given, secrets_of):
        return SmartNicBluefieldAdapter(secrets=secrets_of(given["secrets"]))

    @pytest.fixture
    def target(self, given):
        return Target(
            resource_id="real",
            name="the real card",
            kind="smart_nic",
            adapter="smart_nic_bluefield",
            settings=given["settings"],
        )

    @pytest.fixture
    def device(self, given):
        settings, parts = given["settings"], urlsplit(given["settings"]["bmc"])
        login = (settings.get("username", "root"), given["secrets"][settings["password_secret"]])
        return BmcProbe(over_redfish(parts.hostname, parts.port or 443, login))
