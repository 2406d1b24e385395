"""Cutting a device into other parts: never under a lease, once, answered as often as it is ordered."""

from dataclasses import replace

import pytest

from adapters.contract.wire import Order
from tests.site_worker.conftest import lease_on, target_of, wait_for


@pytest.fixture
def cut(hub, device):
    def order(geometry=("3g.40gb", "4g.40gb"), *, epoch=5, parts=("a", "b")) -> str:
        return hub.seal(
            Order(
                site=hub.site_slug,
                verb="reshape",
                targets=(target_of(device),),
                geometry=geometry,
                epoch=epoch,
                covers=parts,
            )
        )

    return order


def reshaped(hub):
    return hub.reports("reshaped")


def test_an_idle_device_is_cut_and_its_parts_are_told(hub, start_site, device, cut):
    start_site().take([cut()])
    (report,) = wait_for(lambda: reshaped(hub))
    assert [part.model for part in report.devices[0].parts] == ["3g.40gb", "4g.40gb"]
    assert (report.resource_id, report.epoch, report.failure) == (device.folder.name, 5, None)


def test_the_same_order_again_is_answered_and_cuts_nothing(hub, start_site, device, cut):
    site = start_site()
    site.take([cut()] * 3)
    wait_for(lambda: reshaped(hub))
    site.take([cut()])
    wait_for(lambda: len(reshaped(hub)) >= 2)
    assert len(device.log("reshape", "begin")) == 1


def test_a_device_in_use_is_cut_only_after_its_lease(hub, start_site, device, cut):
    site = start_site()
    lease = lease_on(device, epoch=4)
    site.take([hub.hold(lease)])
    wait_for(lambda: hub.reports("opened"))
    site.take([cut()])
    # A later hand-over fences the lease: it is closed, and the device is left to its adapter's judgement.
    wait_for(lambda: hub.reports("isolated"))
    (report,) = wait_for(lambda: reshaped(hub), 30)
    assert report.failure.error == "DeviceBusy"
    assert device.log("reshape", "cut") == []
    assert device.log("isolate", "done")[0]["at"] < device.log("reshape", "begin")[0]["at"]


def test_a_lease_waits_for_the_cut_of_its_card(hub, start_site, device, cut):
    device.behave("reshape", "slow:0.7", times=1)
    site = start_site()
    site.take([cut()])
    wait_for(lambda: device.log("reshape", "begin"))
    part = replace(lease_on(device, epoch=6), covers=("a",))
    site.take([hub.hold(replace(part, target=replace(part.target, resource_id="a")))])
    wait_for(lambda: hub.reports("opened"))
    assert device.log("provision", "begin")[0]["at"] >= device.log("reshape", "cut")[0]["at"]


def test_an_order_of_an_earlier_hand_over_is_refused_with_the_epoch_seen(hub, start_site, device, cut):
    site = start_site()
    site.take([hub.hold(lease_on(device, epoch=9))])
    wait_for(lambda: hub.reports("opened"))
    site.take([cut(epoch=8)])
    (report,) = wait_for(lambda: reshaped(hub))
    assert report.failure.error == "DeviceRefused"
    assert report.detail["highest_epoch"] == 9
    assert device.look()["open"] is True
    assert device.log("reshape") == []


def test_a_cut_that_waited_until_the_device_was_handed_on_is_given_up(hub, start_site, device, cut):
    device.behave("reshape", "unreachable")
    site = start_site()
    site.take([cut(epoch=5)])
    wait_for(lambda: device.log("reshape", "begin"))
    site.take([hub.hold(lease_on(device, epoch=6))])
    (report,) = wait_for(lambda: reshaped(hub), 30)
    assert report.detail["highest_epoch"] == 6
    wait_for(lambda: hub.reports("opened"))


def test_a_failure_that_may_pass_is_tried_again_and_a_refusal_is_not(hub, start_site, device, cut):
    device.behave("reshape", "unreachable", times=1)
    site = start_site()
    site.take([cut()])
    (report,) = wait_for(lambda: reshaped(hub), 30)
    assert report.failure is None
    device.behave("reshape", "refuse")
    site.take([cut(epoch=6)])
    refused = wait_for(lambda: [report for report in reshaped(hub) if report.epoch == 6])
    assert (refused[0].failure.remedy, refused[0].final) == ("stop", True)
    assert len(device.log("reshape", "begin")) == 3


@pytest.mark.parametrize("flaw", ["no epoch", "no target"])
def test_an_order_that_lacks_what_it_needs_is_no_order(hub, start_site, device, flaw):
    order = Order(site=hub.site_slug, verb="reshape", targets=(target_of(device),), epoch=1)
    order = replace(order, epoch=None) if flaw == "no epoch" else replace(order, targets=())
    assert start_site().take([hub.seal(order)]).refused == 1
