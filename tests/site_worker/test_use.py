"""What a lease makes of its device: measured while it is open, told once, kept over a crash."""

import itertools
import json
from contextlib import contextmanager
from dataclasses import replace

import pytest

from adapters.contract import Observation
from adapters.contract.wire import Report, from_json
from site_worker.config import Config
from site_worker.journal import Journal, write_lease
from site_worker.lease import Lease
from site_worker.use import KEPT_HOURS, forget_use, hasten_looks, note_use, tell_use
from tests.site_worker.conftest import lease_on, target_of, wait_for

BEGAN = 1_800_000_000.0 - 1_800_000_000.0 % 3600
"""A full hour."""


@pytest.fixture
def journal(config: Config) -> Journal:
    journal = Journal(config.journal_file)
    hold(journal, "one")
    yield journal
    journal.close()


def hold(journal: Journal, lease_id: str, *, phase: str = "open", resource_id: str = "card") -> None:
    lease = Lease(
        lease_id=lease_id,
        epoch=7,
        revision=1,
        resource_id=resource_id,
        adapter="file",
        starts_at=BEGAN,
        ends_at=BEGAN + 400 * 3600,
        wanted="held",
        phase=phase,
        access="{}",
        opened_at=BEGAN,
    )
    with journal.write() as db:
        write_lease(db, lease, BEGAN)


def look(journal: Journal, config: Config, after_s: float, **numbers: float) -> None:
    note(journal, config, after_s, Observation(healthy=True, carries="one", measurements=numbers))


def note(
    journal: Journal, config: Config, after_s: float, seen: Observation, resource_id: str = "card"
) -> None:
    with journal.write() as db:
        note_use(db, config=config, resource_id=resource_id, seen=seen, at=BEGAN + after_s)


def told(journal: Journal) -> list[Report]:
    rows = journal.db().execute("SELECT body FROM outgoing WHERE body LIKE '%used%' ORDER BY id").fetchall()
    return [from_json(Report, row["body"]) for row in rows]


@contextmanager
def sent(journal: Journal):
    """What waits goes to the hub, and the box is empty."""
    yield told(journal)
    with journal.write() as db:
        db.execute("DELETE FROM outgoing")


def tell(journal: Journal, config: Config, after_s: float) -> int:
    return tell_use(journal=journal, config=config, now=BEGAN + after_s)


def test_looks_become_means_per_minute_with_the_highest_utilisation(journal, config):
    for after, load in ((1, 10.0), (16, 30.0), (31, 80.0), (61, 50.0)):
        look(journal, config, after, utilisation_percent=load, memory_used_mib=100 * load)
    assert tell(journal, config, 125) == 1
    (report,) = told(journal)
    assert (report.event, report.lease_id, report.epoch, report.resource_id) == ("used", "one", 7, "card")
    assert (report.use.began_at.timestamp(), report.use.step_s) == (BEGAN, 60)
    assert report.use.columns == {
        "utilisation_percent": (40.0, 50.0),
        "utilisation_percent_max": (80.0, 50.0),
        "memory_used_mib": (4000.0, 5000.0),
    }


def test_where_nothing_was_seen_there_is_no_number(journal, config):
    look(journal, config, 1, utilisation_percent=10.0, power_w=60.0)
    look(journal, config, 181, utilisation_percent=20.0)
    tell(journal, config, 600)
    (report,) = told(journal)
    assert report.use.columns["utilisation_percent"] == (10.0, None, None, 20.0)
    assert report.use.columns["power_w"] == (60.0, None, None, None)


def test_a_minute_that_is_not_over_is_not_told_and_one_that_was_told_never_changes(journal, config):
    look(journal, config, 1, utilisation_percent=10.0)
    look(journal, config, 119, utilisation_percent=20.0)
    tell(journal, config, 122)  # the second minute may still get a look
    with sent(journal) as (report,):
        assert report.use.columns["utilisation_percent"] == (10.0,)
    look(journal, config, 59, utilisation_percent=90.0)
    look(journal, config, 119.5, utilisation_percent=40.0)
    tell(journal, config, 122 + config.use_report_s)
    (report,) = told(journal)
    assert report.use.columns["utilisation_percent"] == (10.0, 30.0)


