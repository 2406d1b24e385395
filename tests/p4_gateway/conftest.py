"""A gateway in this process, a switch behind it, and holders with their certificates."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

from adapters.emulators.p4runtime import P4RuntimeEmulator
from adapters.p4_switch.gateway import Door, GatewayClient
from p4_gateway.config import Config
from p4_gateway.gateway import Gateway
from tests.adapters.conftest import secrets_of
from tests.adapters.emulators.p4runtime.controller import Controller, example_config

__all__ = ["secrets_of"]  # a fixture that these tests share

SITE_ID = 5 << 64 | 7


class RunningGateway:
    """A gateway whose event loop has a thread of its own."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        ready: Future[int] = Future()

        async def serve() -> None:
            self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
            try:
                async with Gateway(self.config) as gateway:
                    ready.set_result(gateway.port)
                    await self._stop.wait()
            except BaseException as error:
                if not ready.done():
                    ready.set_exception(error)
                raise

        self._thread = threading.Thread(target=lambda: asyncio.run(serve()), name="gateway", daemon=True)
        self._thread.start()
        self.port = ready.result(10)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        assert not self._thread.is_alive()


@dataclass
class Tenant:
    """A holder: the files of the lease, and as many controllers as they like."""

    door: Door
    made: list[Controller]

    @property
    def credentials(self) -> Any:
        return grpc.ssl_channel_credentials(
            self.door.authority.encode(), self.door.key.encode(), self.door.certificate.encode()
        )

    def controller(self, device_id: int = 1) -> Controller:
        made = Controller(f"127.0.0.1:{self.door.port}", device_id, self.credentials)
        self.made.append(made)
        return made


@pytest.fixture
def switch() -> Iterator[P4RuntimeEmulator]:
    with P4RuntimeEmulator(device_ids=(1, 2)) as running:
        with Controller(running.address) as site:
            site.bid(SITE_ID)
            site.push(example_config())
        yield running


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(state_dir=tmp_path / "gateway", listen="127.0.0.1:0", public_host="127.0.0.1")


@pytest.fixture
def gateway(config: Config) -> Iterator[RunningGateway]:
    running = RunningGateway(config)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def worker(gateway: RunningGateway) -> GatewayClient:
    return GatewayClient(socket=str(gateway.config.control_socket), timeout_s=5.0)


@pytest.fixture
def prepare(worker: GatewayClient, switch: P4RuntimeEmulator) -> Iterator[Callable[..., Tenant]]:
    made: list[Controller] = []

    def prepared(lease: str = "lease-1", *, epoch: int = 6, lasts: float = 3600.0, **wishes: Any) -> Tenant:
        now = time.time()
        door = worker.prepare(
            lease_id=lease,
            epoch=epoch,
            address=switch.address,
            device_id=wishes.pop("device_id", 1),
            election=(epoch, 2**62 + 5),
            starts_at=now - 1,
            ends_at=now + lasts,
            **wishes,
        )
        return Tenant(door, made)

    yield prepared
    for controller in made:
        controller.__exit__()


@pytest.fixture
def admit(prepare: Callable[..., Tenant], worker: GatewayClient) -> Callable[..., Tenant]:
    def admitted(lease: str = "lease-1", *, epoch: int = 6, lasts: float = 3600.0, **wishes: Any) -> Tenant:
        tenant = prepare(lease, epoch=epoch, lasts=lasts, **wishes)
        worker.open(lease_id=lease, epoch=epoch, ends_at=time.time() + lasts)
        return tenant

    return admitted


def eventually(look: Callable[[], Any], deadline_s: float = 60.0) -> Any:
    """Return what the look gives once it gives something; fail when it never does."""
    until = time.monotonic() + deadline_s
    while not (found := look()):
        assert time.monotonic() < until, "it never came"
        time.sleep(0.01)
    return found
