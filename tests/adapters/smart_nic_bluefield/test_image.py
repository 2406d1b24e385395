"""What outlives a lease if nobody looks: the Arm cores' storage, and firmware."""

import pytest

from adapters.emulators.redfish import RedfishEmulator
from adapters.emulators.redfish.updates import INVENTORY, MANAGER, SIMPLE_UPDATE, TASKS
from adapters.smart_nic_bluefield.settings import DESCRIPTION
from tests.adapters.smart_nic_bluefield.conftest import PASSWORD, failed, order_for, target_for
from tests.adapters.smart_nic_bluefield.probe import Caller

IMAGE = "http://192.0.2.1/images/bf-bundle-2.9.1.bfb"
WISH = {
    "TransferProtocol": "HTTP",
    "ImageURI": "192.0.2.1/images/bf-bundle-2.9.1.bfb",
    "Targets": [f"{INVENTORY}/DPU_OS".lstrip("/")],
}


@pytest.fixture
def bmc():
    with RedfishEmulator(password=PASSWORD, delay_s=0.2) as emulator:
        yield emulator


@pytest.fixture
def root(bmc):
    with Caller(bmc.host, bmc.port, login=("root", PASSWORD)) as caller:
        yield caller


def found(proof, name: str) -> str:
    return next(check.found for check in proof.checks if check.name == name)


def test_the_arm_cores_get_a_fresh_image_after_each_lease(adapter, bmc):
    target = target_for(bmc, image=IMAGE, image_version="bf-bundle-2.9.1", host_rshim="Enabled")
    order = order_for(target)
    adapter.provision(order)
    bmc.card.storage.append("a key of the holder")

    proof = adapter.release(order)

    assert proof.is_clean, failed(proof)
    assert bmc.card.storage == []
    assert "task 0" in found(proof, "Storage of the Arm cores")
    assert found(proof, "System of the Arm cores") == "bf-bundle-2.9.1"
    assert (bmc.card.bmc_rshim, bmc.card.host_rshim) == (False, "Enabled")


def test_an_image_is_installed_once_for_a_lease_that_is_released_twice(adapter, bmc):
    order = order_for(target_for(bmc, image=IMAGE))
    adapter.provision(order)
    assert adapter.release(order).is_clean

    assert adapter.release(order).is_clean
    assert len(bmc.card.tasks) == 1


def test_an_image_that_fails_is_not_called_clean_and_is_tried_again(adapter, bmc):
    order = order_for(target_for(bmc, image=IMAGE))
    adapter.provision(order)
    bmc.card.image_breaks = True
    proof = adapter.release(order)
    assert failed(proof) == ["Asset tag", "Storage of the Arm cores"]
    assert "Exception" in found(proof, "Storage of the Arm cores")

    bmc.card.image_breaks = False
    assert adapter.release(order).is_clean


def test_another_system_than_the_image_s_is_not_clean(adapter, bmc):
    order = order_for(target_for(bmc, image=IMAGE, image_version="bf-bundle-3.0"))
    adapter.provision(order)

    assert "System of the Arm cores" in failed(adapter.release(order))


@pytest.mark.parametrize(
    ("image", "wish"),
    [
        (IMAGE, {"TransferProtocol": "HTTP", "ImageURI": "192.0.2.1/images/bf-bundle-2.9.1.bfb"}),
        (
            "https://images.uni-a.example:8443/a.bfb",
            {"TransferProtocol": "HTTPS", "ImageURI": "images.uni-a.example:8443/a.bfb"},
        ),
        (
            "scp://pusher@192.0.2.1/srv/a.bfb",
            {"TransferProtocol": "SCP", "ImageURI": "192.0.2.1//srv/a.bfb", "Username": "pusher"},
        ),
    ],
)
def test_the_image_is_asked_for_as_the_manual_writes_it(adapter, bmc, image, wish):
    asked = []
    answer = bmc.service.answer

    def listen(request):
        if request.path == SIMPLE_UPDATE:
            asked.append(request.body)
        return answer(request)

    bmc.service.answer = listen
    order = order_for(target_for(bmc, image=image))
    adapter.provision(order)
    assert adapter.release(order).is_clean

    assert asked == [wish | {"Targets": WISH["Targets"]}]


def test_without_an_image_the_proof_says_so_and_the_site_decides(adapter, bmc):
    kept = order_for(target_for(bmc, without_image="quarantine"))
    adapter.provision(kept)
    proof = adapter.release(kept)
    assert failed(proof) == ["Asset tag", "Storage of the Arm cores"]
    assert "not erased" in found(proof, "Storage of the Arm cores")
    assert adapter.observe(kept.target).carries == kept.lease_id

    accepted = order_for(target_for(bmc), lease_id=kept.lease_id)
    proof = adapter.release(accepted)
    assert proof.is_clean
    assert "not erased" in found(proof, "Storage of the Arm cores")


