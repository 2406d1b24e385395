"""What the keeper does with real child processes and a device of files, hub or no hub."""

import time
from dataclasses import replace
from datetime import timedelta

from adapters.contract.wire import Order
from tests.site_worker.conftest import ending, lease_on, target_of, wait_for


def test_a_lease_is_prepared_opened_at_its_start_closed_at_its_end_and_cleaned(hub, start_site, device):
    site = start_site()
    lease = lease_on(device, starts_in=3.0, lasts=0.5)
    site.take([hub.hold(lease)])
    wait_for(lambda: hub.reports("isolated"))
    assert [report.event for report in hub.reports()] == ["prepared", "opened", "isolated"]
    prepared, opened, isolated = hub.reports()
    assert prepared.access.instructions == f"Use {lease.tag}."
    assert opened.at >= lease.starts_at
    assert isolated.at >= lease.ends_at
    (admitted,) = device.log("admit", "begin")
    assert admitted["at"] >= lease.starts_at.timestamp()
    site.take([hub.release(replace(lease, revision=2))])
    (clean,) = wait_for(lambda: hub.reports("clean"))
    assert clean.proof.is_clean
    assert clean.revision == 2
    assert device.look() == {}


def test_a_lease_ends_on_time_though_the_broker_takes_nothing(hub, start_site, device):
    def refuse(_):
        raise ConnectionError("the broker is away")

    site = start_site(publish=refuse)
    lease = lease_on(device)
    site.take([hub.hold(lease)])
    wait_for(lambda: device.look().get("open"))
    soon = ending(lease, in_s=0.3)
    site.take([hub.hold(soon)])
    wait_for(lambda: device.look().get("open") is False)
    assert device.log("isolate", "begin")[0]["at"] >= soon.ends_at.timestamp()
    assert hub.received == []
    waiting = "SELECT count(*) FROM outgoing WHERE body LIKE '%isolated%'"
    wait_for(lambda: site.journal.db().execute(waiting).fetchone()[0] == 1)


def test_orders_repeated_ten_times_and_reordered_have_one_effect(hub, start_site, device):
    site = start_site()
    lease = lease_on(device)
    hold, release = hub.hold(lease), hub.release(replace(lease, revision=2))
    for _ in range(10):
        site.take([hold, hold])
    wait_for(lambda: hub.reports("opened"))
    for _ in range(10):
        site.take([release, hold, release])
    wait_for(lambda: hub.reports("clean"))
    site.take([hold] * 5 + [release] * 5)
    wait_for(lambda: len(hub.reports("stale")) >= 15)
    for verb, event in (("provision", "created"), ("admit", "done"), ("release", "removed")):
        assert len(device.log(verb, event)) == 1, verb
    assert device.look() == {}


def test_an_extension_reaches_the_device_and_puts_off_the_end(hub, start_site, device):
    site = start_site()
    lease = lease_on(device)
    site.take([hub.hold(lease)])
    wait_for(lambda: hub.reports("opened"))
    soon = ending(lease, in_s=1.0)
    longer = replace(soon, revision=3, ends_at=lease.ends_at + timedelta(hours=1))
    site.take([hub.hold(soon), hub.hold(longer)])
    wait_for(lambda: [report for report in hub.reports("opened") if report.revision == 3])
    assert device.look()["ends_at"] == longer.ends_at.isoformat()
    wait_for(lambda: time.time() > soon.ends_at.timestamp() + 0.3)
    assert device.look()["open"] is True
    assert device.log("isolate") == []


def test_an_extension_that_comes_after_the_end_opens_access_again(hub, start_site, device):
    site = start_site()
    lease = lease_on(device)
    site.take([hub.hold(lease)])
    wait_for(lambda: hub.reports("opened"))
    site.take([hub.hold(ending(lease, in_s=0.1))])
    wait_for(lambda: hub.reports("isolated"))
    site.take([hub.hold(replace(lease, revision=3, ends_at=lease.ends_at + timedelta(hours=1)))])
    wait_for(lambda: device.look().get("open"))
    assert [line["event"] for line in device.log("provision", "created")] == ["created"]


def test_bringing_the_end_to_now_closes_access(hub, start_site, device):
    site = start_site()
    lease = lease_on(device)
    site.take([hub.hold(lease)])
    wait_for(lambda: hub.reports("opened"))
    site.take([hub.hold(replace(lease, revision=2, ends_at=lease.starts_at + timedelta(milliseconds=1)))])
    wait_for(lambda: hub.reports("isolated"))
    assert device.look()["open"] is False


