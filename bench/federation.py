"""A hub with its workers and beat, and sites with real workers, for one round of a measurement."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import redis

from adapters.contract.wire import new_key, private_key, public_text
from bench.emulated_device import NAME, SECRET
from bench.measuring import progress
from bench.stage import KEYS, Stage, end

ADAPTER = "bench.emulated_device:EmulatedDevice"


class Site:
    """One site's folder, key and worker processes."""

    def __init__(self, stage: Stage, slug: str, *, workers: int, children: int) -> None:
        self.stage = stage
        self.slug = slug
        self.children = children
        self.folder = stage.folder / "sites" / f"{slug}-{time.time_ns()}"
        self.folder.mkdir(parents=True)
        text = new_key()
        (self.folder / "site.key").write_text(text)
        self.public_key = public_text(private_key(text))
        self._workers = workers
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start the workers."""
        hub = public_text(private_key(KEYS["SHARY_HUB_KEY"]))
        (self.folder / "site.toml").write_text(
            f"site = {json.dumps(self.slug)}\nbroker_url = {json.dumps(self.stage.valkey.url())}\n"
            f"hub_public_key = {json.dumps(hub)}\nprivate_key_file = 'site.key'\nstate_dir = 'state'\n"
            f"children = {self.children}\n"
            f"[secrets]\n{SECRET} = {json.dumps(self.stage.valkey.url(1))}\n"
            f"[extra_adapters]\n{NAME} = {json.dumps(ADAPTER)}\n"
        )
        (self.folder / "state").mkdir(exist_ok=True)
        # A site knows nothing of the portal, nor of Django.
        env = {
            name: value
            for name, value in self.stage.environment().items()
            if name not in ("DJANGO_SETTINGS_MODULE", "DATABASE_URL", "SHARY_SECRET_KEY", "SHARY_FIELD_KEYS")
        }
        for number in range(self._workers):
            self.processes.append(
                self.stage.start(
                    f"{self.slug}-{number}",
                    [
                        *(sys.executable, "-m", "site_worker"),
                        *("--config", self.folder / "site.toml", "--loglevel", "WARNING"),
                    ],
                    env=env,
                )
            )

    def kill_one(self) -> None:
        """Kill one worker as if the power had gone; its children die with it."""
        self.processes[0].kill()

    def hang(self) -> None:
        """Stop all processes of the site where they stand."""
        for process in self.processes:
            for pid in _tree(process.pid):
                os.kill(pid, signal.SIGSTOP)

    def stop(self) -> None:
        """Kill the workers and what they started."""
        for process in self.processes:
            for pid in reversed(_tree(process.pid)):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            process.wait()


class Federation:
    """The hub and its sites."""

    def __init__(self, stage: Stage, *, sites: int, workers: int, children: int, devices: int) -> None:
        """Set everything up and start it; `devices` at each site."""
        self.stage = stage
        self.devices = redis.Redis.from_url(stage.valkey.url(1), decode_responses=True)
        self.devices.flushall()
        _close_connections()
        stage.fresh()
        self.sites = [
            Site(stage, f"site-{number + 1}", workers=workers, children=children) for number in range(sites)
        ]
        self._enter(devices)
        self._hub = _start_hub(stage)
        for site in self.sites:
            site.start()
        self._wait_for_life()

    def close(self) -> None:
        """End everything."""
        for site in self.sites:
            site.stop()
        for process in self._hub:
            end(process)
        self.devices.close()
        _close_connections()

    def __enter__(self) -> "Federation":
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    def _enter(self, devices: int) -> None:
        from django.db import transaction

        from accounts.models import Membership, Organisation, Project, User
        from resources.models import Resource
        from resources.models import Site as SiteRow

        with transaction.atomic():
            organisation = Organisation.objects.create(slug="uni-a", name="Uni A")
            self.user = User.objects.create(username="researcher", email="researcher@uni-a.example")
            self.project = Project.objects.create(slug="p4", name="P4", organisation=organisation)
            Membership.objects.create(project=self.project, user=self.user)
            for site in self.sites:
                row = SiteRow.objects.create(
                    slug=site.slug, name=site.slug, organisation=organisation, public_key=site.public_key
                )
                Resource.objects.bulk_create(
                    Resource(
                        site=row,
                        name=f"device {number:04}",
                        kind="gpu",
                        adapter=NAME,
                        settings={"key": f"{site.slug}-{number}"},
                        health=Resource.Health.HEALTHY,
                    )
                    for number in range(devices)
                )

    def book_all(self, *, starts_at: datetime, preparation_s: int) -> None:
        """Book every device at the same moment, each in a reservation of its own."""
        from django.db import transaction

        from reservations.models import Lease, Reservation
        from reservations.services.gate import record_moves
        from reservations.states import Status
        from resources.models import Resource

        ends_at = starts_at + timedelta(hours=1)
        with transaction.atomic():
            resources = list(Resource.objects.all())
            reservations = [
                Reservation(project=self.project, holder=self.user, starts_at=starts_at, ends_at=ends_at)
                for _ in resources
            ]
            Reservation.objects.bulk_create(reservations)
            leases = Lease.objects.bulk_create(
                Lease(
                    reservation=reservation,
                    resource=resource,
                    status=Status.SCHEDULED,
                    starts_at=starts_at,
                    ends_at=ends_at,
                    preparation_s=preparation_s,
                    cleanup_s=60,
                    next_action_at=starts_at - timedelta(seconds=preparation_s),
                )
                for reservation, resource in zip(reservations, resources, strict=True)
            )
            record_moves(
                [lease.pk for lease in leases],
                source="",
                to=Status.SCHEDULED,
                now=datetime.now(UTC),
                actor=self.user,
                reason="Booked",
            )

    def prepared(self) -> int:
        """Return how many devices carry their lease."""
        keys = [key for key in self.devices.keys("device:*") if key.count(":") == 1]
        return len(keys)

    def opened(self) -> dict[str, list[float]]:
        """Return for each device when its door was opened."""
        keys = [str(key) for key in self.devices.keys("device:*:opened")]
        pipe = self.devices.pipeline()
        for key in keys:
            pipe.lrange(key, 0, -1)
        return {
            key.split(":")[1]: [float(moment) for moment in moments]
            for key, moments in zip(keys, pipe.execute(), strict=True)
        }

    def repeated_calls(self) -> int:
        """Return how many calls to open a door came for one that was open."""
        keys = self.devices.keys("device:*:calls")
        return sum(max(0, int(count) - 1) for count in self.devices.mget(keys)) if keys else 0

    def statuses(self) -> dict[str, int]:
        """Return how many leases stand where, as the hub knows it."""
        from django.db.models import Count

        from reservations.models import Lease

        return dict(Lease.objects.values_list("status").annotate(Count("pk")).order_by())

    def _wait_for_life(self) -> None:
        from resources.models import Site as SiteRow

        deadline = time.monotonic() + 120
        while SiteRow.objects.filter(last_heard_at__isnull=True).exists():
            for process in (*self._hub, *(p for site in self.sites for p in site.processes)):
                if process.poll() is not None:
                    raise SystemExit(f"A worker ended; see the logs in {self.stage.folder}.")
            if time.monotonic() > deadline:
                raise SystemExit(f"Not all sites were heard; see the logs in {self.stage.folder}.")
            time.sleep(0.2)
        progress("all sites are heard")


def _start_hub(stage: Stage) -> list["subprocess.Popen[bytes]"]:
    celery = (sys.executable, "-m", "celery", "--quiet", "-A", "shary_portal")
    schedule: Path = stage.folder / "beat-schedule"
    schedule.unlink(missing_ok=True)
    return [
        stage.start(
            "hub",
            [
                *(*celery, "worker", "--loglevel", "warning", "-Q", "hub,bell", "-n", "hub@%h"),
                *("--pool", "threads", "--concurrency", "2"),
                *("--without-gossip", "--without-mingle", "--without-heartbeat"),
            ],
        ),
        stage.start("beat", [*celery, "beat", "--loglevel", "warning", "--schedule", schedule]),
    ]


def _tree(pid: int) -> list[int]:
    import psutil

    try:
        process = psutil.Process(pid)
        return [pid, *(child.pid for child in process.children(recursive=True))]
    except psutil.NoSuchProcess:
        return []


def _close_connections() -> None:
    from django.db import connections

    connections.close_all()
