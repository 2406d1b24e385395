"""A holder who comes by ssh, to try whether one really gets in."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asyncssh

from adapters.contract import Access


async def _await(work: Any) -> Any:
    return await work


class Session:
    """A login that stays open."""

    def __init__(self, ssh: "SshHolder", connection: Any) -> None:
        self._ssh = ssh
        self._connection = connection

    def run(self, command: str) -> str:
        """Return what the command prints on this very connection."""
        answer = self._ssh.wait_for(self._connection.run(command, check=True, timeout=20))
        return str(answer.stdout)

    def alive(self) -> bool:
        try:
            return self.run("echo alive").strip() == "alive"
        except (asyncssh.Error, asyncssh.ChannelOpenError, OSError, TimeoutError):
            return False


class SshHolder:
    """Somebody with a key."""

    def __init__(self) -> None:
        self.key = asyncssh.generate_private_key("ssh-ed25519")
        self.public_key = self.key.export_public_key("openssh").decode().strip()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=30)
        self._loop.close()

    def wait_for(self, work: Any) -> Any:
        # asyncssh gives awaitables that are no coroutines.
        return asyncio.run_coroutine_threadsafe(_await(work), self._loop).result(timeout=40)

    def finds_a_door(self, access: Access) -> bool:
        """Say whether an ssh server answers, without logging in."""
        way = next(endpoint for endpoint in access.endpoints if endpoint.protocol == "ssh")
        try:
            with socket.create_connection((way.host, way.port), timeout=2) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    def can_enter(self, access: Access, *, of: str = "") -> bool:
        """Log in and look around: is it a machine, and the one of that name where one is given?"""
        try:
            with self.session(access) as session:
                return session.alive() and (not of or session.run("hostname").strip() == of)
        except (asyncssh.Error, OSError, TimeoutError):
            return False

    @contextmanager
    def session(self, access: Access) -> Iterator[Session]:
        way = next(endpoint for endpoint in access.endpoints if endpoint.protocol == "ssh")
        connection = self.wait_for(
            asyncssh.connect(
                way.host,
                way.port,
                username=way.username,
                client_keys=[self.key],
                known_hosts=None,
                config=None,
                agent_path=None,
                login_timeout=20,
                connect_timeout=20,
            )
        )
        try:
            yield Session(self, connection)
        finally:
            connection.abort()
            self.wait_for(connection.wait_closed())
