"""Real worker processes: killed, doubled, without a broker, and with one."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import redis
from celery import Celery

from adapters.contract.wire import private_key
from site_worker.journal import Journal
from site_worker.orders import take_orders
from tests.site_worker.conftest import EXTRA, lease_on, wait_for
from tests.site_worker.file_device import Device

ROOT = Path(__file__).resolve().parents[2]
LIGHT, FULL = ("tests.site_worker.light_worker",), ("site_worker", "--config")
NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture
def journal(config):
    return Journal(config.journal_file)


@pytest.fixture
def start_worker(config, tmp_path) -> Iterator[Callable[..., subprocess.Popen]]:
    workers: list[subprocess.Popen] = []

    def start(broker_url: str = NOWHERE, *, light: bool = False) -> subprocess.Popen:
        """Start a worker of the site; a light one has no Celery in it."""
        file = tmp_path / "site.toml"
        file.write_text(
            f"""
            site = "{config.site}"
            broker_url = "{broker_url}"
            hub_public_key = "{config.hub_public_key}"
            private_key_file = "site.key"
            state_dir = "state"
            children = 3
            alive_period_s = 0.5
            stop_grace_s = 0.5
            [extra_adapters]
            file = "{EXTRA["file"]}"
            doorman = "tests.site_worker.file_device:Doorman"
            [policy]
            backoff_s = 0.05
            """
        )
        environ = {name: value for name, value in os.environ.items() if name != "CELERY_BROKER_URL"}
        with (tmp_path / f"worker-{len(workers)}.log").open("w") as log:
            worker = subprocess.Popen(
                [sys.executable, "-m", *(LIGHT if light else FULL), str(file)],
                cwd=ROOT,
                env=environ,
                stdout=log,
                stderr=log,
            )
        workers.append(worker)
        return worker

    yield start
    for worker in workers:
        with suppress(ProcessLookupError):
            worker.kill()
        worker.wait()


def take(journal: Journal, hub, *sealed: str) -> None:
    key = private_key(hub.key).public_key()
    intake = take_orders(journal=journal, site=hub.site_slug, hub_key=key, sealed=sealed, now=time.time())
    assert intake.taken == len(sealed)


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("verb", ["provision", "release"])
def test_a_worker_killed_in_the_middle_is_replaced_by_another(verb, hub, journal, start_worker, device):
    lease = lease_on(device)
    device.behave(verb, "hang", times=1)
    take(journal, hub, hub.hold(lease) if verb == "provision" else hub.release(lease))
    worker = start_worker(light=True)
    (begun,) = wait_for(lambda: device.log(verb, "begin"), 30)
    worker.kill()
    worker.wait()
    wait_for(lambda: is_gone(begun["pid"]))  # the adapter's process goes with its worker
    start_worker(light=True)
    if verb == "provision":
        wait_for(lambda: journal.lease(lease.lease_id).phase == "open", 30)
        assert len(device.log("provision", "created")) == 1
    else:
        wait_for(lambda: journal.lease(lease.lease_id).phase == "clean", 30)
    verbs = [line["verb"] for line in device.log(event="begin")]
    at = verbs.index(verb)
    assert verbs[at : at + 3] == [verb, "observe", verb]


def test_a_lease_that_ended_while_no_worker_ran_is_closed_first(hub, journal, start_worker, device):
    lease = lease_on(device)
    take(journal, hub, hub.hold(lease))
    worker = start_worker(light=True)
    wait_for(lambda: device.look().get("open"), 30)
    worker.kill()
    worker.wait()
    take(journal, hub, hub.hold(replace(lease, revision=2, ends_at=lease.starts_at.replace(year=2020))))
    before = len(device.log())
    start_worker(light=True)
    wait_for(lambda: device.look()["open"] is False, 30)
    assert device.log()[before]["verb"] == "isolate"


@pytest.mark.parametrize("killed", [False, True], ids=["both stay", "one is killed"])
def test_two_workers_of_one_site_let_a_crowd_in_once_each_and_nobody_early(
    killed, hub, journal, start_worker, tmp_path
):
    workers = [start_worker(light=True) for _ in range(2)]
    door = Device(tmp_path / "door")
    leases = [lease_on(door, starts_in=4.0, resource_id=f"door/{number}") for number in range(400)]
    leases = [replace(lease, target=replace(lease.target, adapter="doorman")) for lease in leases]
    take(journal, hub, *(hub.hold(lease) for lease in leases))
    if killed:
        wait_for(lambda: len(door.log()) >= 20, 60)
        workers[0].kill()
        workers[0].wait()
    opened = "SELECT count(*) FROM lease WHERE phase = 'open'"
    wait_for(lambda: journal.db().execute(opened).fetchone()[0] == len(leases), 60)
    starts = {lease.lease_id: lease.starts_at.timestamp() for lease in leases}
    by_lease: dict[str, list[dict]] = {}
    for line in door.log():
        by_lease.setdefault(line["lease"], []).append(line)
        assert line["at"] >= starts[line["lease"]]
    assert set(by_lease) == set(starts)
    for lines in by_lease.values():
        # What the killed one had done and not yet written down is done again, by the other.
        assert len(lines) == 1 or (killed and len(lines) == 2 and is_gone(lines[0]["pid"]))


def test_orders_and_reports_cross_a_real_broker_and_the_worker_stops_when_told(
    hub, start_worker, device, broker_url, monkeypatch
):
    # Celery would believe the environment before us, and that names the database of another test process.
    monkeypatch.delenv("CELERY_BROKER_URL")
    worker = start_worker(broker_url)
    lease = lease_on(device)
    order = hub.hold(lease)
    with Celery(broker=broker_url, set_as_current=False) as sender:
        for _ in range(10):
            sender.send_task("site.take_orders", args=[[order]], queue=f"site.{hub.site_slug}")
    with redis.Redis.from_url(broker_url) as broker:

        def opened() -> object:
            message = broker.rpop("hub")  # Celery pushes on the left: the oldest is on the right
            if message:
                envelope = json.loads(message)
                assert envelope["headers"]["task"] == "hub.take_reports"
                (sealed,), _, _ = json.loads(base64.b64decode(envelope["body"]))
                hub.publish(sealed)
            return hub.reports("opened", lease)

        wait_for(opened, 30)
        assert hub.reports("prepared", lease)[0].access.instructions == f"Use {lease.tag}."
        assert len(device.log("provision", "created")) == 1
        children = {line["pid"] for line in device.log()}
        worker.send_signal(signal.SIGTERM)
        worker.wait(20)
        assert worker.returncode == 0
        assert all(is_gone(pid) for pid in children)
        assert device.look()["open"] is True  # stopping a worker ends nobody's lease


def test_a_worker_without_a_broker_keeps_time_and_stops_when_told(hub, journal, start_worker, device):
    take(journal, hub, hub.hold(lease_on(device)))
    worker = start_worker()
    wait_for(lambda: device.look().get("open"), 30)

    def kept_for_the_hub() -> int:
        return journal.db().execute("SELECT count(*) FROM outgoing").fetchone()[0]

    wait_for(lambda: kept_for_the_hub() == 2, what="prepared and opened")
    worker.send_signal(signal.SIGTERM)
    worker.wait(20)
    assert all(is_gone(line["pid"]) for line in device.log())
    assert kept_for_the_hub() == 2
