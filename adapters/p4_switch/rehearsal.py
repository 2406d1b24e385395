"""Tries a holder's program before the slot, on a switch that is not the device.

Where the site's machine has BMv2 (`simple_switch_grpc`), the program is pushed to a process of it that
nobody else knows; elsewhere to our emulated switch. Both are spoken to by the client that speaks to the
device later, so that what is refused then is refused now.
"""

import ctypes
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from finsy.proto import p4r

from adapters.contract import Check, LeaseOrder, Rehearsal
from adapters.emulators.p4runtime import P4RuntimeEmulator
from adapters.errors import AdapterError
from adapters.p4_switch.client import P4RuntimeClient
from adapters.p4_switch.election import ElectionId, holder_id
from adapters.p4_switch.pipelines import Mark, digest_of, digest_of_p4info, holders_program
from adapters.p4_switch.settings import DESCRIPTION, Settings
from adapters.p4_switch.trial_entries import NothingToTry, trial_entities

BMV2 = "simple_switch_grpc"
EMULATED, REAL = "an emulated P4Runtime switch", "BMv2 (simple_switch_grpc) on the site's machine"
START_LIMIT_S = 15.0
TRIED_TABLES = 500
_ANSWER_S = 10.0
_OURS = ElectionId(1, 1)


def rehearse(settings: Settings, order: LeaseOrder) -> Rehearsal:
    """Push the program, read it back, and write one entry to each table; say how each step went."""
    trial = Trial()
    problems = DESCRIPTION.check_parameters(order.parameters, order.artefacts)
    if problems:
        found = " ".join(f"{problem.field}: {problem.message}" for problem in problems)
        trial.note("files", "fit together and fit the switch", found, passed=False, method="read offline")
        return trial.result("a look at the files")
    trial.note("files", "fit together and fit the switch", "they do", method="read offline")
    with (
        _stage(settings) as (stage, address),
        P4RuntimeClient(address=address, device_id=1, timeout_s=_ANSWER_S) as client,
        client.bidding() as bidding,
    ):
        bidding.bid(_OURS)
        trial.run(client, order)
    return trial.result(stage)


@dataclass(slots=True)
class Trial:
    """The steps so far."""

    steps: list[Check] = field(default_factory=list)

    def note(self, name: str, expected: str, found: str, *, passed: bool = True, method: str) -> bool:
        """Write a step down; return whether it passed."""
        self.steps.append(Check(name=name, expected=expected, found=found, passed=passed, method=method))
        return passed

    def result(self, stage: str) -> Rehearsal:
        """Return what came of it."""
        return Rehearsal(passed=all(step.passed for step in self.steps), steps=tuple(self.steps), stage=stage)

    def run(self, client: P4RuntimeClient, order: LeaseOrder) -> None:
        """Take the steps on a switch, up to the first that fails."""
        holder = holder_id(order.lease_id, order.epoch)
        mark = Mark(lease_id=order.lease_id, epoch=order.epoch, state="trying", holder=holder)
        config = holders_program(order, mark)
        if self._push(client, config) and self._read_back(client, config):
            for number, table in enumerate(config.p4info.tables):
                if number >= TRIED_TABLES or not self._try_table(client, config.p4info, table):
                    return

    def _push(self, client: P4RuntimeClient, config: Any) -> bool:
        method = "SetForwardingPipelineConfig, VERIFY_AND_COMMIT"
        try:
            client.commit(config, _OURS)
        except AdapterError as error:
            return self.note("push", "the switch takes the program", str(error), passed=False, method=method)
        return self.note("push", "the switch takes the program", "it took it", method=method)

    def _read_back(self, client: P4RuntimeClient, config: Any) -> bool:
        found = client.pipeline(whole=True)
        wanted = (digest_of_p4info(config.p4info), digest_of(config.p4_device_config))
        seen = found and (digest_of_p4info(found.p4info), digest_of(found.p4_device_config))
        return self.note(
            "read back",
            "the program that was pushed",
            "the program that was pushed" if seen == wanted else "another program, or none",
            passed=seen == wanted,
            method="GetForwardingPipelineConfig",
        )

    def _try_table(self, client: P4RuntimeClient, p4info: Any, table: Any) -> bool:
        name, expected, method = (
            f"table {table.preamble.name}",
            "takes an entry and gives it back",
            "Write, Read",
        )
        try:
            entities = trial_entities(p4info, table)
        except NothingToTry as reason:
            return self.note(name, expected, f"not tried: {reason}", method=method)
        try:
            client.insert(entities, _OURS)
            kept = list(client.read([_all_of(table)]))
            client.delete(list(reversed(entities)), _OURS)
        except AdapterError as error:
            return self.note(name, expected, str(error), passed=False, method=method)
        same = [_key_of(entity) for entity in kept] == [_key_of(entities[-1])]
        found = expected if same else f"took one entry and gave {len(kept)} back, or another one"
        return self.note(name, expected, found, passed=same, method=method)


def _all_of(table: Any) -> Any:
    return p4r.Entity(table_entry=p4r.TableEntry(table_id=table.preamble.id))


def _key_of(entity: Any) -> tuple[object, ...]:
    entry = entity.table_entry
    match = sorted((part.field_id, part.SerializeToString(deterministic=True)) for part in entry.match)
    return entry.table_id, tuple(match)


@contextmanager
def _stage(settings: Settings) -> Iterator[tuple[str, str]]:
    """Open a switch to try on: the real software switch where it starts, else the emulated one."""
    program = shutil.which(BMV2) if settings.architecture == "bmv2_v1model" else None
    if program is not None:
        with _bmv2(program) as address:
            if address:
                yield REAL, address
                return
    personality = "bmv2" if settings.architecture == "bmv2_v1model" else "spec"
    with P4RuntimeEmulator(personality=personality) as emulated:  # type: ignore[arg-type]  # one of the two
        yield EMULATED, emulated.address


@contextmanager
def _bmv2(program: str) -> Iterator[str]:
    """Run BMv2 for a moment; give its address, or nothing when it does not come up."""
    address, thrift = (f"127.0.0.1:{_free_port()}" for _ in range(2))
    arguments = ["--device-id", "1", "--no-p4", "--thrift-port", thrift.rpartition(":")[2]]
    process = subprocess.Popen(
        [program, *arguments, "--", "--grpc-server-addr", address],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        # The process in which adapters run is killed at the deadline: the switch has to go with it.
        preexec_fn=partial(ctypes.CDLL(None).prctl, 1, signal.SIGKILL) if sys.platform == "linux" else None,
    )
    try:
        yield address if _answers(address, process) else ""
    finally:
        process.kill()
        process.wait()


def _answers(address: str, process: "subprocess.Popen[bytes]") -> bool:
    deadline = time.monotonic() + START_LIMIT_S
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(AdapterError), P4RuntimeClient(address=address, device_id=1, timeout_s=1.0) as client:
            client.version()
            return True
        time.sleep(0.1)
    return False


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
