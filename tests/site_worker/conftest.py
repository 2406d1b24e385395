"""A site with its hub's key, devices made of files, and no portal."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from adapters.contract import Holder, LeaseOrder, Target
from adapters.contract.wire import Order, Report, new_key, private_key, public_text, seal, unseal
from site_worker.config import Config, Policy
from site_worker.site import Site
from tests.site_worker.file_device import Device

EXTRA = {"file": "tests.site_worker.file_device:FileDevice"}


def wait_for(condition: Callable[[], object], timeout_s: float = 60.0, what: str = "") -> object:
    """Return the condition's first true value; fail when it does not come in time."""
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        if found := condition():
            return found
        time.sleep(0.01)
    raise AssertionError(f"waited {timeout_s} s in vain for {what or condition}")


@dataclass
class Hub:
    """The other side: signs orders, keeps the reports that arrive."""

    site_slug: str
    site_key: str
    key: str = field(default_factory=new_key)
    received: list[Report] = field(default_factory=list)

    def seal(self, order: Order) -> str:
        return seal(order, key=private_key(self.key), sender="hub")

    def publish(self, sealed: Sequence[str]) -> None:
        key = private_key(self.site_key).public_key()
        self.received += [unseal(Report, message, key=key) for message in sealed]

    def hold(self, lease: LeaseOrder, **changes: object) -> str:
        return self.seal(Order(**{"site": self.site_slug, "verb": "hold", "lease": lease, **changes}))

    def release(self, lease: LeaseOrder) -> str:
        return self.seal(Order(site=self.site_slug, verb="release", lease=lease))

    def watch(self, targets: tuple[Target, ...]) -> str:
        return self.seal(Order(site=self.site_slug, verb="watch", targets=targets))

    def reports(self, event: str = "", lease: LeaseOrder | None = None) -> list[Report]:
        return [
            report
            for report in self.received
            if (not event or report.event == event)
            and (report.event != "alive" or event == "alive")
            and (lease is None or report.lease_id == lease.lease_id)
        ]


@pytest.fixture
def hub() -> Hub:
    return Hub(site_slug="uni-a", site_key=new_key())


@pytest.fixture
def config(tmp_path: Path, hub: Hub) -> Config:
    key_file = tmp_path / "site.key"
    key_file.write_text(hub.site_key)
    return Config(
        site=hub.site_slug,
        broker_url="redis://127.0.0.1:1/0",
        hub_public_key=public_text(private_key(hub.key)),
        private_key_file=key_file,
        state_dir=tmp_path / "state",
        extra_adapters=EXTRA,
        children=2,
        watch_period_s=0.3,
        alive_period_s=0.5,
        report_retry_s=0.1,
        stop_grace_s=0.5,
        policy=Policy(start_grace_s=5.0, release_attempts=3, backoff_s=0.05, backoff_max_s=0.2),
    )


@pytest.fixture
def start_site(hub: Hub, config: Config) -> Iterator[Callable[..., Site]]:
    started: list[Site] = []

    def start(chosen: Config = config, publish: Callable[[Sequence[str]], None] = hub.publish) -> Site:
        site = Site(config=chosen, publish=publish)
        site.start()
        started.append(site)
        return site

    yield start
    for site in started:
        site.begin_stop()
    for site in started:
        assert site.finish_stop(10)


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path / "device")


def target_of(device: Device, resource_id: str = "") -> Target:
    name = resource_id or device.folder.name
    return Target(
        resource_id=name, name=name, kind="file", adapter="file", settings={"folder": str(device.folder)}
    )


def ending(lease: LeaseOrder, *, in_s: float) -> LeaseOrder:
    """Return the lease's next revision, which ends so soon."""
    ends_at = datetime.fromtimestamp(time.time() + in_s, UTC)
    return replace(lease, revision=lease.revision + 1, ends_at=ends_at)


def lease_on(
    device: Device,
    *,
    starts_in: float = 0.0,
    lasts: float = 3600.0,
    epoch: int = 1,
    revision: int = 1,
    lease_id: str = "",
    resource_id: str = "",
    parts: tuple[str, ...] = (),
) -> LeaseOrder:
    now = time.time()
    target = target_of(device, resource_id)
    return LeaseOrder(
        lease_id=lease_id or str(uuid4()),
        epoch=epoch,
        revision=revision,
        target=target,
        covers=(target.resource_id, *parts),
        holder=Holder(username="researcher@uni-a.example", project="p4"),
        starts_at=datetime.fromtimestamp(now + starts_in, UTC),
        ends_at=datetime.fromtimestamp(now + starts_in + lasts, UTC),
    )
