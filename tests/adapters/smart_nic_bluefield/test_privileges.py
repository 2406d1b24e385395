"""What the host may do with a card: three shapes, one promise."""

import pytest

from adapters.emulators.redfish import RedfishEmulator
from adapters.emulators.redfish.privileges import CONFIG, EXTERNAL, SET_EXTERNAL
from adapters.smart_nic_bluefield.adapter import SmartNicBluefieldAdapter
from tests.adapters.smart_nic_bluefield.conftest import PASSWORD, order_for, target_for
from tests.adapters.smart_nic_bluefield.probe import SYSTEM, Caller

SHAPES = {"settings object": (3, "BF-26.01-3"), "switches": (3, "BF-24.10-17"), "BIOS": (2, "BF-24.10-17")}


@pytest.fixture(params=SHAPES.values(), ids=SHAPES.keys())
def bmc(request):
    generation, firmware = request.param
    with RedfishEmulator(password=PASSWORD, generation=generation, firmware=firmware, delay_s=0.2) as emulator:
        yield emulator


@pytest.fixture
def adapter(secrets_of, bmc):
    values = {"bmc-password": PASSWORD, "bmc.pem": bmc.certificate, "account-key": "k9" * 20}
    return SmartNicBluefieldAdapter(secrets=secrets_of(values))


def loosen(card):
    """Let the host do everything, as cards come from the factory."""
    card.host_privilege = card.bios["HostPrivilegeLevel"] = "Privileged"
    card.external_privileges = dict.fromkeys(card.external_privileges, "Default")
    card.host_rshim = "Enabled"


def seen(bmc) -> str:
    """What the host may do, asked over the wire and not by the adapter."""
    with Caller(bmc.host, bmc.port, login=("root", PASSWORD)) as root:
        if bmc.card.generation == 2:
            return root.ask("GET", f"{SYSTEM}/Bios")[1]["Attributes"]["HostPrivilegeLevel"]
        status, body, _ = root.ask("GET", CONFIG)
        if status == 200:
            return body["PrivilegeMode"]
        values = set(root.ask("GET", EXTERNAL)[1]["ExternalHostPrivilege"].values())
        return {("Disabled",): "Restricted", ("Default",): "Privileged"}[tuple(values)]


def test_the_host_is_shut_out_during_the_lease_and_let_in_again_after_it(adapter, bmc):
    loosen(bmc.card)
    target = target_for(bmc, host_privilege="Privileged", host_rshim="Enabled")
    order = order_for(target)
    assert seen(bmc) == "Privileged"

    adapter.provision(order)
    assert seen(bmc) == "Restricted"
    assert bmc.card.generation == 2 or bmc.card.host_rshim == "Disabled"

    assert adapter.release(order).is_clean
    assert seen(bmc) == "Privileged"
    assert bmc.card.generation == 2 or bmc.card.host_rshim == "Enabled"


def test_zero_trust_shuts_the_host_out_where_other_leases_do_not(adapter, bmc):
    loosen(bmc.card)
    more = {"host_privilege": "Privileged", "host_rshim": "Enabled", "modes": ["ZeroTrust"]}
    target = target_for(bmc, host_privilege_leased="Privileged", host_rshim_leased="Enabled", **more)
    plain = order_for(target)
    adapter.provision(plain)
    assert seen(bmc) == "Privileged"
    assert adapter.release(plain).is_clean

    adapter.provision(order_for(target, epoch=2, parameters={"mode": "ZeroTrust"}))

    assert seen(bmc) == "Restricted"


def test_a_privilege_that_a_holder_loosened_is_taken_back(adapter, bmc):
    order = order_for(target_for(bmc))
    adapter.provision(order)
    loosen(bmc.card)

    assert adapter.release(order).is_clean
    assert seen(bmc) == "Restricted"


def test_the_older_firmware_says_no_to_what_it_does_not_know():
    with (
        RedfishEmulator(password=PASSWORD, firmware="BF-24.10-17") as bmc,
        Caller(bmc.host, bmc.port, login=("root", PASSWORD)) as root,
    ):
        assert root.ask("GET", CONFIG)[0] == 404
        assert root.ask("POST", SET_EXTERNAL, {"HostPrivFwUpdate": "Maybe"})[0] == 400
        assert root.ask("POST", SET_EXTERNAL, {"HostPrivAll": "Disabled"})[0] == 400
        assert root.ask("POST", SET_EXTERNAL, {"HostPrivFwUpdate": "Enabled"})[0] == 204
        assert bmc.card.external_privileges["HostPrivFwUpdate"] == "Enabled"


def test_the_newer_firmware_lets_a_privilege_wait_for_a_restart():
    with (
        RedfishEmulator(password=PASSWORD) as bmc,
        Caller(bmc.host, bmc.port, login=("root", PASSWORD)) as root,
    ):
        assert root.ask("GET", EXTERNAL)[0] == 404
        assert root.ask("PATCH", CONFIG, {"PrivilegeMode": "Privileged"})[0] == 405
        assert root.ask("PATCH", f"{CONFIG}/Settings", {"PrivilegeMode": "Half"})[0] == 400
        assert root.ask("PATCH", f"{CONFIG}/Settings", {"PrivilegeMode": "Privileged"})[0] == 204
        assert root.ask("GET", CONFIG)[1]["PrivilegeMode"] == "Restricted"
        assert root.ask("GET", f"{CONFIG}/Settings")[1]["PrivilegeMode"] == "Privileged"
        root.ask("POST", f"{SYSTEM}/Actions/ComputerSystem.Reset", {"ResetType": "ForceRestart"})
        assert root.ask("GET", CONFIG)[1]["PrivilegeMode"] == "Privileged"
