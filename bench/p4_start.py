"""What a lease costs on a P4 switch: its start, the hand-over to the next one, and a hundred switches in one worker."""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
from finsy.proto import p4r, p4r_grpc

from adapters.contract import Artefact, Holder, LeaseOrder, Target
from adapters.contract.wire import Order, Report, new_key, private_key, public_text, seal, unseal
from adapters.emulators.p4runtime import example
from adapters.p4_switch.adapter import P4Switch
from adapters.p4_switch.election import ElectionId
from adapters.p4_switch.pipelines import Mark, holders_program, parked
from bench.measuring import ROOT, Record, Result, interleaved, parser, progress, quantile, ratio_of
from bench.site_memory import rss_mib
from site_worker.config import Config, Policy, SiteSecrets
from site_worker.site import Site

SITE = "bench"
DEADLINE_S = 10.0


def main() -> int:
    """Measure one switch against the bare calls, then many switches in one worker."""
    chosen = parser(__doc__)
    chosen.add_argument("--switches", type=int, default=0, help="in one worker; 0: 100, or 8 with --quick")
    options = chosen.parse_args()
    switches = options.switches or (8 if options.quick else 100)
    times = 2 if options.quick else 10
    record = Record(bench="P4 start", quick=options.quick)
    record.conditions |= {"leases a round": times, "program": "the emulator's example, emulated switch"}
    opening: list[float] = []
    with _switches(1) as (address,):
        epochs = iter(range(1, 1_000_000))
        product, floor = interleaved(
            options.rounds,
            lambda: quantile([_start(address, next(epochs), opening) for _ in range(times)], 0.5),
            lambda: quantile([_bare(address, next(epochs)) for _ in range(times)], 0.5),
        )
        record.add(
            Result(
                name="order to program verified, median",
                product=1e3 * quantile(product, 0.5),
                floor=1e3 * quantile(floor, 0.5),
                unit="ms",
                ratio=ratio_of(product, floor),
                note="floor: connect, bid, push, read back",
                rounds=product,
            )
        )
        record.add(
            Result(
                name="the start itself, prepared before, median",
                product=1e3 * quantile(opening, 0.5),
                floor=1e3 * quantile(floor, 0.5),
                unit="ms",
                ratio=quantile(opening, 0.5) / quantile(floor, 0.5),
            )
        )
        overs = [_hand_over(address, next(epochs), next(epochs)) for _ in range(options.rounds)]
        record.add(
            Result(
                name="end of a lease to the next one open, slowest",
                product=max(overs),
                unit="s",
                goal="<= 5",
                note="isolate, clean, prove, prepare, open",
                rounds=overs,
            )
        )
    _many(record, switches)
    return record.finish(options.json)


class _NoSecrets:
    def read(self, name: str) -> str:
        raise KeyError(name)

    def path(self, name: str) -> str:
        raise KeyError(name)


def _start(address: str, epoch: int, opening: list[float]) -> float:
    order, adapter = _order(address, epoch), P4Switch(secrets=_NoSecrets())
    began = time.perf_counter()
    adapter.provision(order)
    prepared = time.perf_counter()
    adapter.admit(order)
    took = time.perf_counter() - began
    opening.append(time.perf_counter() - prepared)
    adapter.release(order)
    return took


def _bare(address: str, epoch: int) -> float:
    """Do the least: connect, bid, push the program, and read it back."""
    order = _order(address, epoch)
    mark = Mark(lease_id=order.lease_id, epoch=epoch, state="open", holder=ElectionId(epoch, 1))
    config = holders_program(order, mark)
    began = time.perf_counter()
    with grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        stub = p4r_grpc.P4RuntimeStub(channel)
        number = p4r.Uint128(high=epoch, low=1)
        bid = p4r.MasterArbitrationUpdate(device_id=1, election_id=number)
        stream = stub.StreamChannel(_say(p4r.StreamMessageRequest(arbitration=bid)))
        if next(iter(stream)).arbitration.status.code:
            raise RuntimeError("The switch did not make us its controller.")
        commit = p4r.SetForwardingPipelineConfigRequest.Action.VERIFY_AND_COMMIT
        push = p4r.SetForwardingPipelineConfigRequest(
            device_id=1, election_id=number, action=commit, config=config
        )
        stub.SetForwardingPipelineConfig(push, timeout=DEADLINE_S)
        look = p4r.GetForwardingPipelineConfigRequest(device_id=1)
        found = stub.GetForwardingPipelineConfig(look, timeout=DEADLINE_S).config
        took = time.perf_counter() - began
        if found.cookie.cookie != config.cookie.cookie:
            raise RuntimeError("The switch gave another program back.")
        # As it was before, so that the next lease finds a switch that carries nobody.
        push.config.CopyFrom(parked("bmv2_v1model"))
        stub.SetForwardingPipelineConfig(push, timeout=DEADLINE_S)
        stream.cancel()
    return took


