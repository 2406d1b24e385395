"""Real ssh servers for emulated instances, each on a port of its own."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import asyncssh

from adapters.emulators.lxd.nouns import HostCard
from adapters.emulators.lxd.shell import Shell

T = TypeVar("T")
Key = tuple[str, str]


@dataclass
class _Door:
    """The ssh server of one instance and who is inside."""

    hostname: str
    keys_of: Callable[[str], str]
    cards_of: Callable[[], Sequence[HostCard]]
    acceptor: Any = None
    inside: set[Any] = field(default_factory=set)


class SshServers:
    """All ssh servers of the host, on one event loop in a thread of its own."""

    def __init__(self) -> None:
        self._doors: dict[Key, list[_Door]] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="lxd ssh", daemon=True)
        self._thread.start()
        self._host_key = asyncssh.generate_private_key("ssh-ed25519")

    def listen(
        self,
        key: Key,
        *,
        host: str,
        port: int,
        hostname: str,
        keys_of: Callable[[str], str],
        cards_of: Callable[[], Sequence[HostCard]],
    ) -> None:
        """Open a door; raise OSError when the port is taken."""
        door = _Door(hostname=hostname, keys_of=keys_of, cards_of=cards_of)
        door.acceptor = self._do(self._open(door, host, port))
        self._doors.setdefault(key, []).append(door)

    def cut(self, key: Key) -> None:
        """Close the doors of an instance and throw out whoever is inside."""
        for door in self._doors.pop(key, []):
            self._do(_shut(door))

    def close(self) -> None:
        """Close everything and end the thread."""
        for key in list(self._doors):
            self.cut(key)
        self._do(_settle())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        self._loop.close()

    async def _open(self, door: _Door, host: str, port: int) -> Any:
        return await asyncssh.listen(
            host,
            port,
            server_factory=lambda: _Guard(door),
            server_host_keys=[self._host_key],
            process_factory=lambda process: _serve(process, door),
            encoding="utf-8",
        )

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)


async def _shut(door: _Door) -> None:
    door.acceptor.close()
    for connection in list(door.inside):
        connection.abort()
    await door.acceptor.wait_closed()


async def _settle() -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


class _Guard(asyncssh.SSHServer):
    """Lets in who has a key in the account's file at this moment."""

    def __init__(self, door: _Door) -> None:
        self._door = door
        self._connection: Any = None

    def connection_made(self, conn: Any) -> None:
        self._connection = conn
        self._door.inside.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        self._door.inside.discard(self._connection)

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: Any) -> bool:
        for line in self._door.keys_of(username).splitlines():
            try:
                known = asyncssh.import_public_key(line)
            except (asyncssh.KeyImportError, ValueError):
                continue
            if known.public_data == key.public_data:
                return True
        return False


async def _serve(process: Any, door: _Door) -> None:
    username = process.get_extra_info("username")
    shell = Shell(hostname=door.hostname, username=username, cards_of=door.cards_of)
    if process.command is not None:
        text, status = shell.run(process.command)
        process.stdout.write(text)
        process.exit(status)
        return
    status = 0
    try:
        process.stdout.write(shell.prompt)
        async for line in process.stdin:
            words = line.split()
            if words[:1] in (["exit"], ["logout"]):
                break
            text, status = shell.run(line)
            process.stdout.write(text + shell.prompt)
        process.exit(status)
    except (asyncssh.BreakReceived, asyncssh.TerminalSizeChanged, BrokenPipeError):
        process.exit(130)