def test_an_unreachable_device_is_tried_until_it_answers(hub, start_site, device):
    site = start_site()
    device.behave("provision", "unreachable", times=3)
    site.take([hub.hold(lease_on(device))])
    wait_for(lambda: hub.reports("opened"))
    failed = hub.reports("failed")
    assert failed
    assert not any(report.final for report in failed)
    assert failed[0].failure.error == "DeviceUnreachable"


def test_a_device_that_stays_unreachable_is_given_up_after_the_grace(hub, config, start_site, device):
    site = start_site(replace(config, policy=replace(config.policy, start_grace_s=0.3)))
    device.behave("provision", "unreachable")
    site.take([hub.hold(lease_on(device))])
    wait_for(lambda: [report for report in hub.reports("failed") if report.final])
    assert hub.reports("opened") == []


def test_a_device_that_says_no_is_not_asked_again_until_the_hub_orders_anew(hub, start_site, device):
    site = start_site()
    device.behave("provision", "refuse", times=1)
    lease = lease_on(device)
    site.take([hub.hold(lease)])
    (failed,) = wait_for(lambda: hub.reports("failed"))
    assert failed.final
    assert failed.failure.message == "It said no."
    site.take([hub.hold(lease)])  # the same again: the same answer
    wait_for(lambda: len(hub.reports("failed")) == 2)
    assert len(device.log("provision", "begin")) == 1
    site.take([hub.hold(replace(lease, revision=2))])
    wait_for(lambda: hub.reports("opened"))


def test_after_an_unknown_outcome_the_device_is_looked_at_before_anything_else(hub, start_site, device):
    site = start_site()
    device.behave("provision", "applied", times=1)
    site.take([hub.hold(lease_on(device))])
    wait_for(lambda: hub.reports("opened"))
    verbs = [line["verb"] for line in device.log(event="begin")]
    assert verbs == ["provision", "observe", "provision", "admit"]
    assert len(device.log("provision", "created")) == 1


def test_a_look_that_fails_leads_to_nothing_but_another_look(hub, start_site, device):
    site = start_site()
    device.behave("provision", "unknown", times=1)
    device.behave("observe", "unreachable", times=3)
    site.take([hub.hold(lease_on(device))])
    wait_for(lambda: hub.reports("opened"))
    verbs = [line["verb"] for line in device.log(event="begin")]
    assert verbs == ["provision", "observe", "observe", "observe", "observe", "provision", "admit"]


def test_a_device_in_other_hands_after_an_unknown_outcome_is_left_alone(hub, start_site, device):
    site = start_site()
    with device.state() as state:
        state.update(lease="somebody-else", epoch=7)
    device.behave("provision", "unknown", times=1)
    site.take([hub.hold(lease_on(device))])
    wait_for(lambda: [report for report in hub.reports("failed") if report.final])
    assert [line["verb"] for line in device.log(event="begin")] == ["provision", "observe"]
    assert device.look()["lease"] == "somebody-else"


def test_a_device_that_lies_about_cleaning_is_not_reported_clean(hub, start_site, device):
    site = start_site()
    lease = lease_on(device)
    site.take([hub.hold(lease)])
    wait_for(lambda: hub.reports("opened"))
    device.behave("release", "lie")
    site.take([hub.release(replace(lease, revision=2))])
    final = wait_for(lambda: [report for report in hub.reports("failed") if report.final])
    assert hub.reports("clean") == []
    assert final[0].proof is not None
    assert not final[0].proof.is_clean
    assert len(device.log("release", "begin")) == 3
    (device.folder / "behave-release").unlink()
    site.take([hub.release(replace(lease, revision=3))])
    wait_for(lambda: hub.reports("clean"))


def test_access_is_shut_for_ever_so_long_until_it_is_shut(hub, start_site, device):
    site = start_site()
    device.behave("isolate", "unreachable", times=8)
    lease = lease_on(device)
    site.take([hub.hold(lease)])
    wait_for(lambda: device.look().get("open"))
    site.take([hub.hold(ending(lease, in_s=0.1))])
    wait_for(lambda: hub.reports("isolated"))
    assert device.look()["open"] is False
    assert len(device.log("isolate", "begin")) == 9


def test_a_lease_whose_device_was_never_ready_ends_as_failed(hub, start_site, device):
    site = start_site()
    device.behave("provision", "busy")
    site.take([hub.hold(lease_on(device, lasts=3.0))])
    final = wait_for(lambda: [report for report in hub.reports("failed") if report.final])
    assert "ended before its device was ready" in final[0].failure.message
    assert final[0].failure.error == "DeviceBusy"
    assert device.log("admit") == []


