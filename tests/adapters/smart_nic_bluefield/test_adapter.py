"""What is particular to a BlueField: holders who tamper, things that wait for a reboot, trust in the BMC."""

import os
import shlex
import shutil
import subprocess
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.emulators.redfish import RedfishEmulator
from adapters.emulators.redfish.accounts import check_password
from adapters.emulators.redfish.certificate import make_certificate
from adapters.errors import DeviceBusy, DeviceRefused, InvalidSettings
from adapters.smart_nic_bluefield.adapter import SmartNicBluefieldAdapter
from adapters.smart_nic_bluefield.client import Address, Bmc
from adapters.smart_nic_bluefield.lease import ForgedTag, LeaseNames, Tag
from tests.adapters.smart_nic_bluefield.conftest import PASSWORD, failed, order_for, target_for
from tests.adapters.smart_nic_bluefield.probe import SYSTEM, Caller, EmulatorProbe

OEM = f"{SYSTEM}/Oem/Nvidia"
KEY = "k9" * 20


# --- a holder who tampers ------------------------------------------------------------------------


def test_a_holder_who_forges_the_tag_is_cut_off_all_the_same(adapter, bmc, order, access, holder):
    assert holder.ask("PATCH", SYSTEM, {"AssetTag": f"shary:{uuid.uuid4()}:999999:abcdefghijkl"})[0] == 204
    seen = adapter.observe(order.target)
    assert not seen.healthy
    assert "not written by this site" in seen.detail

    adapter.isolate(order)
    assert not EmulatorProbe(bmc).can_enter(access, order)
    assert adapter.release(order).is_clean
    assert bmc.card.asset_tag == ""


def test_a_holder_who_erases_the_tag_does_not_make_the_card_free(adapter, target, bmc, order, holder):
    assert holder.ask("PATCH", SYSTEM, {"AssetTag": ""})[0] == 204

    assert not adapter.observe(target).healthy
    with pytest.raises(DeviceBusy, match="accounts of another lease"):
        adapter.provision(order_for(target, epoch=2))
    assert adapter.release(order).is_clean


def test_a_holder_who_writes_the_tag_of_an_earlier_lease_gains_nothing(adapter, bmc, target):
    first, second = order_for(target, epoch=1), order_for(target, epoch=2)
    adapter.provision(first)
    kept = bmc.card.asset_tag
    assert adapter.release(first).is_clean
    access = adapter.provision(second)
    adapter.admit(second)
    bmc.card.asset_tag = kept

    assert not adapter.observe(target).healthy
    with pytest.raises(DeviceBusy):
        adapter.release(first)
    assert EmulatorProbe(bmc).can_enter(access, second)
    assert adapter.release(second).is_clean
    assert (bmc.card.asset_tag, set(bmc.card.accounts)) == ("", {"root"})


@pytest.mark.parametrize("tag", ["", "shary:other:9:abcdefghijkl"])
def test_access_is_not_opened_on_a_card_that_lost_its_tag(adapter, bmc, order, tag):
    access = adapter.provision(order)
    bmc.card.asset_tag = tag

    with pytest.raises(DeviceRefused, match="was not prepared"):
        adapter.admit(order)
    assert not EmulatorProbe(bmc).can_enter(access, order)


def test_a_lost_tag_is_written_again_without_disturbing_the_holder(adapter, target, order, access, holder):
    holder.ask("PATCH", SYSTEM, {"AssetTag": ""})

    assert adapter.provision(order) == access
    assert holder.ask("GET", SYSTEM)[0] == 200
    assert adapter.observe(target).carries == order.lease_id


def test_what_the_holder_changed_is_set_back(adapter, bmc, order, holder):
    boot = {"BootSourceOverrideEnabled": "Continuous", "BootSourceOverrideTarget": "Pxe"}
    for method, path, body in (
        ("PATCH", SYSTEM, {"Boot": boot}),
        ("POST", f"{OEM}/Actions/HostRshim.Set", {"HostRshim": "Enabled"}),
        ("PATCH", f"{SYSTEM}/Bios/Settings", {"Attributes": {"EnableSMMU": False}}),
        (
            "PATCH",
            "/redfish/v1/Chassis/Card1/NetworkAdapters/NvidiaNetworkAdapter/Oem/Nvidia/HostPrivilegeConfig/Settings",
            {"PrivilegeMode": "Privileged"},
        ),
        ("POST", f"{SYSTEM}/Actions/ComputerSystem.Reset", {"ResetType": "ForceRestart"}),
        ("POST", f"{SYSTEM}/Actions/ComputerSystem.Reset", {"ResetType": "ForceOff"}),
    ):
        assert holder.ask(method, path, body)[0] == 204

    assert (bmc.card.host_privilege, bmc.card.host_rshim) == ("Privileged", "Enabled")
    assert adapter.release(order).is_clean
    card = bmc.card
    assert (card.boot_enabled, card.host_rshim, card.host_privilege) == ("Disabled", "Disabled", "Restricted")
    assert (card.power, card.pending_bios) == ("On", {})


