"""The emulated BMC behaves as the real one is documented to."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import sushy

from adapters.emulators.redfish import RedfishEmulator
from tests.adapters.smart_nic_bluefield.conftest import PASSWORD
from tests.adapters.smart_nic_bluefield.probe import SESSIONS, SYSTEM, Caller

ACCOUNTS = "/redfish/v1/AccountService/Accounts"
OEM = f"{SYSTEM}/Oem/Nvidia"
GOOD = "Zebra-Quagga-47"


@pytest.fixture
def root(bmc):
    with Caller(bmc.host, bmc.port, login=("root", PASSWORD)) as caller:
        yield caller


@pytest.fixture
def operator(bmc):
    bmc.card.set_account("op", GOOD, role="Operator", enabled=True)
    with Caller(bmc.host, bmc.port, login=("op", GOOD)) as caller:
        yield caller


def reason(body) -> str:
    return body["error"]["@Message.ExtendedInfo"][0]["MessageId"].rsplit(".", 1)[-1]


def test_a_client_of_somebody_else_understands_it(bmc, tmp_path, monkeypatch):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    certificate = tmp_path / "bmc.pem"
    certificate.write_text(bmc.certificate)
    auth = sushy.auth.SessionAuth("root", PASSWORD)

    service = sushy.Sushy(bmc.url + "/redfish/v1", auth=auth, verify=str(certificate))
    try:
        system = service.get_system(SYSTEM)
        assert system.power_state is sushy.PowerState.ON
        system.set_system_boot_options(
            target=sushy.BootSource.PXE, enabled=sushy.BootSourceOverrideEnabled.ONCE
        )
        assert (bmc.card.boot_enabled, bmc.card.boot_target) == ("Once", "Pxe")
        system.reset_system(sushy.ResetType.FORCE_OFF)
        assert bmc.card.power == "Off"
        assert system.bios.attributes["NicMode"] == "DpuMode"
    finally:
        auth.close()
        service._conn._session.close()


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "why"),
    [
        ("GET", "/redfish/v1/Systems/Other", None, 404, "ResourceNotFound"),
        ("POST", SYSTEM, {}, 405, "OperationNotAllowed"),
        ("PATCH", SYSTEM, {"Colour": "red"}, 400, "PropertyUnknown"),
        ("PATCH", SYSTEM, {"AssetTag": 7}, 400, "PropertyValueNotInList"),
        ("PATCH", SYSTEM, [1], 400, "MalformedJSON"),
        ("POST", f"{OEM}/Actions/Mode.Set", {}, 400, "PropertyMissing"),
        ("POST", f"{OEM}/Actions/Mode.Set", {"Mode": "Turbo"}, 400, "PropertyValueNotInList"),
        ("DELETE", f"{ACCOUNTS}/root", None, 403, "ResourceCannotBeDeleted"),
        (
            "POST",
            ACCOUNTS,
            {"UserName": "root", "Password": GOOD, "RoleId": "Operator"},
            409,
            "ResourceAlreadyExists",
        ),
        (
            "POST",
            ACCOUNTS,
            {"UserName": "a" * 17, "Password": GOOD, "RoleId": "Operator"},
            400,
            "PropertyValueNotInList",
        ),
        ("POST", ACCOUNTS, {"UserName": "a", "RoleId": "Operator"}, 400, "PropertyMissing"),
    ],
)
def test_it_says_no_with_a_reason(root, bmc, method, path, body, status, why):
    got, answer, _ = root.ask(method, path, body)

    assert (got, reason(answer)) == (status, why)
    assert bmc.card.changes == 0


@pytest.mark.parametrize(
    "password",
    [
        "Short-1a",
        "Far-Too-Long-For-It-47",
        "all-lower-case-47",
        "NoSpecial4711xyzB",
        "abcdef-Q-4713-Z",
        "x-op2-Aa-op2-Zz",
    ],
)
def test_a_weak_password_is_refused(root, password):
    status, answer, _ = root.ask(
        "POST", ACCOUNTS, {"UserName": "op2", "Password": password, "RoleId": "Operator"}
    )

    assert (status, reason(answer)) == (400, "PropertyValueFormatError")


def test_nothing_is_shown_to_nobody(bmc):
    with Caller(bmc.host, bmc.port) as nobody:
        for method, path in (("GET", SYSTEM), ("GET", ACCOUNTS), ("PATCH", SYSTEM), ("GET", SESSIONS)):
            assert nobody.ask(method, path, {} if method == "PATCH" else None)[0] == 401


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", ACCOUNTS, {"UserName": "x", "Password": GOOD, "RoleId": "Administrator"}),
        ("PATCH", f"{ACCOUNTS}/op", {"RoleId": "Administrator"}),
        ("PATCH", f"{ACCOUNTS}/root", {"Password": GOOD}),
        ("DELETE", f"{ACCOUNTS}/root", None),
        ("GET", f"{ACCOUNTS}/root", None),
    ],
)
def test_an_operator_cannot_touch_accounts(operator, bmc, method, path, body):
    status, answer, _ = operator.ask(method, path, body)

    assert (status, reason(answer)) == (403, "InsufficientPrivilege")
    assert bmc.card.accounts["op"].role == "Operator"


def test_an_operator_sees_and_ends_only_its_own_sessions(operator, bmc):
    of_root = bmc.card.open_session("root")
    own = bmc.card.open_session("op")

    _, listed, _ = operator.ask("GET", SESSIONS)
    assert [member["@odata.id"] for member in listed["Members"]] == [f"{SESSIONS}/{own.id}"]
    assert operator.ask("DELETE", f"{SESSIONS}/{of_root.id}")[0] == 403
    assert operator.ask("DELETE", f"{SESSIONS}/{own.id}")[0] == 204
    assert list(bmc.card.sessions) == [of_root.id]


def test_a_change_with_an_old_etag_is_refused(root):
    etag = root.ask("GET", SYSTEM)[2]["ETag"]
    assert root.ask("PATCH", SYSTEM, {"AssetTag": "one"}, **{"If-Match": etag})[0] == 204

    status, answer, _ = root.ask("PATCH", SYSTEM, {"AssetTag": "two"}, **{"If-Match": etag})
    assert (status, reason(answer)) == (412, "PreconditionFailed")
    assert root.ask("GET", SYSTEM)[1]["AssetTag"] == "one"


def test_the_session_of_a_disabled_account_dies(root, bmc):
    bmc.card.set_account("op", GOOD, role="Operator", enabled=True)
    with Caller(bmc.host, bmc.port) as operator:
        assert operator.log_in("op", GOOD)
        assert operator.ask("GET", SYSTEM)[0] == 200
        assert root.ask("PATCH", f"{ACCOUNTS}/op", {"Enabled": False})[0] == 204

        assert operator.ask("GET", SYSTEM)[0] == 401
        assert not operator.log_in("op", GOOD)


def test_too_many_wrong_passwords_lock_the_account_until_it_is_unlocked(root, bmc):
    bmc.card.set_account("op", GOOD, role="Operator", enabled=True)
    with Caller(bmc.host, bmc.port) as operator:
        for _ in range(10):
            assert not operator.log_in("op", "wrong")
        assert not operator.log_in("op", GOOD)
        assert root.ask("GET", f"{ACCOUNTS}/op")[1]["Locked"] is True

        assert root.ask("PATCH", f"{ACCOUNTS}/op", {"Locked": False})[0] == 204
        assert operator.log_in("op", GOOD)


def test_a_new_mode_waits_for_two_reboots_and_a_power_cycle(root, bmc):
    assert root.ask("POST", f"{OEM}/Actions/Mode.Set", {"Mode": "NicMode"})[0] == 204
    reset = f"{SYSTEM}/Actions/ComputerSystem.Reset"
    for _ in range(2):
        bmc.card.cycle_host_power()
        assert root.ask("GET", OEM)[1]["Mode"] == "DpuMode"
        assert root.ask("POST", f"{OEM}/Actions/Mode.Set", {"Mode": "NicMode"})[0] == 204
    for _ in range(2):
        assert root.ask("POST", reset, {"ResetType": "GracefulRestart"})[0] == 204
    assert root.ask("GET", OEM)[1]["Mode"] == "DpuMode"

    bmc.card.cycle_host_power()

    assert root.ask("GET", OEM)[1]["Mode"] == "NicMode"


def test_a_bluefield_2_has_its_mode_in_the_bios():
    with (
        RedfishEmulator(password=PASSWORD, generation=2) as bmc,
        Caller(bmc.host, bmc.port, login=("root", PASSWORD)) as root,
    ):
        assert root.ask("POST", f"{OEM}/Actions/Mode.Set", {"Mode": "NicMode"})[0] == 404
        wish = {"Attributes": {"NicMode": "NicMode"}}
        assert root.ask("PATCH", f"{SYSTEM}/Bios/Settings", wish)[0] == 204
        assert bmc.card.pending_mode == "NicMode"
        assert root.ask("GET", f"{SYSTEM}/Bios")[1]["Attributes"]["NicMode"] == "DpuMode"


def test_a_bios_attribute_waits_for_a_reboot(root):
    root.ask("PATCH", f"{SYSTEM}/Bios/Settings", {"Attributes": {"EnableSMMU": False}})
    assert root.ask("GET", f"{SYSTEM}/Bios")[1]["Attributes"]["EnableSMMU"] is True

    root.ask("POST", f"{SYSTEM}/Actions/ComputerSystem.Reset", {"ResetType": "ForceRestart"})

    assert root.ask("GET", f"{SYSTEM}/Bios")[1]["Attributes"]["EnableSMMU"] is False
    assert root.ask("GET", f"{SYSTEM}/Bios/Settings")[1]["Attributes"] == {}


def test_a_state_file_keeps_the_card_over_a_restart(tmp_path):
    state = tmp_path / "card.json"
    with (
        RedfishEmulator(password=PASSWORD, state=state) as bmc,
        Caller(bmc.host, bmc.port, login=("root", PASSWORD)) as root,
    ):
        root.ask("PATCH", SYSTEM, {"AssetTag": "kept"})
        root.ask("POST", ACCOUNTS, {"UserName": "op", "Password": GOOD, "RoleId": "Operator"})
    assert GOOD not in state.read_text()

    with (
        RedfishEmulator(password=PASSWORD, state=state) as bmc,
        Caller(bmc.host, bmc.port, login=("op", GOOD)) as operator,
    ):
        assert operator.ask("GET", SYSTEM)[1]["AssetTag"] == "kept"


def test_a_silent_connection_blocks_nobody_else(bmc, root):
    import socket

    with socket.create_connection((bmc.host, bmc.port)):
        assert root.ask("GET", SYSTEM)[0] == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_runs_as_a_program_and_stops_cleanly(tmp_path, number):
    command = [sys.executable, "-m", "adapters.emulators.redfish", "--listen", "127.0.0.1:0"]
    options = ["--generation", "2", "--certificate", str(tmp_path), "--state", str(tmp_path / "card.json")]
    root = Path(__file__).parents[3]
    with subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=root
    ) as program:
        line = program.stdout.readline()
        assert line.startswith("BlueField-2 BMC ready at https://127.0.0.1:")
        with Caller("127.0.0.1", int(line.rsplit(":", 1)[1]), login=("root", PASSWORD)) as caller:
            assert caller.ask("GET", SYSTEM)[1]["Model"] == "Bluefield 2 DPU"
        program.send_signal(number)
        out, err = program.communicate(timeout=60)
    assert (program.returncode, out, err) == (0, "", "")
    assert (tmp_path / "bmc-key.pem").stat().st_mode & 0o077 == 0