def test_only_the_open_lease_found_on_its_own_device_counts(journal, config):
    hold(journal, "ready", phase="ready", resource_id="other")
    busy = {"utilisation_percent": 50.0}
    for carries, device in (("one", "host"), (None, "card"), ("ready", "other"), ("unknown", "card")):
        seen = Observation(healthy=True, carries=carries, measurements=busy)
        note(journal, config, 1, seen, resource_id=device)
    note(journal, config, -1, Observation(healthy=True, carries="one", measurements=busy))
    note(journal, config, 401 * 3600, Observation(healthy=True, carries="one", measurements=busy))
    assert tell(journal, config, 1000) == 0
    note(journal, config, 1, Observation(healthy=True, carries="one", measurements=busy))
    assert tell(journal, config, 1000) == 1


def test_a_counter_becomes_its_rise_per_second_and_one_that_fell_begins_anew(journal, config):
    for after, seconds in ((0, 1000.0), (15, 1060.0), (30, 1060.0), (61, 5.0), (76, 20.0)):
        look(journal, config, after, cpu_seconds_total=seconds)
    tell(journal, config, 200)
    (report,) = told(journal)
    assert report.use.columns == {"cpu_seconds_per_s": (2.0, 1.0)}


def test_a_host_with_many_cards_has_columns_for_each(journal, config):
    numbers = {"0000:65:00.0 utilisation_percent": 40.0, "0000:b1:00.0 utilisation_percent": 60.0}
    note(journal, config, 1, Observation(healthy=True, carries="one", measurements=numbers))
    tell(journal, config, 100)
    (report,) = told(journal)
    assert report.use.columns["0000:b1:00.0 utilisation_percent_max"] == (60.0,)
    assert len(report.use.columns) == 4


def test_why_nothing_is_measured_is_told(journal, config):
    why = "The card is inside a virtual machine."
    note(journal, config, 1, Observation(healthy=True, carries="one", unmeasured=why))
    tell(journal, config, 100)
    (report,) = told(journal)
    assert report.use.columns == {}
    assert report.detail == {"unmeasured": why}


def test_when_access_is_closed_the_rest_is_told_at_once_and_once(journal, config):
    look(journal, config, 1, utilisation_percent=10.0)
    hold(journal, "one", phase="isolated")
    assert tell(journal, config, 12) == 1
    (report,) = told(journal)
    assert report.use.columns["utilisation_percent"] == (10.0,)
    assert tell(journal, config, 13) == 0
    assert tell(journal, config, 4000) == 0


def test_a_lease_opened_again_goes_on_where_it_was(journal, config):
    look(journal, config, 1, utilisation_percent=10.0)
    hold(journal, "one", phase="isolated")
    tell(journal, config, 12)
    hold(journal, "one")
    look(journal, config, 30, utilisation_percent=99.0)  # of a minute that was told
    look(journal, config, 90, utilisation_percent=30.0)
    tell(journal, config, 1000)
    (report,) = told(journal)
    assert report.use.columns["utilisation_percent"] == (10.0, 30.0)


def test_a_broker_that_is_away_leaves_one_report_for_each_hour(journal, config):
    for minute in range(0, 180, 5):
        look(journal, config, minute * 60 + 1, utilisation_percent=float(minute))
        tell(journal, config, minute * 60 + 100)
    tell(journal, config, 4 * 3600)
    reports = told(journal)
    assert [report.use.began_at.timestamp() for report in reports] == [BEGAN, BEGAN + 3600, BEGAN + 7200]
    assert [len(report.use.columns["utilisation_percent"]) for report in reports] == [56, 56, 56]
    kept = journal.db().execute("SELECT count(*) FROM used_minute").fetchone()[0]
    assert kept == 0, "what was told of hours that are over is kept no longer"


