"""Leases that start together: children know them before, and nobody is let in early or for nothing."""

import json
import selectors
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from adapters.contract.wire import to_json
from site_worker.child import Call, Child
from site_worker.children import Children
from site_worker.config import Config
from tests.site_worker.conftest import ending, lease_on, wait_for
from tests.site_worker.file_device import Device


class Pool:
    """The children of a worker, without its keeper."""

    def __init__(self, config: Config) -> None:
        self.selector = selectors.DefaultSelector()
        self.children = Children(config, self.selector)
        self.finished: dict = {}
        self.children.fill()

    def turn(self) -> None:
        for key, events in self.selector.select(0.01):
            self.note(self.children.handle(key, events))
        self.note(self.children.kill_overdue())

    def note(self, finished) -> None:
        self.finished.update({call.subject: outcome for call, outcome in finished})

    def wait(self, condition) -> None:
        wait_for(lambda: self.turn() or condition())

    def brief(self, leases, *, due_at: float = 0.0, deadline_s: float = 30.0) -> Child:
        """Tell one child of the leases, by the cues 1, 2, 3 …"""
        (child, *_) = self.children.to_brief([])
        orders = [
            [number, "file", due_at, deadline_s, to_json(lease)] for number, lease in enumerate(leases, 1)
        ]
        body = json.dumps(orders)
        child.start(Call(adapter="file", verb="brief", body=body, deadline_s=10, urgent=False, subject="brief"))
        self.wait(lambda: "brief" in self.finished)
        assert json.loads(self.finished["brief"].value) == [order[0] for order in orders]
        return child

    def cue(self, child: Child, number: int, *, begin_in: float = 30.0, deadline_s: float = 30.0) -> None:
        call = Call(
            adapter="file",
            verb="admit",
            body="",
            deadline_s=deadline_s,
            urgent=True,
            subject=number,
            cue=number,
        )
        assert child.cue(call, begin_before=time.monotonic() + begin_in)


@pytest.fixture
def pool(config) -> Iterator[Pool]:
    pool = Pool(replace(config, children=2))
    pool.wait(lambda: pool.children.idle == 2)
    yield pool
    pool.children.stop()
    pool.selector.close()


@pytest.fixture
def doors(tmp_path) -> list[Device]:
    doors = [Device(tmp_path / f"door-{number}") for number in range(4)]
    for door in doors:
        with door.state() as state:
            state["lease"] = door.folder.name
    return doors


def leases_on(doors: list[Device]) -> list:
    return [lease_on(door, lease_id=door.folder.name) for door in doors]


def test_cues_are_worked_off_in_turn_and_each_is_answered(pool, doors):
    child = pool.brief(leases_on(doors))
    for number in (1, 2, 3, 4):
        pool.cue(child, number)
    pool.wait(lambda: child.is_idle)
    assert [pool.finished[number].error for number in (1, 2, 3, 4)] == [""] * 4
    done = [door.log("admit", "done")[0] for door in doors]
    assert [line["pid"] for line in done] == [child.process.pid] * 4
    assert sorted(line["at"] for line in done) == [line["at"] for line in done]


def test_a_device_that_stalls_gives_those_behind_it_to_others(pool, doors):
    doors[0].behave("admit", "hang")
    child = pool.brief(leases_on(doors))
    for number in (1, 2, 3, 4):
        pool.cue(child, number)
    back: list[Call] = []
    pool.wait(lambda: back.extend(pool.children.take_unbegun()) or back)
    assert [call.subject for call in back] == [2, 3, 4]
    assert child.call.subject == 1
    assert all(door.log("admit") == [] for door in doors[1:])


@pytest.mark.parametrize(("how", "error"), [("crash", "ended its process"), ("hang", "did not answer")])
def test_of_a_child_that_dies_only_the_call_it_had_begun_is_unknown(pool, doors, how, error):
    doors[1].behave("admit", how)
    child = pool.brief(leases_on(doors), deadline_s=0.2)
    for number in (1, 2, 3, 4):
        pool.cue(child, number, deadline_s=0.2)
    back: list[Call] = []
    pool.wait(lambda: 2 in pool.finished and (back.extend(pool.children.take_unbegun()) or len(back) == 2))
    assert pool.finished[1].error == ""
    assert pool.finished[2].error == "OutcomeUnknown"
    assert error in pool.finished[2].message
    assert [call.subject for call in back] == [3, 4]
    assert [bool(door.log("admit")) for door in doors] == [True, True, False, False]


@pytest.mark.parametrize("early", [True, False], ids=["before its start", "after its claim"])
def test_a_child_opens_nothing_outside_its_time(pool, doors, early):
    child = pool.brief(leases_on(doors[:1]), due_at=time.time() + 60 if early else 0.0)
    pool.cue(child, 1, begin_in=30.0 if early else -0.01)
    back: list[Call] = []
    pool.wait(lambda: back.extend(pool.children.take_unbegun()) or back)
    assert [call.subject for call in back] == [1]
    assert doors[0].log("admit") == []
    assert child.is_idle


def told(device: Device, site, lease) -> None:
    """Wait until a child was told of the lease that is about to start."""
    briefing = site._keeper._briefing
    wait_for(lambda: lease.lease_id in briefing._known)


@pytest.mark.parametrize("verb", ["hold", "release"])
def test_an_order_that_comes_before_the_start_is_what_counts(verb, hub, start_site, device):
    site = start_site()
    lease = lease_on(device, starts_in=5.0)
    site.take([hub.hold(lease)])
    told(device, site, lease)
    if verb == "release":
        site.take([hub.release(replace(lease, revision=2))])
        (clean,) = wait_for(lambda: hub.reports("clean"))
        assert clean.at < lease.starts_at  # nothing waits for the start
        wait_for(lambda: time.time() > lease.starts_at.timestamp() + 0.3)
        assert device.log("admit") == []
    else:
        later = replace(ending(lease, in_s=3600), starts_at=lease.starts_at.replace(year=2100))
        site.take([hub.hold(replace(later, ends_at=lease.ends_at.replace(year=2101)))])
        wait_for(lambda: time.time() > lease.starts_at.timestamp() + 0.3)
        assert device.log("admit") == []
        now = replace(ending(lease, in_s=1800), revision=3)
        site.take([hub.hold(now)])
        wait_for(lambda: hub.reports("opened"))
        assert device.look()["ends_at"] == now.ends_at.isoformat()
        assert len(device.log("admit", "begin")) == 1


def test_devices_that_hang_at_the_start_delay_neither_other_starts_nor_ends(hub, config, start_site, tmp_path):
    site = start_site(replace(config, children=4))
    doors = [Device(tmp_path / f"door-{number}") for number in range(10)]
    for door in doors[:2]:
        door.behave("admit", "hang")
    ends = Device(tmp_path / "ends")
    ending_lease = lease_on(ends)
    site.take([hub.hold(ending_lease)])
    wait_for(lambda: hub.reports("opened"))
    leases = [lease_on(door, starts_in=6.0) for door in doors]
    site.take([hub.hold(lease) for lease in leases])
    told(doors[-1], site, leases[-1])
    start = leases[-1].starts_at.timestamp()
    site.take([hub.hold(ending(ending_lease, in_s=start + 0.2 - time.time()))])
    wait_for(lambda: all(door.log("admit", "done") for door in doors[2:]) and ends.log("isolate", "done"))
    assert hub.reports("failed") == []  # nobody waited until a hanging call was stopped
    for door, lease in zip(doors, leases, strict=True):
        (begun,) = door.log("admit", "begin")
        assert begun["at"] >= lease.starts_at.timestamp()
