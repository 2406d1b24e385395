"""What a lease of a card on LXD costs at its start: against the bare calls, and two hundred within a minute.

The real daemon is the one that the tests start; where it cannot run, only the emulator is measured.
"""

import heapq
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncssh
import requests
from pylxd.client import get_session_for_url

from adapters.contract import Access, Holder, LeaseOrder, Target
from adapters.emulators.lxd import Pair, self_signed
from adapters.errors import AdapterError, InvalidSettings
from adapters.gpu_lxd.adapter import GpuLxd
from bench.measuring import ROOT, Record, Result, interleaved, parser, quantile, ratio_of, say
from tests.daemons.lxd import H100, LxdDaemon, what_is_missing

LEASES, MINUTE_S, LEAD_S, AT_ONCE = 200, 60.0, 30.0, 8
"""Leases a minute; how long before its start each is prepared; how many are worked on at once."""


def main() -> int:
    """Measure the real daemon where it can run, and the emulator everywhere."""
    options = parser(__doc__).parse_args()
    record = Record(bench="LXD lease start", quick=options.quick)
    record.conditions["workers"] = f"{AT_ONCE} threads; each lease prepared {LEAD_S:g} s ahead"
    leases, lead = (20, 3.0) if options.quick else (LEASES, LEAD_S)
    with tempfile.TemporaryDirectory() as folder:
        site = _Site(folder=Path(folder), pair=self_signed("shary"))
        _emulated(record, site, leases, lead)
        missing = what_is_missing()
        if missing:
            say(f"The real daemon is left out: {missing}.")
        else:
            _real(record, site, options.rounds, 6 if options.quick else 20)
    return record.finish(options.json)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Site:
    """The secrets of a site in a folder, and who comes in."""

    folder: Path
    pair: Pair
    key: Any = field(default_factory=lambda: asyncssh.generate_private_key("ssh-ed25519"))

    def read(self, name: str) -> str:
        return Path(self.path(name)).read_text()

    def path(self, name: str) -> str:
        file = self.folder / name
        if not file.is_file():
            raise InvalidSettings(f"There is no secret called “{name}”.")
        return str(file)

    def know(self, server_certificate: str) -> GpuLxd:
        self.pair.write(self.folder, "lxd")
        (self.folder / "lxd-server.crt").write_text(server_certificate)
        return GpuLxd(secrets=self)

    @property
    def keys(self) -> str:
        return str(self.key.export_public_key("openssh").decode().strip())

    def order(self, pci: str, settings: dict[str, Any], starts_at: float) -> LeaseOrder:
        known = {
            "certificate_secret": "lxd.crt",
            "key_secret": "lxd.key",
            "server_certificate_secret": "lxd-server.crt",
            "instance_type": "container",
            "image": "ubuntu-gpu",
        }
        target = Target(
            resource_id=pci, name=pci, kind="gpu", adapter="gpu_lxd", settings=known | settings | {"pci": pci}
        )
        begin = datetime.fromtimestamp(starts_at, UTC)
        return LeaseOrder(
            lease_id=str(uuid.uuid4()),
            epoch=1,
            revision=1,
            target=target,
            covers=(pci,),
            holder=Holder(username="researcher@uni-a.example", project="testbed", ssh_keys=(self.keys,)),
            starts_at=begin,
            ends_at=begin + timedelta(hours=1),
        )


# --- against the bare calls -------------------------------------------------------------------------


def _real(record: Record, site: _Site, rounds: int, leases: int) -> None:
    cards = {f"0000:{number:02x}:00.0": ("2330", "NVIDIA H100 80GB HBM3", "9.0") for number in range(1, leases)}
    with LxdDaemon(
        trust={"shary": site.pair.certificate}, cards={H100: cards[next(iter(cards))]} | cards
    ) as lxd:
        adapter = site.know(lxd.certificate)
        settings = {"endpoint": lxd.url, "profiles": ["default", "straight"]}
        bare = _Bare(lxd, site)

        def product() -> float:
            order = site.order(H100, settings, time.time())
            began = time.perf_counter()
            access = adapter.provision(order)
            adapter.admit(order)
            _await_banner(access.endpoints[0].host, access.endpoints[0].port)
            took = time.perf_counter() - began
            adapter.release(order)
            return took

        through, direct = interleaved(rounds, product, bare.start, label="start to banner")
        record.add(
            Result(
                name="lease start to ssh banner / bare calls",
                product=quantile(through, 0.5),
                floor=quantile(direct, 0.5),
                unit="s",
                ratio=ratio_of(through, direct),
                goal="<= 2",
                note="real daemon, container, address of its own",
                rounds=through,
            )
        )
        forwarded = {
            "endpoint": lxd.url,
            "ssh_host": lxd.address,
            "ssh_listen": lxd.address,
            "ssh_ports": "20000-20399",
        }
        lead = 8.0
        orders = _orders(site, list(cards), forwarded, lead)
        with _orderly(adapter, orders):
            _storm(record, f"{len(orders)} leases in {_span(orders):.0f} s, real daemon", adapter, orders, lead)