def test_what_nobody_fetches_is_forgotten_after_a_week(journal, config):
    look(journal, config, 1, utilisation_percent=10.0)
    tell(journal, config, 100)
    forget_use(journal=journal, now=BEGAN + KEPT_HOURS * 3600)
    assert len(told(journal)) == 1
    forget_use(journal=journal, now=BEGAN + (KEPT_HOURS + 1) * 3600)
    assert told(journal) == []


def test_nothing_is_kept_of_a_lease_that_the_journal_has_forgotten(journal, config):
    look(journal, config, 1, utilisation_percent=10.0)
    hold(journal, "one", phase="clean")
    tell(journal, config, 100)
    with journal.write() as db:
        db.execute("DELETE FROM lease")
    forget_use(journal=journal, now=BEGAN + 3 * 3600)
    for table in ("used", "used_minute"):
        assert journal.db().execute(f"SELECT count(*) FROM {table}").fetchone()[0] == 0, table


def test_two_processes_tell_one_report(journal, config):
    look(journal, config, 1, utilisation_percent=10.0)
    other = Journal(config.journal_file)
    assert tell(journal, config, 100) + tell(other, config, 100) == 1
    other.close()


def test_use_survives_the_end_of_the_process_that_measured_it(journal, config):
    look(journal, config, 1, utilisation_percent=10.0)
    journal.close()
    again = Journal(config.journal_file)
    tell(again, config, 100)
    assert told(again)[0].use.columns["utilisation_percent"] == (10.0,)
    again.close()


def test_devices_in_use_are_looked_at_more_often_than_idle_ones(journal, config):
    config = replace(config, watch_period_s=600.0, use_period_s=15.0)
    with journal.write() as db:
        for name in ("card", "idle"):
            db.execute(
                "INSERT INTO watched (resource_id, adapter, target, next_at) VALUES (?, 'file', '{}', ?)",
                (name, BEGAN + 500),
            )
    hasten_looks(journal=journal, config=config, now=BEGAN)
    times = dict(journal.db().execute("SELECT resource_id, next_at FROM watched").fetchall())
    assert times == {"card": BEGAN + 15, "idle": BEGAN + 500}


def test_a_lease_on_a_real_device_is_measured_and_told_before_it_is_clean(hub, config, start_site, device):
    site = start_site(replace(config, watch_period_s=600.0, use_period_s=0.1, use_report_s=0.5))
    idle = type(device)(device.folder.with_name("idle"))
    device.measure(utilisation_percent=62.5, memory_used_mib=1024.0)
    lease = lease_on(device)
    targets = (target_of(device), target_of(idle))
    site.take([hub.hold(lease), hub.watch(targets)])
    wait_for(lambda: len(device.log("observe")) >= 5)
    assert len(idle.log("observe")) <= 1
    site.take([hub.release(replace(lease, revision=2))])
    wait_for(lambda: hub.reports("used") and hub.reports("clean"))
    used = hub.reports("used")[-1]
    assert used.lease_id == lease.lease_id
    assert {number for number in used.use.columns["utilisation_percent"] if number is not None} == {62.5}


def test_two_workers_of_one_site_measure_each_device_once(hub, config, start_site, device):
    config = replace(config, watch_period_s=600.0, use_period_s=0.3, use_report_s=600.0)
    sites = [start_site(config), start_site(config)]
    device.measure(utilisation_percent=10.0)
    lease = lease_on(device)
    sites[0].take([hub.hold(lease), hub.watch((target_of(device),))])
    wait_for(lambda: len(device.log("observe")) >= 6)
    looks = [entry["at"] for entry in device.log("observe")][1:]
    between = [later - earlier for earlier, later in itertools.pairwise(looks)]
    assert sorted(between)[len(between) // 2] > 0.2, between
    minutes = sites[0].journal.db().execute("SELECT body FROM used_minute").fetchall()
    counted = sum(json.loads(row["body"])["utilisation_percent"][1] for row in minutes)
    assert counted <= len(device.log("observe"))