def test_a_holder_is_not_sent_events_after_the_lease(adapter, bmc):
    bmc.card.subscriptions["1"] = "https://monitor.uni-a.example/events"
    order = order_for(target_for(bmc, event_destinations=["https://monitor.uni-a.example/events"]))
    endpoint = adapter.provision(order).endpoints[0]
    adapter.admit(order)
    with Caller(endpoint.host, endpoint.port, login=(endpoint.username, endpoint.secret)) as caller:
        wish = {"Destination": "https://holder.example/", "Protocol": "Redfish"}
        assert caller.ask("POST", "/redfish/v1/EventService/Subscriptions", wish)[0] == 201

    assert adapter.release(order).is_clean
    assert bmc.card.subscriptions == {"1": "https://monitor.uni-a.example/events"}


def test_bios_attributes_of_the_site_are_restored_by_a_restart(adapter, bmc, secrets):
    order = order_for(target_for(bmc, bios={"EnableSMMU": True}))
    adapter.provision(order)
    bmc.card.bios["EnableSMMU"] = False

    assert adapter.release(order).is_clean
    assert bmc.card.bios["EnableSMMU"] is True


def test_a_mode_that_only_waits_is_called_off(adapter, bmc, order, holder):
    assert holder.ask("POST", f"{OEM}/Actions/Mode.Set", {"Mode": "NicMode"})[0] == 204
    assert bmc.card.pending_mode == "NicMode"

    assert adapter.release(order).is_clean
    assert bmc.card.pending_mode is None


def test_a_card_in_another_mode_is_not_proven_clean_until_its_host_was_power_cycled(adapter, bmc, order):
    adapter.provision(order)
    bmc.card.ask_mode("NicMode")
    for _ in range(2):
        bmc.card.reboot_arm()
    bmc.card.cycle_host_power()
    assert bmc.card.mode == "NicMode"

    assert failed(adapter.release(order))[:1] == ["Mode"]
    assert adapter.observe(order.target).carries == order.lease_id
    assert "NicMode" in adapter.observe(order.target).detail

    for _ in range(2):
        bmc.card.reboot_arm()
    bmc.card.cycle_host_power()
    assert adapter.release(order).is_clean


def test_other_firmware_than_the_site_wants_is_not_clean(adapter, bmc):
    order = order_for(target_for(bmc, firmware="BF-25.10-1"))
    adapter.provision(order)

    assert failed(adapter.release(order)) == ["Firmware of the BMC", "Asset tag"]


def test_the_proof_says_all_that_was_looked_at(adapter, bmc):
    order = order_for(target_for(bmc, firmware="BF-26.01-3", bios={"EnableSMMU": True}))
    adapter.provision(order)

    assert {check.name for check in adapter.release(order).checks} == {
        "No account of a lease",
        "No session of a lease",
        "The holder's password",
        "Nobody else is sent events",
        "Mode",
        "Nothing waits for a reboot",
        "Privilege of the host",
        "RShim of the host",
        "Boot override",
        "Power of the Arm cores",
        "BIOS attribute EnableSMMU",
        "Firmware of the BMC",
        "Firmware (BMC)",
        "Firmware (NIC)",
        "Firmware (BSP)",
        "Storage of the Arm cores",
        "Asset tag",
    }


def test_a_reader_may_look_and_change_nothing(adapter, bmc):
    order = order_for(target_for(bmc, role="ReadOnly"))
    endpoint = adapter.provision(order).endpoints[0]
    adapter.admit(order)
    with Caller(endpoint.host, endpoint.port, login=(endpoint.username, endpoint.secret)) as caller:
        assert caller.ask("GET", SYSTEM)[0] == 200
        assert caller.ask("PATCH", SYSTEM, {"AssetTag": "mine"})[0] == 403