def test_a_holder_who_could_only_read_left_nothing_to_erase(adapter, bmc):
    order = order_for(target_for(bmc, without_image="quarantine", role="ReadOnly"))
    adapter.provision(order)

    assert adapter.release(order).is_clean


def test_a_card_is_kept_back_unless_somebody_chose_otherwise():
    settings = DESCRIPTION.schema_of("settings")["properties"]

    assert settings["without_image"]["default"] == "quarantine"
    assert settings["mode_changes"]["default"] == "never"


@pytest.mark.parametrize(
    "image", ["ftp://192.0.2.1/a.bfb", "http://192.0.2.1", "scp://192.0.2.1/a.bfb", "a.bfb"]
)
def test_an_image_that_no_bmc_could_fetch_is_refused(bmc, image):
    assert [p.field for p in DESCRIPTION.check_settings(target_for(bmc, image=image).settings)] == ["image"]


@pytest.mark.parametrize(
    ("part", "field"), [("BMC", "firmware"), ("NIC", "nic_firmware"), ("BSP", "bsp")], ids=["BMC", "NIC", "BSP"]
)
def test_firmware_that_changed_during_a_lease_is_found(adapter, bmc, part, field):
    order = order_for(target_for(bmc))
    adapter.provision(order)
    was = getattr(bmc.card, field)
    setattr(bmc.card, field, f"{was}-hostile")
    # The tag is the holder's to write, the record is not.
    bmc.card.asset_tag = ""

    proof = adapter.release(order)

    assert f"Firmware ({part})" in failed(proof)
    assert "not what it was" in found(proof, f"Firmware ({part})")
    setattr(bmc.card, field, was)
    assert adapter.release(order).is_clean


def test_a_record_that_is_missing_is_not_taken_for_an_unchanged_one(adapter, bmc):
    order = order_for(target_for(bmc))
    adapter.provision(order)
    for name in [name for name in bmc.card.accounts if name.startswith("shr")]:
        del bmc.card.accounts[name]

    assert {"Firmware (BMC)", "Firmware (NIC)", "Firmware (BSP)"} <= set(failed(adapter.release(order)))


def test_the_record_is_an_account_that_nobody_enters_and_no_holder_removes(adapter, bmc):
    order = order_for(target_for(bmc))
    endpoint = adapter.provision(order).endpoints[0]
    adapter.admit(order)
    (record,) = (account for name, account in bmc.card.accounts.items() if name.startswith("shr"))

    assert not record.enabled
    with Caller(bmc.host, bmc.port, login=(endpoint.username, endpoint.secret)) as holder:
        assert holder.ask("DELETE", f"/redfish/v1/AccountService/Accounts/{record.name}")[0] == 403
    assert adapter.release(order).is_clean
    assert set(bmc.card.accounts) == {"root"}


# --- the emulator ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"TransferProtocol": "TFTP"},
        {"ImageURI": "http://192.0.2.1/a.bfb"},
        {"Targets": [f"{INVENTORY}/BMC_Firmware"]},
        {"Password": "x"},
    ],
)
def test_an_update_that_the_bmc_cannot_make_is_refused(bmc, root, change):
    bmc.card.bmc_rshim = True

    assert root.ask("POST", SIMPLE_UPDATE, WISH | change)[0] == 400
    assert bmc.card.tasks == {}


def test_an_image_needs_the_rshim_and_one_at_a_time(bmc, root):
    bmc.card.delay_s = 60
    assert root.ask("POST", SIMPLE_UPDATE, WISH)[0] == 400
    assert root.ask("PATCH", MANAGER, {"BmcRShim": {"BmcRShimEnabled": True}})[0] == 204
    bmc.card.host_rshim = "Enabled"
    assert root.ask("POST", SIMPLE_UPDATE, WISH)[0] == 400
    bmc.card.host_rshim = "Disabled"

    status, body, headers = root.ask("POST", SIMPLE_UPDATE, WISH)
    assert (status, body["TaskState"], headers["Location"]) == (202, "Running", f"{TASKS}/0/Monitor")
    assert root.ask("POST", SIMPLE_UPDATE, WISH)[0] == 400


def test_a_change_without_an_etag_is_refused(bmc, root):
    status, body, _ = root.ask("PATCH", MANAGER, {"BmcRShim": {"BmcRShimEnabled": True}}, **{"If-Match": ""})

    assert status in (412, 428)
    assert body["error"]["code"].endswith(("PreconditionRequired", "PreconditionFailed"))
    assert bmc.card.bmc_rshim is False


def test_a_hard_reset_is_refused_while_the_host_runs(root):
    path = "/redfish/v1/Systems/Bluefield/Actions/ComputerSystem.Reset"
    status, body, _ = root.ask("POST", path, {"ResetType": "PowerCycle"})

    assert (status, body["error"]["code"].rsplit(".", 1)[-1]) == (400, "ActionNotSupported")