class _Bare:
    """The same start by the fewest calls that LXD can do it with."""

    def __init__(self, lxd: LxdDaemon, site: _Site) -> None:
        self.lxd, self.keys = lxd, site.keys
        certificate = (site.path("lxd.crt"), site.path("lxd.key"))
        self.session = get_session_for_url(lxd.url, cert=certificate, verify=site.path("lxd-server.crt"))
        self.session.trust_env = False

    def start(self) -> float:
        name = f"bare-{uuid.uuid4()}"
        place = f"/1.0/instances/{name}"
        wish = {
            "name": name,
            "type": "container",
            "source": {"type": "image", "alias": "ubuntu-gpu"},
            "profiles": ["default", "straight"],
            "devices": {"gpu": {"type": "gpu", "gputype": "physical", "pci": H100}},
        }
        began = time.perf_counter()
        self.ask("POST", "/1.0/instances", json=wish)
        self.ask("PUT", f"{place}/state", json={"action": "start"})
        for path, kind, text in (
            ("/root/.ssh", "directory", ""),
            ("/root/.ssh/authorized_keys", "file", self.keys),
        ):
            headers = {"X-LXD-type": kind, "X-LXD-mode": "0600" if text else "0700"}
            self.ask("POST", f"{place}/files", params={"path": path}, data=text, headers=headers)
        _await_banner(self.lxd.straight, 22)
        took = time.perf_counter() - began
        self.ask("PUT", f"{place}/state", json={"action": "stop", "force": True})
        self.ask("DELETE", place)
        return took

    def ask(self, method: str, path: str, **more: Any) -> None:
        answer: requests.Response = self.session.request(method, self.lxd.url + path, timeout=30, **more)
        answer.raise_for_status()
        if answer.status_code == 202:
            place = answer.json()["operation"]
            done = self.session.get(f"{self.lxd.url}{place}/wait?timeout=20", timeout=30).json()["metadata"]
            if done["status_code"] != 200:
                raise RuntimeError(f"{method} {path}: {done['err']}")


def _await_banner(host: str, port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            with socket.create_connection((host, port), timeout=2) as door:
                if door.recv(4) == b"SSH-":
                    return
        except OSError:
            time.sleep(0.005)
    raise TimeoutError(f"No ssh server answers at {host}:{port}.")


# --- many at once -------------------------------------------------------------------------------------


def _emulated(record: Record, site: _Site, leases: int, lead: float) -> None:
    cards = [f"0000:{number // 32 + 1:02x}:{number % 32:02x}.0" for number in range(leases)]
    with _emulator(site, cards) as (url, certificate):
        adapter = site.know(certificate)
        settings = {
            "endpoint": url,
            "ssh_host": "127.0.0.1",
            "ssh_listen": "127.0.0.1",
            "ssh_ports": "30000-30999",
        }
        orders = _orders(site, cards, settings, lead)
        _storm(record, f"{leases} leases in {_span(orders):.0f} s, emulator", adapter, orders, lead)


@contextmanager
def _emulator(site: _Site, cards: list[str]) -> Iterator[tuple[str, str]]:
    """Have the emulator in a process of its own, as a server has."""
    trusted, _ = site.pair.write(site.folder, "lxd")
    command = [sys.executable, "-m", "adapters.emulators.lxd", "--trust", str(trusted), "--delay", "0.3"]
    command += ["--certificate", str(site.folder), *(word for pci in cards for word in ("--gpu", pci))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as server:
        try:
            said = server.stdout.readline() if server.stdout else ""
            url = said.split("ready at ")[1].split(",")[0]
            yield url, (site.folder / "server.crt").read_text()
        finally:
            server.terminate()


def _orders(site: _Site, cards: list[str], settings: dict[str, Any], lead: float) -> list[LeaseOrder]:
    first = time.time() + lead + 0.5
    return [site.order(pci, settings, first + number * MINUTE_S / LEASES) for number, pci in enumerate(cards)]


def _span(orders: list[LeaseOrder]) -> float:
    return len(orders) * MINUTE_S / LEASES


@contextmanager
def _orderly(adapter: GpuLxd, orders: list[LeaseOrder]) -> Iterator[None]:
    try:
        yield
    finally:
        for order in orders:
            try:
                adapter.release(order)
            except AdapterError as error:
                say(f"not released: {error}")


def _storm(record: Record, name: str, adapter: GpuLxd, orders: list[LeaseOrder], lead: float) -> None:
    """Prepare and open each lease at its time; what counts is when its door was open."""
    work: list[tuple[float, int, str]] = []
    for number, order in enumerate(orders):
        heapq.heappush(work, (order.starts_at.timestamp() - lead, number, "provision"))
    guard, failures, late = threading.Lock(), [], []
    ready: dict[int, Access] = {}

    def serve() -> None:
        while True:
            with guard:
                if not work:
                    return
                due, number, verb = heapq.heappop(work)
            if (wait := due - time.time()) > 0:
                time.sleep(wait)
            order = orders[number]
            try:
                if verb == "provision":
                    ready[number] = adapter.provision(order)
                    with guard:
                        heapq.heappush(work, (order.starts_at.timestamp(), number, "admit"))
                else:
                    adapter.admit(order)
                    late.append(time.time() - order.starts_at.timestamp())
            except AdapterError as error:
                failures.append(f"{verb}: {error}")

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for each in [pool.submit(serve) for _ in range(AT_ONCE)]:
            each.result()
    for words in failures[:5]:
        say(words)
    note = f"p50 {quantile(late, 0.5):.3f}, max {max(late):.3f} s late" if late else "none opened"
    record.add(Result(name=f"{name}: p99 late", product=quantile(late, 0.99), unit="s", note=note))
    record.add(Result(name=f"{name}: failed", product=len(orders) - len(late), goal="== 0"))


if __name__ == "__main__":
    raise SystemExit(main())
