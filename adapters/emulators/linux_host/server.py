"""The machine's sshd: the worker's key starts the host's program, a holder's key a small shell."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

import asyncssh

from adapters.emulators.lxd.shell import Shell
from adapters.linux_host.host.requests import MAX_BYTES

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Doors:
    """What the server asks about who comes."""

    keys_of: Callable[[str], list[str]]
    """The keys with which an account is entered at this moment."""
    is_worker: Callable[[str], bool]
    answer: Callable[[str], str]
    """Answers a request of the worker; may take its time."""
    shell_for: Callable[[str], Shell]


class SshServer:
    """One ssh server on a loop in a thread of its own."""

    def __init__(self, *, host: str, port: int, host_key: Any, doors: Doors) -> None:
        self.host, self.port = host, port
        self._host_key, self._doors = host_key, doors
        self._inside: dict[Any, str] = {}
        self._listener: Any = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="gpu ssh", daemon=True)
        self._thread.start()

    def open(self) -> None:
        """Listen as the machine does."""
        self.shut()
        self._listener = self._do(self._listen())
        self.port = self._listener.get_port()

    def open_to_silence(self) -> None:
        """Take connections and never say a word."""
        self.shut()
        self._listener = self._do(asyncio.start_server(_say_nothing, self.host, self.port))

    def shut(self) -> None:
        """Listen no more; who is inside stays."""
        if self._listener is not None:
            self._do(_shut(self._listener))
            self._listener = None

    def logins(self, name: str) -> int:
        """Return how many are inside under this account."""
        return sum(username == name for username in list(self._inside.values()))

    def cut(self, name: str | None = None) -> None:
        """Throw out who is inside under this account, or everybody."""
        self._do(self._cut(name))

    def close(self) -> None:
        """Close everything and end the thread."""
        self.shut()
        self.cut()
        self._do(_settle())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        self._loop.close()

    async def _listen(self) -> Any:
        return await asyncssh.listen(
            self.host,
            self.port,
            server_factory=lambda: _Guard(self._doors, self._inside),
            server_host_keys=[self._host_key],
            process_factory=self._serve,
            encoding="utf-8",
        )

    async def _cut(self, name: str | None) -> None:
        for connection, username in list(self._inside.items()):
            if name is None or username == name:
                self._inside.pop(connection, None)
                connection.abort()

    async def _serve(self, process: Any) -> None:
        username = process.get_extra_info("username")
        if self._doors.is_worker(username):
            # Whatever command was asked for: the key is bound to this one.
            request = await process.stdin.read(MAX_BYTES + 1)
            process.stdout.write(await asyncio.to_thread(self._doors.answer, request))
            process.exit(0)
        else:
            await _serve_shell(process, self._doors.shell_for(username))

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)


class _Guard(asyncssh.SSHServer):
    """Lets in who has a key of the account at this moment."""

    def __init__(self, doors: Doors, inside: dict[Any, str]) -> None:
        self._doors, self._inside = doors, inside
        self._connection: Any = None

    def connection_made(self, conn: Any) -> None:
        self._connection = conn

    def connection_lost(self, exc: Exception | None) -> None:
        self._inside.pop(self._connection, None)

    def begin_auth(self, username: str) -> bool:
        return True

    def auth_completed(self) -> None:
        self._inside[self._connection] = self._connection.get_extra_info("username")

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: Any) -> bool:
        for line in self._doors.keys_of(username):
            try:
                known = asyncssh.import_public_key(line)
            except (asyncssh.KeyImportError, ValueError):
                continue
            if known.public_data == key.public_data:
                return True
        return False


async def _serve_shell(process: Any, shell: Shell) -> None:
    if process.command is not None:
        text, status = shell.run(process.command)
        process.stdout.write(text)
        process.exit(status)
        return
    status = 0
    try:
        process.stdout.write(shell.prompt)
        async for line in process.stdin:
            if line.split()[:1] in (["exit"], ["logout"]):
                break
            text, status = shell.run(line)
            process.stdout.write(text + shell.prompt)
        process.exit(status)
    except (asyncssh.BreakReceived, asyncssh.TerminalSizeChanged, BrokenPipeError):
        process.exit(130)


async def _say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while await reader.read(65536):
            pass
    finally:
        writer.close()


async def _shut(listener: Any) -> None:
    listener.close()
    if not isinstance(listener, asyncio.Server):
        await listener.wait_closed()


async def _settle() -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