def test_sessions_end_also_where_closing_the_account_does_not_end_them(adapter, bmc, order, access):
    bmc.card.cuts_sessions = False
    with EmulatorProbe(bmc).hold_session(access, order) as session:
        bmc.card.accounts[access.endpoints[0].username].enabled = False
        assert session.alive()

        adapter.isolate(order)

        assert not session.alive()


def test_a_stranger_cannot_lock_the_holder_out_before_the_start(adapter, bmc, order):
    access = adapter.provision(order)
    endpoint = access.endpoints[0]
    with Caller(endpoint.host, endpoint.port) as stranger:
        for _ in range(12):
            assert not stranger.log_in(endpoint.username, "wrong")
    assert bmc.card.accounts[endpoint.username].locked

    adapter.admit(order)

    assert EmulatorProbe(bmc).can_enter(access, order)


# --- epochs, firmware, what the holder asked for --------------------------------------------------


def test_the_same_lease_in_a_later_epoch_takes_over_from_itself(adapter, bmc, target):
    first = order_for(target, epoch=3)
    old = adapter.provision(first)
    adapter.admit(first)
    second = order_for(target, lease_id=first.lease_id, epoch=4)

    new = adapter.provision(second)
    adapter.admit(second)

    assert old.endpoints[0].secret != new.endpoints[0].secret
    assert not EmulatorProbe(bmc).can_enter(old, first)
    assert EmulatorProbe(bmc).can_enter(new, second)
    assert adapter.release(second).is_clean
    assert set(bmc.card.accounts) == {"root"}


def test_a_lease_that_relies_on_the_other_mode_is_refused_and_leaves_nothing(adapter, bmc, target):
    order = order_for(target, parameters={"mode": "NicMode"})

    with pytest.raises(DeviceRefused, match="DpuMode"):
        adapter.provision(order)
    assert bmc.card.changes == 0
    adapter.provision(order_for(target, parameters={"mode": "DpuMode"}))


def test_older_firmware_keeps_the_privilege_of_the_host_in_the_bios(secrets_of):
    with RedfishEmulator(password=PASSWORD, firmware="BF-24.10-17") as bmc:
        adapter = SmartNicBluefieldAdapter(
            secrets=secrets_of({"bmc-password": PASSWORD, "bmc.pem": bmc.certificate, "account-key": KEY})
        )
        order = order_for(target_for(bmc))
        adapter.provision(order)
        bmc.card.bios["HostPrivilegeLevel"] = "Privileged"

        assert adapter.release(order).is_clean
        assert bmc.card.bios["HostPrivilegeLevel"] == "Restricted"


def test_a_bmc_without_room_for_an_account_says_so_in_its_own_words(adapter, bmc, order):
    for number in range(14):
        bmc.card.set_account(f"u{number}", "x", role="ReadOnly", enabled=True)

    with pytest.raises(DeviceRefused, match="no room for another account"):
        adapter.provision(order)


def test_discovery_finds_the_card_with_its_ports_and_cores(adapter, target, bmc):
    (found,) = adapter.discover(target)

    assert (found.kind, found.model, found.serial) == ("smart_nic", "BlueField-3", bmc.card.serial)
    assert found.attributes == {
        "model": "BlueField-3",
        "ports": 2,
        "port_speed_gbps": 200,
        "arm_cores": 16,
        "mode": "DpuMode",
        "firmware": "BF-26.01-3",
    }


def test_no_session_of_the_site_is_left_open(adapter, bmc, order):
    adapter.provision(order)
    adapter.admit(order)
    adapter.observe(order.target)
    adapter.release(order)

    assert bmc.card.sessions == {}


@pytest.mark.skipif(
    shutil.which("curl") is None and os.environ.get("CI") != "true", reason="there is no curl here"
)
def test_the_command_shown_to_the_holder_works_as_it_stands(adapter, order, access):
    command = [*shlex.split(access.endpoints[0].command), "--silent", "--fail", "--noproxy", "*"]
    environment = {"PATH": os.environ["PATH"]}

    answer = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=20)
    assert answer.returncode == 0, answer.stderr
    assert "PowerState" in answer.stdout

    other_key = command[: command.index("--pinnedpubkey") + 1]
    refused = subprocess.run(
        [*other_key, "sha256//" + "A" * 43 + "=", *command[len(other_key) + 1 :]],
        capture_output=True,
        text=True,
        env=environment,
        timeout=20,
    )
    assert refused.returncode == 90  # the pinned key does not match: nothing was sent


