"""The gateway as a whole: one event loop, one door for holders, one socket for the worker."""

import asyncio
import logging
import time
from contextlib import suppress
from typing import Any

import grpc

from p4_gateway.authority import Authority
from p4_gateway.config import Config
from p4_gateway.control import Control
from p4_gateway.grants import Book
from p4_gateway.service import Service
from p4_gateway.session import MESSAGE_LIMIT_BYTES

log = logging.getLogger("shary.p4_gateway")

_LONGEST_SLEEP_S = 1.0


class Gateway:
    """Use it as an asynchronous context manager: inside, it serves."""

    def __init__(self, config: Config) -> None:
        config.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._config = config
        self._authority = Authority(config.state_dir)
        self._clock = _Clock()
        self._book = Book(config.state_dir / "grants.json", when_cut=lambda grant: self._service.cut(grant))
        self._service = Service(self._book, self._clock.now)
        self._awake = asyncio.Event()
        self._stopping = False
        self._server: Any = None
        self._control: asyncio.AbstractServer | None = None
        self._timer: asyncio.Task[None] | None = None
        self.port = 0

    async def __aenter__(self) -> "Gateway":
        # What ended while the gateway was down is closed before the door opens.
        self._book.cut_what_is_over(self._clock.now())
        pair = self._authority.server(self._config.public_host)
        self._server = grpc.aio.server(
            options=[
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", MESSAGE_LIMIT_BYTES),
                ("grpc.max_send_message_length", MESSAGE_LIMIT_BYTES),
            ]
        )
        self._server.add_generic_rpc_handlers(self._service.handlers())
        credentials = grpc.ssl_server_credentials(
            [(pair.key.encode(), pair.certificate.encode())],
            root_certificates=self._authority.certificate.encode(),
            require_client_auth=True,
        )
        try:
            self.port = self._server.add_secure_port(self._config.listen, credentials)
        except RuntimeError as error:
            raise OSError(f"The gateway cannot listen on {self._config.listen}: {error}") from error
        await self._server.start()
        control = Control(
            book=self._book,
            service=self._service,
            authority=self._authority,
            door=lambda: (self._config.public_host, self._config.public_port or self.port),
            wake=self._awake.set,
        )
        self._control = await control.listen(self._config.control_socket)
        self._timer = asyncio.create_task(self._keep_time())
        log.info("holders connect to %s:%d", self._config.public_host, self._config.public_port or self.port)
        return self

    async def __aexit__(self, *exception: object) -> None:
        if self._timer is not None:
            self._stopping = True
            self._awake.set()
            await self._timer
        if self._control is not None:
            self._control.close()
            self._config.control_socket.unlink(missing_ok=True)
            if self._config.control is not None:
                with suppress(OSError):  # others keep theirs there
                    self._config.control.parent.rmdir()
        for grant in self._book.all():
            self._service.cut(grant)
        await self._service.ended()
        await self._server.stop(grace=0.5)

    async def _keep_time(self) -> None:
        """End what is over, whoever else is alive."""
        while not self._stopping:
            now = self._clock.now()
            try:
                soonest = self._book.cut_what_is_over(now)
            except Exception:
                log.exception("The grants could not be written; whoever is over is refused all the same")
                soonest = None
            sleep = _LONGEST_SLEEP_S if soonest is None else min(_LONGEST_SLEEP_S, max(0.0, soonest - now))
            with suppress(TimeoutError):
                async with asyncio.timeout(sleep):
                    await self._awake.wait()
            if not self._stopping:
                self._awake.clear()


class _Clock:
    """The time that ends go by: it never runs backwards, whatever is done to the machine's clock."""

    def __init__(self) -> None:
        self._wall, self._steady = time.time(), self._elapsed()

    def now(self) -> float:
        """Return the later of the wall's time and the time that has certainly passed."""
        wall, steady = time.time(), self._elapsed()
        self._wall = max(wall, self._wall + steady - self._steady)
        self._steady = steady
        return self._wall

    @staticmethod
    def _elapsed() -> float:
        # Goes on while the machine sleeps, where there is such a clock.
        return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
