"""Modes: changed where the site agreed to it, pending where it did not, never pretended."""

import pytest

from adapters.emulators.redfish import RedfishEmulator
from adapters.errors import DeviceBusy, DeviceRefused, InvalidSettings
from adapters.smart_nic_bluefield.adapter import SmartNicBluefieldAdapter
from adapters.smart_nic_bluefield.settings import DESCRIPTION
from tests.adapters.smart_nic_bluefield.conftest import PASSWORD, failed, order_for, target_for
from tests.adapters.smart_nic_bluefield.probe import SYSTEM, Caller

NIC = {"mode": "NicMode"}


@pytest.fixture(params=[2, 3], ids=["BlueField-2", "BlueField-3"])
def bmc(request):
    with RedfishEmulator(password=PASSWORD, generation=request.param, delay_s=0.2) as emulator:
        yield emulator


@pytest.fixture(params=["PowerCycle", "ForceOff"])
def host(request, bmc):
    """The BMC of the host, with and without a power cycle among its resets."""
    resets = ("On", "ForceOff", request.param)
    with RedfishEmulator(password="Host-Host-Host-1", powers=bmc.card, resets=resets) as emulator:
        yield emulator


@pytest.fixture
def adapter(secrets_of, bmc, host):
    return SmartNicBluefieldAdapter(
        secrets=secrets_of(
            {
                "bmc-password": PASSWORD,
                "bmc.pem": bmc.certificate,
                "account-key": "k9" * 20,
                "host-password": "Host-Host-Host-1",
                "host.pem": host.certificate,
            }
        )
    )


def changing(bmc, host, **more):
    return target_for(
        bmc,
        modes=["NicMode"],
        mode_changes="host_bmc",
        mode_change_minutes=1,
        host_bmc=host.url,
        host_password_secret="host-password",
        host_certificate_secret="host.pem",
        **more,
    )


def test_a_mode_is_changed_for_a_lease_and_back_after_it(adapter, bmc, host):
    target = changing(bmc, host)
    order = order_for(target, parameters=NIC)
    adapter.provision(order)
    assert bmc.card.mode == "NicMode"
    adapter.admit(order)
    assert adapter.observe(target).healthy

    proof = adapter.release(order)

    assert proof.is_clean, failed(proof)
    assert bmc.card.mode == "DpuMode"


def test_a_prepared_card_is_not_restarted_under_its_holder(adapter, bmc, host):
    order = order_for(changing(bmc, host), parameters=NIC)
    access = adapter.provision(order)
    adapter.admit(order)
    bmc.card.ask_mode("DpuMode")
    for _ in range(2):
        bmc.card.reboot_arm()
    bmc.card.cycle_host_power()
    changes, host_changes = bmc.card.changes, host.card.changes

    assert adapter.provision(order) == access
    assert (bmc.card.changes, host.card.changes) == (changes, host_changes)


def test_a_mode_that_does_not_come_is_pending_and_nobody_is_let_in(adapter, bmc, host, monkeypatch):
    monkeypatch.setattr(
        "adapters.smart_nic_bluefield.mode.comes_true", lambda _question, *, within_s: within_s < 0
    )
    host.break_with("lie")
    order = order_for(changing(bmc, host), parameters=NIC)

    with pytest.raises(DeviceRefused, match="Pending"):
        adapter.provision(order)
    with pytest.raises(DeviceRefused, match="not prepared"):
        adapter.admit(order)
    assert set(bmc.card.accounts) - {"root"} == {n for n in bmc.card.accounts if n.startswith("shr")}
    host.mend()
    monkeypatch.undo()
    assert adapter.release(order).is_clean


@pytest.mark.parametrize(
    ("how", "error", "words"),
    [
        ("never", DeviceRefused, "needs the host's power"),
        ("operator", DeviceBusy, "Pending: .*An operator has to"),
    ],
)
def test_without_the_sites_consent_a_mode_is_not_touched(adapter, bmc, how, error, words):
    order = order_for(target_for(bmc, modes=["NicMode"], mode_changes=how), parameters=NIC)

    with pytest.raises(error, match=words):
        adapter.provision(order)
    assert bmc.card.changes == 0


def test_a_lease_that_waits_for_an_operator_starts_once_the_mode_shows(adapter, bmc):
    order = order_for(target_for(bmc, modes=["NicMode"], mode_changes="operator"), parameters=NIC)
    with pytest.raises(DeviceBusy):
        adapter.provision(order)
    bmc.card.ask_mode("NicMode")
    for _ in range(2):
        bmc.card.reboot_arm()
    bmc.card.cycle_host_power()

    adapter.provision(order)

    proof = adapter.release(order)
    assert failed(proof)[0] == "Mode"
    assert "pending until" in next(check.found for check in proof.checks if check.name == "Mode")


def test_a_mode_that_is_not_offered_is_refused(adapter, bmc):
    order = order_for(target_for(bmc, mode_changes="operator"), parameters=NIC)

    with pytest.raises(DeviceRefused, match="offered in DpuMode, ZeroTrust"):
        adapter.provision(order)
    assert bmc.card.changes == 0


def test_a_card_that_is_not_in_the_sites_mode_is_not_lent_as_if_it_were(adapter, bmc):
    bmc.card.mode = "NicMode"

    with pytest.raises(DeviceRefused, match="is in NicMode"):
        adapter.provision(order_for(target_for(bmc)))


def test_power_that_is_cycled_needs_to_be_reached(adapter, bmc):
    with pytest.raises(InvalidSettings, match="mode_changes"):
        adapter.observe(target_for(bmc, mode_changes="host_bmc"))
    problems = DESCRIPTION.check_settings(target_for(bmc, mode_changes="host_bmc").settings)
    assert "secrets with its password" in problems[0].message


def test_the_holder_is_told_what_a_mode_means(bmc, host):
    def said(target, mode):
        return " ".join(DESCRIPTION.warn(target.settings, {"mode": mode}))

    assert "takes up to 1 minutes" in said(changing(bmc, host), "NicMode")
    assert "offered in DpuMode, ZeroTrust" in said(target_for(bmc), "NicMode")
    assert "does not change it" in said(target_for(bmc, modes=["NicMode"]), "NicMode")
    assert "not erased" in said(target_for(bmc), None)
    assert said(target_for(bmc, image="http://192.0.2.1/a.bfb"), "DpuMode") == ""


def test_the_host_s_bmc_says_only_what_its_vendor_knows(bmc, host):
    with Caller(host.host, host.port, login=("root", "Host-Host-Host-1")) as root:
        path = "/redfish/v1/Systems/1"
        assert root.ask("GET", path)[1]["PowerState"] == "On"
        assert root.ask("POST", f"{path}/Actions/ComputerSystem.Reset", {"ResetType": "Nmi"})[0] == 400
        assert root.ask("GET", SYSTEM)[0] == 404
