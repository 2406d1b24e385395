"""What the P4 gateway costs: a call, and a table load of 10,000 entries, against the switch itself."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import grpc
from finsy.proto import p4i, p4r, p4r_grpc
from google.protobuf import text_format

from adapters.emulators.p4runtime import example
from adapters.p4_switch.gateway import Door, GatewayClient
from bench.measuring import ROOT, Record, Result, interleaved, parser, quantile, ratio_of, say

ENTRIES, BATCH = 10_000, 1_000
TABLE = 33554433
SEND = 16777218
DEADLINE_S = 60.0
ALONE = (1, 1)
"""The election id of whoever uses the switch without the gateway."""
LEASE = (2, 2**62)


def main() -> int:
    """Measure both ways in turn: the same raw client, the same emulated switch."""
    options = parser(__doc__).parse_args()
    record = Record(bench="P4 gateway", quick=options.quick)
    calls, entries = (50, 2 * BATCH) if options.quick else (500, ENTRIES)
    record.conditions |= {"calls a round": calls, "entries": entries, "entries a Write": BATCH}
    with tempfile.TemporaryDirectory() as folder, _processes(Path(folder)) as (address, control):
        client = GatewayClient(socket=str(control), timeout_s=10.0)
        for name, one in (("Write of one entry", _write_one), ("Read of one entry", _read_one)):
            direct, through = _both(address, client, options.rounds, partial(_each, one=one, calls=calls))
            record.add(
                Result(
                    name=f"{name}, median",
                    product=1e3 * quantile(through, 0.5),
                    floor=1e3 * quantile(direct, 0.5),
                    unit="ms",
                    ratio=ratio_of(through, direct),
                    rounds=through,
                )
            )
        direct, through = _both(address, client, options.rounds, lambda side: side.load(entries))
        record.add(
            Result(
                name=f"table load of {entries:,} entries",
                product=quantile(through, 0.5),
                floor=quantile(direct, 0.5),
                unit="s",
                ratio=ratio_of(through, direct),
                goal="<= 1.5",
                rounds=through,
            )
        )
        cuts = [_cut(address, client) for _ in range(options.rounds)]
        record.add(
            Result(
                name="close to the stream's end, slowest",
                product=max(cuts),
                unit="s",
                goal="<= 5",
                note="the worker asks, the holder's stream ends",
                rounds=cuts,
            )
        )
    return record.finish(options.json)


class Side:
    """One controller in control of the switch, on one way to it."""

    def __init__(self, channel: Any, election: tuple[int, int]) -> None:
        self._channel = channel
        self._stub = p4r_grpc.P4RuntimeStub(channel)
        self._id = p4r.Uint128(high=election[0], low=election[1])
        bid = p4r.MasterArbitrationUpdate(device_id=1, election_id=self._id)
        until = time.monotonic() + 10
        while True:
            self.stream = self._stub.StreamChannel(self._say(p4r.StreamMessageRequest(arbitration=bid)))
            try:
                standing = next(iter(self.stream)).arbitration.status.code
            except grpc.RpcError as error:
                standing = error.code()
            if standing == 0:
                break
            # The one before has hung up, and the switch is about to notice.
            self.stream.cancel()
            if time.monotonic() > until:
                raise RuntimeError(f"The switch did not make us its controller: status {standing}.")
            time.sleep(0.05)
        self.push()

    def _say(self, first: Any) -> Iterator[Any]:
        yield first
        while self._channel is not None:
            time.sleep(0.2)

    def close(self) -> None:
        """Give the switch up."""
        channel, self._channel = self._channel, None
        self.stream.cancel()
        channel.close()

    def push(self) -> None:
        """Begin with an empty table that is large enough."""
        info = text_format.Parse(example.P4INFO.read_text(), p4i.P4Info())
        for table in info.tables:
            table.size = max(table.size, 2 * ENTRIES)
        config = p4r.ForwardingPipelineConfig(p4info=info, p4_device_config=example.DEVICE_CONFIG.read_bytes())
        self._stub.SetForwardingPipelineConfig(
            p4r.SetForwardingPipelineConfigRequest(
                device_id=1,
                election_id=self._id,
                action=p4r.SetForwardingPipelineConfigRequest.Action.VERIFY_AND_COMMIT,
                config=config,
            ),
            timeout=DEADLINE_S,
        )

    def write(self, kind: str, numbers: range) -> None:
        """Write so many entries in one request."""
        update = p4r.Update.Type.Value(kind)
        request = p4r.WriteRequest(
            device_id=1,
            election_id=self._id,
            updates=[p4r.Update(type=update, entity=_entry(number)) for number in numbers],
        )
        self._stub.Write(request, timeout=DEADLINE_S)

    def read(self, number: int) -> int:
        """Read one entry."""
        request = p4r.ReadRequest(device_id=1, entities=[_entry(number)])
        return sum(len(answer.entities) for answer in self._stub.Read(request, timeout=DEADLINE_S))

    def load(self, entries: int) -> float:
        """Fill the table; return the seconds from the first entry to the last."""
        self.push()
        began = time.monotonic()
        for start in range(0, entries, BATCH):
            self.write("INSERT", range(start, start + BATCH))
        return time.monotonic() - began


def _write_one(side: Side, number: int) -> None:
    side.write("INSERT" if number % 2 == 0 else "DELETE", range(number // 2, number // 2 + 1))


def _read_one(side: Side, number: int) -> None:
    side.read(0)


def _each(side: Side, *, one: Callable[[Side, int], None], calls: int) -> float:
    side.push()
    side.write("INSERT", range(ENTRIES + 1, ENTRIES + 2))
    took = []
    for number in range(calls):
        began = time.perf_counter()
        one(side, number)
        took.append(time.perf_counter() - began)
    return quantile(took, 0.5)


def _both(
    address: str, client: GatewayClient, rounds: int, measure: Callable[[Side], float]
) -> tuple[list[float], list[float]]:
    direct, through = interleaved(
        rounds,
        lambda: _with(_direct(address), ALONE, measure),
        lambda: _with(_through(_open(address, client)), ALONE, measure),
    )
    return direct, through


def _with(channel: Any, election: tuple[int, int], measure: Callable[[Side], float]) -> float:
    side = Side(channel, election)
    try:
        return measure(side)
    finally:
        side.close()


def _open(address: str, client: GatewayClient) -> Door:
    now = time.time()
    # A lease of its own each time, and an id above whoever used the switch before it.
    _open.epoch += 1  # type: ignore[attr-defined]
    epoch: int = _open.epoch  # type: ignore[attr-defined]
    lease = f"bench-{epoch}"
    door = client.prepare(
        lease_id=lease,
        epoch=epoch,
        address=address,
        device_id=1,
        election=(epoch, LEASE[1]),
        starts_at=now - 1,
        ends_at=now + 3600,
    )
    client.open(lease_id=lease, epoch=epoch, ends_at=now + 3600)
    return door


_open.epoch = 2  # type: ignore[attr-defined]


def _cut(address: str, client: GatewayClient) -> float:
    side = Side(_through(_open(address, client)), ALONE)
    try:
        began = time.monotonic()
        client.close(lease_id=f"bench-{_open.epoch}", epoch=_open.epoch)  # type: ignore[attr-defined]
        try:
            for _ in side.stream:
                pass
        except grpc.RpcError:
            return time.monotonic() - began
        raise RuntimeError("The stream ended without a word.")
    finally:
        side.close()


def _direct(address: str) -> Any:
    return grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)])


def _through(door: Door) -> Any:
    credentials = grpc.ssl_channel_credentials(
        door.authority.encode(), door.key.encode(), door.certificate.encode()
    )
    return grpc.secure_channel(f"127.0.0.1:{door.port}", credentials, [("grpc.use_local_subchannel_pool", 1)])


def _entry(number: int) -> Any:
    return p4r.Entity(
        table_entry=p4r.TableEntry(
            table_id=TABLE,
            match=[
                p4r.FieldMatch(
                    field_id=1, exact=p4r.FieldMatch.Exact(value=(0x020000000000 + number).to_bytes(6, "big"))
                )
            ],
            action=p4r.TableAction(
                action=p4r.Action(action_id=SEND, params=[p4r.Action.Param(param_id=1, value=b"\x03")])
            ),
        )
    )


@contextmanager
def _processes(folder: Path) -> Iterator[tuple[str, Path]]:
    """Run the switch and the gateway as processes of their own, as at a site."""
    settings = folder / "gateway.toml"
    settings.write_text('state_dir = "gateway"\nlisten = "127.0.0.1:0"\npublic_host = "127.0.0.1"\n')
    switch = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "adapters.emulators.p4runtime",
            "--listen",
            "127.0.0.1:0",
            "--personality",
            "bmv2",
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    gateway = subprocess.Popen(
        [sys.executable, "-m", "p4_gateway", str(settings)], cwd=ROOT, stderr=subprocess.DEVNULL, env=os.environ
    )
    try:
        assert switch.stdout is not None  # it is a pipe
        line = switch.stdout.readline()
        control = folder / "gateway" / "control.sock"
        until = time.monotonic() + 20
        while not control.exists():
            if gateway.poll() is not None or time.monotonic() > until:
                raise RuntimeError("The gateway did not start.")
            time.sleep(0.05)
        say(f"  switch: {line.strip()}")
        yield line.split(" at ")[1].split(",")[0], control
    finally:
        for process in (switch, gateway):
            process.terminate()
            process.wait(10)


if __name__ == "__main__":
    sys.exit(main())