def _hand_over(address: str, epoch: int, later: int) -> float:
    first, second, adapter = _order(address, epoch), _order(address, later), P4Switch(secrets=_NoSecrets())
    adapter.provision(first)
    adapter.admit(first)
    began = time.perf_counter()
    adapter.isolate(first)
    if not adapter.release(first).is_clean:
        raise RuntimeError("The switch was not clean.")
    adapter.provision(second)
    adapter.admit(second)
    took = time.perf_counter() - began
    adapter.release(second)
    return took


def _many(record: Record, switches: int) -> None:
    """Watch so many switches in one worker, and start a lease on each at the same moment."""
    with _switches(switches) as addresses, tempfile.TemporaryDirectory(prefix="bench-p4-") as name:
        folder = Path(name)
        hub, own = new_key(), new_key()
        (folder / "site.key").write_text(own)
        reports: list[Report] = []

        def take(sealed: Sequence[str]) -> None:
            key = private_key(own).public_key()
            reports.extend(unseal(Report, message, key=key) for message in sealed)

        site = Site(
            config=Config(
                site=SITE,
                broker_url="redis://127.0.0.1:1/0",
                hub_public_key=public_text(private_key(hub)),
                private_key_file=folder / "site.key",
                state_dir=folder / "state",
                secrets=SiteSecrets(),
                policy=Policy(start_grace_s=120.0),
            ),
            publish=take,
        )
        before = rss_mib(os.getpid())
        site.start()
        try:
            starts_at = datetime.now(UTC) + timedelta(seconds=10 + switches / 4)
            leases = [_order(address, 1, starts_at=starts_at) for address in addresses]
            orders = [Order(site=SITE, verb="hold", lease=lease) for lease in leases]
            orders.append(Order(site=SITE, verb="watch", targets=tuple(lease.target for lease in leases)))
            site.take([seal(order, key=private_key(hub), sender="hub") for order in orders])
            until = starts_at.timestamp() + 60
            while _count(reports, "opened") < switches and time.time() < until:
                time.sleep(0.05)
            late = [
                (report.at - starts_at).total_seconds() for report in list(reports) if report.event == "opened"
            ]
            seen = len({report.resource_id for report in list(reports) if report.event == "observed"})
            after = rss_mib(os.getpid())
        finally:
            site.begin_stop()
            site.finish_stop(30)
    progress(f"{len(late)} of {switches} opened, {seen} seen")
    title = f"{switches} switches in one worker"
    record.add(Result(name=f"{title}: never opened", product=switches - len(late), goal="== 0"))
    record.add(Result(name=f"{title}: opened early", product=sum(value < 0 for value in late), goal="== 0"))
    record.add(
        Result(
            name=f"{title}: p99 lateness",
            product=quantile(late, 0.99),
            unit="s",
            goal="<= 5",
            note=f"p50 {quantile(late, 0.5):.3f} s; all starts at one moment",
        )
    )
    record.add(
        Result(
            name=f"{title}: the worker's own memory",
            product=after - before,
            unit="MiB",
            goal="<= 64",
            note="more than without them, adapter processes not counted",
        )
    )


def _count(reports: Sequence[Report], event: str) -> int:
    return sum(report.event == event for report in list(reports))


def _order(address: str, epoch: int, *, starts_at: datetime | None = None) -> LeaseOrder:
    host, _, port = address.rpartition(":")
    starts_at = starts_at or datetime.now(UTC)
    target = Target(
        resource_id=f"0b7a8e3c-5e0e-4d0e-9d5f-{int(port):012}",
        name=f"switch {port}",
        kind="p4_switch",
        adapter="p4_switch",
        settings={"host": host, "port": int(port), "device_id": 1, "answer_timeout_s": DEADLINE_S},
    )
    return LeaseOrder(
        lease_id=f"3f6c8f7e-0000-4000-{int(port) % 10000:04}-{epoch:012}",
        epoch=epoch,
        revision=1,
        target=target,
        covers=(target.resource_id,),
        holder=Holder(username="researcher@uni-a.example", project="bench"),
        starts_at=starts_at,
        ends_at=starts_at + timedelta(hours=1),
        artefacts=(
            _artefact("p4info", example.P4INFO.read_bytes()),
            _artefact("device_config", example.DEVICE_CONFIG.read_bytes()),
        ),
    )


def _artefact(name: str, content: bytes) -> Artefact:
    return Artefact(name=name, filename=name, sha256=hashlib.sha256(content).hexdigest(), content=content)


def _say(first: p4r.StreamMessageRequest) -> Iterator[p4r.StreamMessageRequest]:
    yield first
    time.sleep(DEADLINE_S)


@contextmanager
def _switches(count: int) -> Iterator[tuple[str, ...]]:
    """Run so many emulated switches in one process of their own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.p4_switches", str(count)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None  # it is a pipe
        yield tuple(json.loads(process.stdout.readline()))
    finally:
        process.terminate()
        process.wait(20)


if __name__ == "__main__":
    sys.exit(main())
