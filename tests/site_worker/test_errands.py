"""Errands touch no device: tried once, answered as often as they are ordered, after all that leases need."""

import hashlib
from dataclasses import replace

import pytest

from adapters.contract import Artefact
from adapters.contract.wire import Order
from tests.site_worker.conftest import lease_on, target_of, wait_for


def file_of(content: bytes, name: str = "source") -> Artefact:
    return Artefact(name=name, filename="x", sha256=hashlib.sha256(content).hexdigest(), content=content)


@pytest.fixture
def rehearsal(hub, device):
    def order(lease=None, *, order_id: str = "", content: bytes = b"\xff\x00program") -> Order:
        lease = lease or lease_on(device, starts_in=3600, epoch=0)
        order = Order(
            site=hub.site_slug,
            verb="rehearse",
            lease=replace(lease, artefacts=(file_of(content, "p4info"),)),
        )
        return replace(order, id=order_id) if order_id else order

    return order


def rehearsed(hub):
    return hub.reports("rehearsed")


def test_files_are_tried_before_the_start_and_nothing_is_prepared(hub, start_site, device, rehearsal):
    order = rehearsal()
    start_site().take([hub.seal(order)])
    (report,) = wait_for(lambda: rehearsed(hub))
    assert report.rehearsal.passed
    assert report.rehearsal.stage == "a paper model"
    assert report.rehearsal.steps[0].found == order.lease.artefacts[0].sha256
    assert (report.lease_id, report.detail["order"]) == (order.lease.lease_id, order.id)
    assert device.log("provision") == []
    assert device.look() == {}


def test_the_same_order_again_is_answered_and_not_run_again(hub, start_site, device, rehearsal):
    sealed = hub.seal(rehearsal())
    site = start_site()
    site.take([sealed] * 3)
    wait_for(lambda: rehearsed(hub))
    site.take([sealed])
    wait_for(lambda: len(rehearsed(hub)) >= 2)
    assert len(device.log("rehearse", "begin")) == 1


def test_a_failed_trial_is_an_answer_and_no_failure(hub, start_site, device, rehearsal):
    device.behave("rehearse", "fail")
    start_site().take([hub.seal(rehearsal())])
    (report,) = wait_for(lambda: rehearsed(hub))
    assert report.failure is None
    assert (report.rehearsal.passed, report.rehearsal.steps[0].found) == (False, "a typo")


def test_a_trial_does_not_fence_the_lease_that_is_on_the_device(hub, start_site, device, rehearsal):
    site = start_site()
    site.take([hub.hold(lease_on(device, epoch=7))])
    wait_for(lambda: hub.reports("opened"))
    site.take([hub.seal(rehearsal())])
    wait_for(lambda: rehearsed(hub))
    assert device.look()["open"] is True
    assert hub.reports("isolated") == []


def test_a_trial_waits_while_a_lease_may_need_the_only_room(hub, start_site, device, rehearsal):
    site = start_site()
    site.take([hub.hold(lease_on(device, starts_in=2.0)), hub.seal(rehearsal())])
    wait_for(lambda: hub.reports("opened"))
    wait_for(lambda: rehearsed(hub))
    opened = device.log("admit", "done")[0]["at"]
    assert device.log("rehearse", "begin")[0]["at"] >= opened


def test_newer_files_take_the_place_of_those_that_wait(hub, start_site, device, rehearsal):
    site = start_site()
    lease = lease_on(device, starts_in=3600, epoch=0)
    device.behave("rehearse", "slow:0.7", times=1)
    site.take([hub.seal(rehearsal())])
    wait_for(lambda: device.log("rehearse", "begin"))
    older, newer = rehearsal(lease, content=b"old"), rehearsal(lease, content=b"new")
    site.take([hub.seal(older)])
    site.take([hub.seal(newer)])
    wait_for(lambda: len(rehearsed(hub)) >= 2)
    assert {report.detail["order"] for report in rehearsed(hub)} >= {newer.id}
    assert older.id not in {report.detail["order"] for report in rehearsed(hub)}


@pytest.mark.parametrize("how", ["hang", "crash", "hog", "unreachable"])
def test_what_goes_wrong_ends_in_an_answer(hub, start_site, device, rehearsal, how):
    device.behave("rehearse", how)
    start_site().take([hub.seal(rehearsal())])
    (report,) = wait_for(lambda: rehearsed(hub), 60)
    assert report.rehearsal is None
    assert report.failure.verb == "rehearse"
    assert report.final
    assert len(device.log("rehearse", "begin")) == 3


def test_source_is_built_and_the_files_come_back_whole(hub, start_site, device):
    order = Order(
        site=hub.site_slug, verb="build", targets=(target_of(device),), files=(file_of(b"\x00\xffab"),)
    )
    start_site().take([hub.seal(order)])
    (report,) = wait_for(lambda: hub.reports("built"))
    assert [(file.name, file.content) for file in report.files] == [("made", b"ba\xff\x00")]
    assert report.detail["order"] == order.id


def test_a_refusal_to_build_brings_the_words_and_no_files(hub, start_site, device):
    device.behave("build", "refuse")
    order = Order(site=hub.site_slug, verb="build", targets=(target_of(device),), files=(file_of(b"x"),))
    start_site().take([hub.seal(order)])
    (report,) = wait_for(lambda: hub.reports("built"))
    assert (report.failure.message, report.files) == ("It said no.", ())
    assert len(device.log("build", "begin")) == 1


@pytest.mark.parametrize("flaw", ["no lease", "no file", "no device"])
def test_an_order_that_lacks_what_it_needs_is_no_order(hub, start_site, device, flaw):
    build = Order(site=hub.site_slug, verb="build", targets=(target_of(device),), files=(file_of(b"x"),))
    order = {
        "no lease": replace(build, verb="rehearse"),
        "no file": replace(build, files=()),
        "no device": replace(build, targets=()),
    }[flaw]
    assert start_site().take([hub.seal(order)]).refused == 1
