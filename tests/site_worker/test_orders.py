"""What the journal takes down, what it refuses, and what it answers."""

import random
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.contract.wire import Order, Report, from_json, new_key, private_key, seal
from site_worker.journal import Journal
from site_worker.orders import take_orders
from tests.site_worker.conftest import Hub, lease_on, target_of
from tests.site_worker.file_device import Device


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "journal.sqlite3")


def take(journal: Journal, hub: Hub, *sealed: str):
    return take_orders(
        journal=journal,
        site=hub.site_slug,
        hub_key=private_key(hub.key).public_key(),
        sealed=sealed,
        now=time.time(),
    )


def answers(journal: Journal) -> list[Report]:
    rows = journal.db().execute("SELECT body FROM outgoing ORDER BY id")
    return [from_json(Report, row["body"]) for row in rows]


def test_an_order_signed_by_somebody_else_is_refused(journal, hub, device):
    forger = Hub(site_slug=hub.site_slug, site_key=hub.site_key)
    intake = take(journal, hub, forger.hold(lease_on(device)), "not even json", hub.hold(lease_on(device))[:-9])
    assert intake.refused == 3
    assert journal.leases() == []
    assert answers(journal) == []


def test_a_report_cannot_be_passed_off_as_an_order(journal, hub, device):
    report = Report(site=hub.site_slug, event="alive", at=lease_on(device).starts_at)
    assert take(journal, hub, seal(report, key=private_key(hub.key), sender="hub")).refused == 1


def test_an_order_for_another_site_is_refused(journal, hub, device):
    elsewhere = hub.hold(lease_on(device), site="uni-b")
    assert take(journal, hub, elsewhere).refused == 1
    assert journal.leases() == []


def test_a_lower_epoch_is_answered_as_stale_and_does_nothing(journal, hub, device):
    later, earlier = lease_on(device, epoch=5), lease_on(device, epoch=4)
    take(journal, hub, hub.hold(later))
    assert take(journal, hub, hub.release(earlier)).stale == 1
    (stale,) = answers(journal)
    assert (stale.event, stale.lease_id, stale.epoch) == ("stale", earlier.lease_id, 4)
    assert stale.detail["highest_epoch"] == 5
    assert [lease.lease_id for lease in journal.leases()] == [later.lease_id]


def test_the_same_epoch_in_the_name_of_another_lease_is_stale(journal, hub, device):
    take(journal, hub, hub.hold(lease_on(device, epoch=5)))
    assert take(journal, hub, hub.hold(lease_on(device, epoch=5))).stale == 1


def test_a_whole_device_fences_its_parts_and_the_other_way_round(journal, hub, device):
    parts = ("gpu/0", "gpu/1")
    take(journal, hub, hub.hold(lease_on(device, epoch=5, resource_id="gpu", parts=parts)))
    assert take(journal, hub, hub.hold(lease_on(device, epoch=4, resource_id="gpu/1"))).stale == 1
    take(journal, hub, hub.hold(lease_on(device, epoch=9, resource_id="gpu/1")))
    assert take(journal, hub, hub.hold(lease_on(device, epoch=8, resource_id="gpu", parts=parts))).stale == 1
    assert journal.epochs() == {"gpu": 5, "gpu/0": 5, "gpu/1": 9}


def test_an_earlier_revision_is_stale_and_the_same_is_answered_again(journal, hub, device):
    lease = lease_on(device, revision=3)
    assert take(journal, hub, hub.hold(lease)).taken == 1
    assert take(journal, hub, hub.hold(lease)).repeated == 1
    assert take(journal, hub, hub.hold(replace(lease, revision=2))).stale == 1
    assert take(journal, hub, hub.release(lease)).taken == 1  # the end outweighs the same revision's start
    assert take(journal, hub, hub.hold(lease)).stale == 1
    assert journal.lease(lease.lease_id).wanted == "released"


def test_what_was_taken_down_is_there_after_the_process_is_gone(journal, hub, device):
    lease = lease_on(device)
    take(journal, hub, hub.hold(lease))
    assert Journal(journal.path).lease(lease.lease_id).ends_at == lease.ends_at.timestamp()


def test_an_earlier_list_of_devices_does_not_replace_a_later_one(journal, hub, device):
    later = Order(site=hub.site_slug, verb="watch", targets=(target_of(device, "a"), target_of(device, "b")))
    earlier = replace(
        later, issued_at=later.issued_at - timedelta(minutes=1), targets=(target_of(device, "c"),)
    )
    take(journal, hub, hub.seal(later))
    assert take(journal, hub, hub.seal(earlier)).stale == 1
    rows = journal.db().execute("SELECT resource_id FROM watched ORDER BY resource_id")
    assert [row["resource_id"] for row in rows] == ["a", "b"]


KEY = new_key()
ORDERS = st.lists(
    st.tuples(
        st.sampled_from(["whole", "part-0", "part-1"]),
        st.integers(1, 6),  # epoch
        st.integers(1, 3),  # revision
        st.sampled_from(["hold", "release"]),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=12, deadline=None)
@given(orders=ORDERS, seed=st.randoms(use_true_random=False))
def test_no_order_of_messages_lets_an_overtaken_lease_act_again(orders, seed: random.Random):
    hub = Hub(site_slug="uni-a", site_key=KEY, key=KEY)
    with TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "journal.sqlite3")
        device = Device(Path(folder) / "device")
        highest: dict[str, int] = {}
        seen: dict[str, tuple[int, int]] = {}
        for name, epoch, revision, verb in orders * 2:
            parts = ("part-0", "part-1") if name == "whole" else ()
            lease = lease_on(
                device,
                epoch=epoch,
                revision=revision,
                lease_id=f"{name}-{epoch}",
                resource_id=name,
                parts=parts,
            )
            take(journal, hub, hub.seal(Order(site="uni-a", verb=verb, lease=lease)))
            epochs = journal.epochs()
            for resource_id, old in highest.items():
                assert epochs[resource_id] >= old
            highest = dict(epochs)
            for known in journal.leases():
                assert (known.revision, known.wanted == "released") >= seen.get(known.lease_id, (0, 0)) or (
                    known.wanted == "closed"
                )
                seen[known.lease_id] = (known.revision, known.wanted == "released")
                covers = ["whole", "part-0", "part-1"] if "whole" in known.lease_id else [known.resource_id]
                if any(epochs[resource_id] > known.epoch for resource_id in covers):
                    assert known.wanted == "closed"
                    assert known.phase == "fenced"  # nothing was open: nothing is left to do
        journal.close()
