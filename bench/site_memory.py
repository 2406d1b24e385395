"""Memory of a site's worker that watches 64 cards for an hour, half of them in use, on a clock that runs fast.

The floor is the same process that watches nothing. What counts is how much the worker grows in the hour after the
first ten minutes: a site runs for months.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from adapters.contract import Holder, LeaseOrder, Target
from adapters.contract.wire import Order, new_key, private_key, public_text, seal
from bench.measuring import ROOT, Record, Result, parser, progress
from bench.watched_site import NAME

SITE = "bench"
WARM_UP_S = 600.0
HOUR_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What one process was seen to use, in MiB."""

    early: float
    late: float
    children: float
    """All its adapter processes together, at the end."""
    journal: float
    looks: int
    reported: dict[str, int]


def main() -> int:
    """Watch nothing, then cards, and compare."""
    chosen = parser(__doc__)
    chosen.add_argument("--cards", type=int, default=64)
    chosen.add_argument("--speed", type=float, default=30.0, help="seconds of the worker's clock in a second")
    chosen.add_argument("--children", type=int, default=4)
    chosen.add_argument("--hours", type=float, default=1.0, help="how long the growth is watched")
    options = chosen.parse_args()
    span = 300.0 if options.quick else options.hours * HOUR_S
    warm_up = 150.0 if options.quick else WARM_UP_S
    record = Record(bench="site memory", quick=options.quick)
    record.conditions["cards"] = f"{options.cards}, half of them with an open lease"
    record.conditions["clock"] = (
        f"{span / 60:.0f} min after {warm_up / 60:.0f}, {options.speed:.0f} times as fast"
    )
    floor = watch(0, speed=options.speed, children=options.children, warm_up=warm_up, span=span)
    progress(f"nothing watched: {floor.early:.1f} to {floor.late:.1f} MiB")
    found = watch(options.cards, speed=options.speed, children=options.children, warm_up=warm_up, span=span)
    progress(f"{options.cards} cards: {found.early:.1f} to {found.late:.1f} MiB, {found.reported}")
    record.add(
        Result(
            name=f"worker that watches {options.cards} cards / nothing",
            product=found.late,
            floor=floor.late,
            unit="MiB",
            ratio=found.late / floor.late,
            goal="<= 1.25",
            note=f"{found.children:.0f} MiB in {options.children} adapter processes",
        )
    )
    record.add(
        Result(
            name="growth in an hour",
            product=(found.late - found.early) * HOUR_S / span,
            floor=(floor.late - floor.early) * HOUR_S / span,
            unit="MiB",
            goal="<= 2",
            note=f"journal {found.journal:.1f} MiB",
        )
    )
    # A quarter of what an exact clock would give shows that the cards were watched at all.
    wanted = options.cards / 2 * (span / 15 + span / 60) / 4
    record.add(
        Result(
            name="enough looks were made",
            product=float(found.looks >= wanted),
            goal="== 1",
            note=f"{found.looks}",
        )
    )
    told = found.reported.get("used", 0)
    often = told >= options.cards / 2 * (span + warm_up) / 300 / 2
    record.add(
        Result(name="use was told again and again", product=float(often), goal="== 1", note=f"{told} reports")
    )
    return record.finish(options.json)


def watch(cards: int, *, speed: float, children: int, warm_up: float, span: float) -> Watched:
    """Run a worker that watches so many cards; look at its memory after the warm-up and at the end."""
    with tempfile.TemporaryDirectory(prefix="bench-site-memory-") as name:
        folder = Path(name)
        hub, site = new_key(), new_key()
        (folder / "site.key").write_text(site)
        (folder / "looks").touch()
        began = time.time()
        given = {
            "site": SITE,
            "began": began,
            "speed": speed,
            "children": children,
            "hub_public_key": public_text(private_key(hub)),
            "orders": _orders(
                cards, hub, {"looks": str(folder / "looks"), "clock_began": began, "clock_speed": speed}
            ),
        }
        (folder / "site.json").write_text(json.dumps(given))
        command = [sys.executable, "-m", "bench.watched_site", name]
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 60
            while not (folder / "ready").exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            time.sleep(warm_up / speed)
            early = rss_mib(process.pid)
            time.sleep(span / speed)
            late, below = rss_mib(process.pid), sum(rss_mib(child) for child in _children_of(process.pid))
            looks = (folder / "looks").stat().st_size
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
        return Watched(
            early=early,
            late=late,
            children=below,
            journal=(folder / "state" / "journal.sqlite3").stat().st_size / 2**20,
            looks=looks,
            reported=json.loads((folder / "reported.json").read_text()),
        )


def rss_mib(pid: int) -> float:
    """Return the memory that a process has in RAM."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _children_of(pid: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if parent == pid:
                found.append(int(entry.name))
    return found


def _orders(cards: int, hub: str, settings: Mapping[str, object]) -> list[str]:
    if not cards:
        return []
    key = private_key(hub)
    now = datetime.now(UTC)
    targets, leases = [], []
    for number in range(cards):
        lease_id = str(uuid4()) if number % 2 == 0 else ""
        target = Target(
            resource_id=str(uuid4()),
            name=f"card {number}",
            kind="gpu",
            adapter=NAME,
            settings={**settings, "lease": lease_id},
        )
        targets.append(target)
        if lease_id:
            leases.append(
                LeaseOrder(
                    lease_id=lease_id,
                    epoch=number + 1,
                    revision=1,
                    target=target,
                    covers=(target.resource_id,),
                    holder=Holder(username="researcher@uni-a.example", project="bench"),
                    starts_at=now,
                    ends_at=now + timedelta(days=1),
                )
            )
    orders = [Order(site=SITE, verb="hold", lease=lease) for lease in leases]
    orders.append(Order(site=SITE, verb="watch", targets=tuple(targets)))
    return [seal(order, key=key, sender="hub") for order in orders]


if __name__ == "__main__":
    sys.exit(main())