# --- trust ----------------------------------------------------------------------------------------


def test_a_bmc_with_another_certificate_gets_no_password(bmc, secrets_of, order, tmp_path):
    make_certificate(tmp_path / "other")
    other = (tmp_path / "other" / "bmc.pem").read_text()
    adapter = SmartNicBluefieldAdapter(
        secrets=secrets_of({"bmc-password": PASSWORD, "bmc.pem": other, "account-key": KEY})
    )
    asked = []
    bmc.answer = lambda *request: asked.append(request)

    with pytest.raises(InvalidSettings, match="cannot be trusted"):
        adapter.provision(order)
    assert asked == []


def test_a_certificate_of_an_authority_needs_the_right_name(secrets_of):
    for host, works in (("127.0.0.1", True), ("127.0.0.2", False)):
        with RedfishEmulator(password=PASSWORD, host=host) as bmc:
            adapter = SmartNicBluefieldAdapter(
                secrets=secrets_of({"bmc-password": PASSWORD, "bmc.pem": bmc.certificate, "account-key": KEY})
            )
            target = target_for(bmc, certificate_of="authority")
            if works:
                assert adapter.observe(target).healthy
            else:
                with pytest.raises(InvalidSettings, match="cannot be trusted"):
                    adapter.observe(target)
                assert adapter.observe(target_for(bmc)).healthy


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("bmc-password", "wrong", "does not let “root” in"),
        ("account-key", "short", "shorter than 32"),
        ("bmc.pem", "not a certificate", "no certificate"),
    ],
)
def test_a_wrong_secret_is_named_and_not_shown(bmc, secrets_of, target, name, value, words):
    values = {"bmc-password": PASSWORD, "bmc.pem": bmc.certificate, "account-key": KEY}
    adapter = SmartNicBluefieldAdapter(secrets=secrets_of(values | {name: value}))

    with pytest.raises(InvalidSettings, match=words) as caught:
        adapter.observe(target)
    assert PASSWORD not in str(caught.value)
    assert KEY not in str(caught.value)


def test_settings_that_cannot_work_are_named_by_field(adapter, bmc):
    with pytest.raises(InvalidSettings, match=r"fields: bmc, timeout_s\."):
        adapter.observe(target_for(bmc, bmc="http://plain.example", timeout_s=0))


def test_a_card_that_changed_since_it_was_read_is_not_written_over(bmc):
    address = Address(url=bmc.url, certificate=bmc.certificate, certificate_of="server", timeout_s=2)
    with Bmc(address, username="root", password=PASSWORD) as caller:
        found = caller.read(SYSTEM)
        bmc.card.asset_tag = "somebody else's"

        with pytest.raises(DeviceBusy):
            caller.patch(found, {"AssetTag": "ours"})
    assert bmc.card.asset_tag == "somebody else's"


# --- names ----------------------------------------------------------------------------------------


@given(lease_id=st.uuids(), epoch=st.integers(min_value=0, max_value=2**63))
def test_every_name_keeps_the_rules_of_the_bmc_and_every_tag_comes_back(lease_id, epoch):
    names, tag = LeaseNames(KEY), Tag(str(lease_id), epoch)

    assert len(names.account(tag)) == 16
    check_password(names.password(tag), names.account(tag))
    assert names.read(names.write(tag)) == tag


def test_names_differ_by_lease_epoch_and_key():
    made = [
        (names.account(tag), names.password(tag))
        for names in (LeaseNames(KEY), LeaseNames("z" * 32))
        for tag in (Tag("a", 1), Tag("a", 2), Tag("b", 1))
    ]

    assert len({account for account, _ in made}) == 6
    assert len({password for _, password in made}) == 6


@pytest.mark.parametrize("change", [("a:1", "a:2"), ("shary:a", "shary:b"), (":", "::")])
def test_a_changed_tag_is_known_as_forged(change):
    names = LeaseNames(KEY)
    text = names.write(Tag("a", 1)).replace(*change)

    with pytest.raises(ForgedTag):
        names.read(text)
    assert names.read("UNI-A 00017") is None
