"""A device made of files, with an adapter of its own: it behaves as the test says, and remembers all."""

import fcntl
import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from adapters.contract import (
    Access,
    Adapter,
    AdapterDescription,
    Artefact,
    Check,
    CleanProof,
    Endpoint,
    FoundDevice,
    LeaseOrder,
    Observation,
    Rehearsal,
    Target,
)
from adapters.errors import DeviceBusy, DeviceRefused, DeviceUnreachable, OutcomeUnknown


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class Settings:
    folder: str


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class Nothing:
    pass


class Device:
    """The files: `state.json`, what is asked of it, and a log of everything that reached it."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)

    def behave(self, verb: str, how: str, *, times: int = 1_000_000) -> None:
        """Make a verb misbehave, so many times."""
        (self.folder / f"behave-{verb}").write_text(f"{times} {how}")

    def take_behaviour(self, verb: str) -> str:
        file = self.folder / f"behave-{verb}"
        try:
            times, _, how = file.read_text().partition(" ")
        except FileNotFoundError:
            return ""
        if int(times) <= 1:
            file.unlink(missing_ok=True)
        else:
            file.write_text(f"{int(times) - 1} {how}")
        return how

    @contextmanager
    def state(self) -> Iterator[dict]:
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            file = self.folder / "state.json"
            state = json.loads(file.read_text()) if file.exists() else {}
            before = dict(state)
            yield state
            if state != before:
                new = self.folder / f"state.{os.getpid()}"
                new.write_text(json.dumps(state))
                new.replace(file)

    def look(self) -> dict:
        file = self.folder / "state.json"
        return json.loads(file.read_text()) if file.exists() else {}

    def measure(self, unmeasured: str = "", **numbers: float) -> None:
        """Let the next looks measure these numbers, or say why they cannot."""
        new = self.folder / f"measured.{os.getpid()}"
        new.write_text(json.dumps([numbers, unmeasured]))
        new.replace(self.folder / "measured.json")

    def measured(self) -> dict[str, float]:
        return self._measured()[0]

    def blind(self) -> str:
        return self._measured()[1]

    def _measured(self) -> list:
        file = self.folder / "measured.json"
        return json.loads(file.read_text()) if file.exists() else [{}, ""]

    def note(self, **entry: object) -> None:
        line = json.dumps({"at": time.time(), "pid": os.getpid(), **entry}) + "\n"
        with (self.folder / "log").open("a") as log:
            log.write(line)

    def log(self, verb: str = "", event: str = "") -> list[dict]:
        file = self.folder / "log"
        lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        return [
            line
            for line in lines
            if (not verb or line["verb"] == verb) and (not event or line["event"] == event)
        ]


class FileDevice(Adapter):
    """Does what the contract says, unless the device was told otherwise."""

    description = AdapterDescription(
        name="file",
        title="File",
        kinds=("file",),
        settings=Settings,
        attributes=Nothing,
        parameters=Nothing,
        preparation=timedelta(seconds=1),
        cleanup=timedelta(seconds=1),
        deadlines={
            "provision": timedelta(seconds=1.5),
            "release": timedelta(seconds=1.5),
            "rehearse": timedelta(seconds=1.5),
        },
    )

    def _begin(self, device: Device, verb: str, lease: str = "", epoch: int = 0) -> str:
        device.note(verb=verb, event="begin", lease=lease, epoch=epoch)
        how = device.take_behaviour(verb)
        match how.partition(":"):
            case ("hang", _, _):
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                while True:
                    time.sleep(60)
            case ("slow", _, seconds):
                time.sleep(float(seconds))
            case ("exit", _, _):
                sys.exit(0)
            case ("crash", _, _):
                os.kill(os.getpid(), signal.SIGSEGV)
            case ("hog", _, _):
                device.note(verb=verb, event="ate", bytes=len(bytearray(64 << 30)))
            case ("noise", _, _):
                print("x" * 200_000)  # noqa: T201
                os.write(1, b"\x00\xff not json \n" * 1000)
            case ("bug", _, _):
                raise ZeroDivisionError("a bug")
            case ("busy", _, _):
                raise DeviceBusy("It carries another lease.")
            case ("refuse", _, _):
                raise DeviceRefused("It said no.")
            case ("unreachable", _, _):
                raise DeviceUnreachable("No route to it.")
            case ("unknown", _, _):
                raise OutcomeUnknown("No answer came.")
        return how

    def observe(self, target: Target) -> Observation:
        device = Device(target.settings["folder"])
        self._begin(device, "observe")
        state = device.look()
        return Observation(
            healthy=True,
            carries=state.get("lease"),
            epoch=state.get("epoch"),
            measurements=device.measured(),
            unmeasured=device.blind(),
        )

    def provision(self, order: LeaseOrder) -> Access:
        device = Device(order.target.settings["folder"])
        how = self._begin(device, "provision", order.lease_id, order.epoch)
        with device.state() as state:
            if state.get("lease") not in (None, order.lease_id):
                raise DeviceBusy(f"It carries {state['lease']}.")
            if state.get("lease") is None:
                state.update(lease=order.lease_id, epoch=order.epoch, open=False)
                device.note(verb="provision", event="created", lease=order.lease_id, epoch=order.epoch)
            state["ends_at"] = order.ends_at.isoformat()
        if how == "applied":
            raise OutcomeUnknown("It was sent, and no answer came.")
        device.note(verb="provision", event="done", lease=order.lease_id, epoch=order.epoch)
        endpoint = Endpoint(label="Shell", protocol="ssh", host="127.0.0.1", port=22)
        return Access(instructions=f"Use {order.tag}.", endpoints=(endpoint,))

    def admit(self, order: LeaseOrder) -> None:
        device = Device(order.target.settings["folder"])
        self._begin(device, "admit", order.lease_id, order.epoch)
        with device.state() as state:
            if state.get("lease") != order.lease_id:
                raise DeviceRefused(f"It carries {state.get('lease')}.")
            state["open"] = True
        device.note(verb="admit", event="done", lease=order.lease_id, epoch=order.epoch)

    def isolate(self, order: LeaseOrder) -> None:
        device = Device(order.target.settings["folder"])
        self._begin(device, "isolate", order.lease_id, order.epoch)
        with device.state() as state:
            if state.get("lease") == order.lease_id:
                state["open"] = False
        device.note(verb="isolate", event="done", lease=order.lease_id, epoch=order.epoch)

    def release(self, order: LeaseOrder) -> CleanProof:
        device = Device(order.target.settings["folder"])
        how = self._begin(device, "release", order.lease_id, order.epoch)
        with device.state() as state:
            if state.get("epoch", 0) > order.epoch:
                raise DeviceBusy("It is in later hands.")
            if state.get("lease") == order.lease_id and how != "lie":
                state.clear()
                device.note(verb="release", event="removed", lease=order.lease_id, epoch=order.epoch)
        if how == "applied":
            raise OutcomeUnknown("It was sent, and no answer came.")
        found = device.look().get("lease") or "nothing"
        device.note(verb="release", event="done", lease=order.lease_id, epoch=order.epoch)
        check = Check(name="carries", expected="nothing", found=found, passed=found == "nothing")
        return CleanProof(checks=(check,), verified_at=datetime.now(UTC), verifier="file/1")

    def discover(self, target: Target) -> tuple[FoundDevice, ...]:
        device = Device(target.settings["folder"])
        self._begin(device, "discover")
        return (FoundDevice(name=device.folder.name, kind="file", model="folder"),)

    def reshape(self, target: Target, geometry: Sequence[str]) -> FoundDevice:
        device = Device(target.settings["folder"])
        self._begin(device, "reshape")
        with device.state() as state:
            if state.get("lease"):
                raise DeviceBusy(f"It carries {state['lease']}.")
            if state.get("geometry") != list(geometry):
                state["geometry"] = list(geometry)
                device.note(verb="reshape", event="cut", geometry=list(geometry))
        parts = tuple(FoundDevice(name=f"part {n}", kind="part", model=name) for n, name in enumerate(geometry))
        return FoundDevice(name=device.folder.name, kind="file", model="folder", parts=parts)

    def rehearse(self, order: LeaseOrder) -> Rehearsal:
        device = Device(order.target.settings["folder"])
        how = self._begin(device, "rehearse", order.lease_id)
        found = "a typo" if how == "fail" else ", ".join(file.sha256 for file in order.artefacts)
        check = Check(name="files", expected="no typo", found=found, passed=how != "fail")
        return Rehearsal(passed=check.passed, steps=(check,), stage="a paper model")

    def build(self, target: Target, files: Sequence[Artefact]) -> tuple[Artefact, ...]:
        device = Device(target.settings["folder"])
        self._begin(device, "build")
        return tuple(replace(file, name="made", content=file.content[::-1]) for file in files)


class Doorman(Adapter):
    """Only notes who was let in and when: for many leases at once."""

    description = AdapterDescription(
        name="doorman",
        title="Doorman",
        kinds=("door",),
        settings=Settings,
        attributes=Nothing,
        parameters=Nothing,
        preparation=timedelta(seconds=1),
        cleanup=timedelta(seconds=1),
    )

    def observe(self, target: Target) -> Observation:
        return Observation(healthy=True, carries=None)

    def provision(self, order: LeaseOrder) -> Access:
        return Access(instructions=order.tag)

    def admit(self, order: LeaseOrder) -> None:
        Device(order.target.settings["folder"]).note(verb="admit", event="done", lease=order.lease_id)

    def isolate(self, order: LeaseOrder) -> None:
        pass

    def release(self, order: LeaseOrder) -> CleanProof:
        raise DeviceRefused("Nobody leaves.")

    def discover(self, target: Target) -> tuple[FoundDevice, ...]:
        return ()
