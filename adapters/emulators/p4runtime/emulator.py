"""The emulated switch as a server: in a test, or as a process of its own."""

import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

import grpc
from finsy.proto import p4r_grpc

from adapters.emulators.p4runtime.device import Device, Personality
from adapters.emulators.p4runtime.faults import Fault, Faults
from adapters.emulators.p4runtime.service import P4RuntimeService

MESSAGE_LIMIT_BYTES = 256 * 1024 * 1024
_WORKERS = 64


class P4RuntimeEmulator:
    """A P4Runtime server with one or more devices. Use it as a context manager."""

    def __init__(
        self,
        *,
        listen: str = "127.0.0.1:0",
        device_ids: tuple[int, ...] = (1,),
        personality: Personality = "spec",
        state: Path | None = None,
        credentials: Any | None = None,
    ) -> None:
        self.host, _, port = listen.rpartition(":")
        self.port = int(port)
        self.faults = Faults()
        self.devices = {number: Device(device_id=number, personality=personality) for number in device_ids}
        self._personality: Personality = personality
        self._state = state
        self._credentials = credentials
        self._server: Any | None = None
        self._heard: Counter[str] = Counter()
        if state is not None and state.exists():
            self._load(state)

    @property
    def address(self) -> str:
        """Where it listens, as host:port."""
        return f"{self.host}:{self.port}"

    @property
    def device(self) -> Device:
        """The only device, or the first of several."""
        return next(iter(self.devices.values()))

    def __enter__(self) -> "P4RuntimeEmulator":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.faults.end()
        self.stop()

    def start(self) -> None:
        """Listen; the system chooses the port if it was 0. Raises `OSError` when the port is taken."""
        self._server = grpc.server(
            ThreadPoolExecutor(max_workers=_WORKERS, thread_name_prefix="p4runtime"),
            options=[
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", MESSAGE_LIMIT_BYTES),
                ("grpc.max_send_message_length", MESSAGE_LIMIT_BYTES),
            ],
            interceptors=[_Listener(self._heard)],
        )
        service = P4RuntimeService(
            self.devices,
            personality=self._personality,
            faults=self.faults,
            when_changed=self._save,
            when_said=lambda: self._heard.update(["message"]),
        )
        p4r_grpc.add_P4RuntimeServicer_to_server(service, self._server)
        try:
            if self._credentials is None:
                self.port = self._server.add_insecure_port(self.address)
            else:
                self.port = self._server.add_secure_port(self.address, self._credentials)
        except RuntimeError as error:
            raise OSError(f"Nothing can listen on {self.address}: {error}") from error
        self._server.start()

    def stop(self) -> None:
        """Stop listening and cut every connection; what was written stays."""
        if self._server is not None:
            for device in self.devices.values():
                with device.lock:
                    for controller in device.arbitration.controllers:
                        controller.outbox.put(None)
            self._server.stop(grace=None).wait()
            self._server = None

    def break_with(self, fault: Fault) -> None:
        """Begin a fault; see `adapters.emulators.p4runtime.faults`."""
        self.faults.begin(fault)
        if fault == "unreachable":
            self.stop()

    def mend(self) -> None:
        """End the fault. What took effect stays."""
        self.faults.end()
        if self._server is None:
            self.start()

    def reboot(self) -> None:
        """Forget programs, entries and election ids, and hang up on everybody."""
        for device in self.devices.values():
            with device.lock:
                device.restart()
        self._save()

    def changes(self) -> int:
        """Return how many changes were made to programs and entries since the start."""
        return sum(device.changes for device in self.devices.values())

    def heard(self) -> Counter[str]:
        """Return how many calls of each method came in, known or not, and how many messages on streams."""
        return self._heard.copy()

    def _save(self) -> None:
        if self._state is None:
            return
        dumped = {str(number): device.dump() for number, device in self.devices.items()}
        draft = self._state.with_suffix(".new")
        draft.write_text(json.dumps(dumped))
        draft.replace(self._state)

    def _load(self, state: Path) -> None:
        for number, dumped in json.loads(state.read_text()).items():
            if int(number) in self.devices:
                self.devices[int(number)].load(dumped)


class _Listener(grpc.ServerInterceptor):  # type: ignore[misc]  # grpc has no types
    """Counts what comes in, before anything is made of it."""

    def __init__(self, heard: Counter[str]) -> None:
        self._heard = heard

    def intercept_service(self, continuation: Callable[[Any], Any], details: Any) -> Any:
        """Count, and pass on."""
        self._heard.update([details.method])
        return continuation(details)
