"""What an adapter does to its own process harms one call and nothing else."""

import os
from dataclasses import replace

import pytest

from tests.site_worker.conftest import lease_on, wait_for
from tests.site_worker.file_device import Device


@pytest.mark.parametrize("how", ["hang", "exit", "crash", "bug", "hog"])
def test_an_adapter_that_misbehaves_costs_one_call(how, hub, start_site, device):
    site = start_site()
    device.behave("provision", how, times=1)
    site.take([hub.hold(lease_on(device))])
    wait_for(lambda: hub.reports("opened"))
    failed = hub.reports("failed")
    assert [report.failure.error for report in failed] == ["OutcomeUnknown"]
    if how == "hang":
        assert "did not answer “provision” within 1.5 s and was stopped" in failed[0].failure.message
    first, second = device.log("provision", "begin")
    assert first["pid"] != second["pid"]  # its process was not used again
    with pytest.raises(ProcessLookupError):
        os.kill(first["pid"], 0)


def test_what_an_adapter_prints_does_not_disturb_its_answer(hub, start_site, device):
    site = start_site()
    device.behave("provision", "noise", times=1)
    site.take([hub.hold(lease_on(device))])
    wait_for(lambda: hub.reports("opened"))
    assert hub.reports("failed") == []
    provisioned, admitted = device.log("provision", "done") + device.log("admit", "done")
    assert provisioned["pid"]
    assert admitted["pid"]


def test_devices_that_hang_leave_room_for_closing_access_elsewhere(hub, config, start_site, tmp_path):
    site = start_site(replace(config, children=3))
    good, bad = Device(tmp_path / "good"), [Device(tmp_path / f"bad-{n}") for n in range(4)]
    lease = lease_on(good)
    site.take([hub.hold(lease)])
    wait_for(lambda: hub.reports("opened", lease))
    for device in bad:
        device.behave("provision", "hang")
    site.take([hub.hold(lease_on(device)) for device in bad])
    wait_for(lambda: sum(len(device.log("provision", "begin")) for device in bad) >= 1)
    site.take([hub.release(replace(lease, revision=2))])
    wait_for(lambda: good.log("isolate", "done"))
    (begun,) = good.log("isolate", "begin")
    kills = [report for report in hub.reports("failed") if report.at.timestamp() < begun["at"]]
    assert kills == []  # it did not wait until one of the hanging calls was stopped


def test_an_adapter_that_nobody_knows_is_a_final_failure(hub, start_site, device):
    site = start_site()
    lease = lease_on(device)
    unknown = replace(lease, target=replace(lease.target, adapter="no-such"))
    site.take([hub.hold(unknown)])
    (failed,) = wait_for(lambda: hub.reports("failed"))
    assert failed.final
    assert failed.failure.error == "InvalidSettings"
