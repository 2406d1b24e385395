"""A worker process of a site, with a clock that runs fast and a broker that takes everything and keeps nothing.

`python -m bench.watched_site FOLDER`: the folder holds `site.json` (speed, keys, sealed orders). The devices measure
what a real card does; each look leaves a byte in `looks`.
"""

import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from adapters.contract import (
    Access,
    Adapter,
    AdapterDescription,
    Check,
    CleanProof,
    FoundDevice,
    LeaseOrder,
    Observation,
    Target,
)

NAME = "watched"


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class Settings:
    """What the device is to show."""

    looks: str
    lease: str = ""
    clock_began: float
    clock_speed: float


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="allow"))
class Anything:
    """Attributes and parameters are of no interest."""


class WatchedDevice(Adapter):
    """A card that is always there, and always carries the lease it was given."""

    description = AdapterDescription(
        name=NAME,
        title="Watched",
        kinds=("gpu",),
        settings=Settings,
        attributes=Anything,
        parameters=Anything,
        preparation=timedelta(seconds=1),
        cleanup=timedelta(seconds=1),
    )

    def observe(self, target: Target) -> Observation:
        """Measure what NVML measures of a card."""
        _hasten(target)
        with Path(str(target.settings["looks"])).open("ab", buffering=0) as looks:
            looks.write(b".")
        load = random.uniform(0, 100)
        return Observation(
            healthy=True,
            carries=str(target.settings.get("lease") or "") or None,
            measurements={
                "utilisation_percent": round(load),
                "memory_used_mib": round(600 + 700 * load),
                "memory_total_mib": 81559.0,
                "power_w": 70 + 6 * load,
                "temperature_celsius": round(30 + load / 2),
                "processes": 1.0,
            },
        )

    def provision(self, order: LeaseOrder) -> Access:
        """Be ready."""
        _hasten(order.target)
        return Access(instructions=order.tag)

    def admit(self, order: LeaseOrder) -> None:
        """Open."""
        _hasten(order.target)

    def isolate(self, order: LeaseOrder) -> None:
        """Close."""

    def release(self, order: LeaseOrder) -> CleanProof:
        """Be clean."""
        check = Check(name="carries", expected="nothing", found="nothing", passed=True)
        return CleanProof(checks=(check,), verified_at=datetime.now(UTC), verifier="watched/1")

    def discover(self, target: Target) -> tuple[FoundDevice, ...]:
        """Find nothing more."""
        return ()


_real = time.time


def fast_clock(began: float, speed: float) -> Callable[[], float]:
    """Return a wall clock that runs so many times as fast since then."""
    return lambda: began + (_real() - began) * speed


def _hasten(target: Target) -> None:
    """Set the clock of this process: it says when an outcome was reached."""
    if time.time is _real:
        began, speed = target.settings["clock_began"], target.settings["clock_speed"]
        time.time = fast_clock(float(str(began)), float(str(speed)))


def main() -> None:
    """Watch until told to stop, then write down what was reported."""
    folder = Path(sys.argv[1])
    given = json.loads((folder / "site.json").read_text())
    time.time = fast_clock(given["began"], given["speed"])
    from site_worker.config import Config  # after the clock was changed
    from site_worker.site import Site

    reported: dict[str, int] = {}

    def take(sealed: Sequence[str]) -> None:
        for message in sealed:
            event = json.loads(json.loads(message)["body"])["event"]
            reported[event] = reported.get(event, 0) + 1

    config = Config(
        site=given["site"],
        broker_url="redis://127.0.0.1:1/0",
        hub_public_key=given["hub_public_key"],
        private_key_file=folder / "site.key",
        state_dir=folder / "state",
        extra_adapters={NAME: f"{__spec__.name}:WatchedDevice"},
        children=given["children"],
        alive_period_s=5.0 / given["speed"],
    )
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    site = Site(config=config, publish=take)
    site.start()
    if given["orders"]:
        site.take(given["orders"])
    (folder / "ready").write_text(str(os.getpid()))
    stop.wait()
    site.finish_stop(10)
    (folder / "reported.json").write_text(json.dumps(reported))


if __name__ == "__main__":
    main()