def test_a_later_lease_waits_until_the_earlier_one_on_the_device_is_shut(hub, start_site, device):
    site = start_site()
    earlier = lease_on(device, epoch=1)
    site.take([hub.hold(earlier)])
    wait_for(lambda: device.look().get("open"))
    device.behave("isolate", "unreachable", times=2)
    later = lease_on(device, epoch=2)
    site.take([hub.hold(later)])
    wait_for(lambda: device.log("isolate", "done"))
    verbs = [
        (line["verb"], line["epoch"])
        for line in wait_for(lambda: device.log()[5:] and device.log(event="begin"))
    ]
    assert verbs[2:5] == [("isolate", 1)] * 3
    # Its leavings are in the way: the later lease does not start, and the earlier one acts no more.
    wait_for(lambda: hub.reports("failed", later))
    assert site.journal.lease(earlier.lease_id).phase == "fenced"


def test_a_device_that_lost_its_lease_is_set_up_again(hub, start_site, device):
    site = start_site()
    lease = lease_on(device)
    site.take([hub.hold(lease)])
    wait_for(lambda: hub.reports("opened"))
    watch = Order(site=hub.site_slug, verb="watch", targets=(target_of(device),))
    site.take([hub.seal(watch)])
    observed = wait_for(lambda: hub.reports("observed"))
    assert observed[0].observation.carries == lease.lease_id
    with device.state() as state:
        state.clear()
    wait_for(lambda: len(device.log("admit", "done")) == 2)
    assert device.look()["lease"] == lease.lease_id
    wait_for(lambda: [r for r in hub.reports("failed") if "set up again" in r.failure.message])


def test_a_device_that_its_holder_made_their_own_is_not_set_up_again(hub, start_site, device):
    site = start_site()
    lease = lease_on(device)
    site.take([hub.hold(lease)])
    wait_for(lambda: hub.reports("opened"))
    with device.state() as state:
        state["lease"] = None  # the mark is gone, the epoch of the hand-over is not
    site.take([hub.seal(Order(site=hub.site_slug, verb="watch", targets=(target_of(device),)))])
    wait_for(lambda: len(device.log("observe", "begin")) >= 4)
    assert len(device.log("provision", "begin")) == 1
    assert not hub.reports("failed")


def test_a_failed_observation_is_reported_and_changes_nothing(hub, start_site, device):
    site = start_site()
    site.take([hub.hold(lease_on(device))])
    wait_for(lambda: hub.reports("opened"))
    acted = len(device.log("provision"))
    device.behave("observe", "unreachable")
    site.take([hub.seal(Order(site=hub.site_slug, verb="watch", targets=(target_of(device),)))])
    (observed,) = wait_for(lambda: hub.reports("observed"))
    assert observed.observation is None
    assert observed.failure.error == "DeviceUnreachable"
    wait_for(lambda: len(device.log("observe", "begin")) >= 3)
    assert len(hub.reports("observed")) == 1  # only changes are told
    assert len(device.log("provision")) == acted
    assert device.look()["open"] is True


def test_what_nobody_knows_on_a_device_is_told_and_left_alone(hub, start_site, device):
    site = start_site()
    with device.state() as state:
        state.update(lease="an-orphan", epoch=3)
    site.take([hub.seal(Order(site=hub.site_slug, verb="watch", targets=(target_of(device),)))])
    (observed,) = wait_for(lambda: hub.reports("observed"))
    assert observed.detail == {"orphan": "an-orphan", "phase": "unknown"}
    assert device.look()["lease"] == "an-orphan"


def test_a_search_tells_what_was_found(hub, start_site, device):
    site = start_site()
    order = Order(site=hub.site_slug, verb="discover", targets=(target_of(device),))
    site.take([hub.seal(order)] * 2)
    (discovered,) = wait_for(lambda: hub.reports("discovered"))
    assert discovered.devices[0].model == "folder"
    assert discovered.detail["order"] == order.id
    assert len(device.log("discover")) == 1


def test_the_heartbeat_tells_of_a_hub_whose_clock_is_ahead(hub, start_site, device):
    site = start_site()
    lease = lease_on(device)
    site.take([hub.hold(lease, issued_at=lease.starts_at + timedelta(seconds=90))])
    alive = wait_for(lambda: [r for r in hub.reports("alive") if r.detail.get("warnings")])
    assert "behind the hub's" in alive[0].detail["warnings"][0]
    assert alive[0].detail["keeper_runs"] is True
