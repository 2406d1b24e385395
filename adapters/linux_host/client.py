"""The wire: one ssh connection, on which each request starts the host's program once."""

import asyncio
import json
import threading
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol

import asyncssh

from adapters.contract import Secrets
from adapters.errors import (
    AdapterError,
    DeviceBusy,
    DeviceRefused,
    DeviceUnreachable,
    InvalidSettings,
    OutcomeUnknown,
)

_MAX_ANSWER = 4 * 1024 * 1024
_BY_CODE: dict[str, type[AdapterError]] = {
    "invalid": InvalidSettings,
    "refused": DeviceRefused,
    "busy": DeviceBusy,
    "later": DeviceUnreachable,
    "unknown": OutcomeUnknown,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """The program on the host, and how to get it there."""

    name: str
    protocol: int
    build: str
    """What the operator types to build it, such as `make gpu-host`."""
    slow: frozenset[str]
    """Questions that take as long as changes do."""


class Place(Protocol):
    """Where the host is: what the settings of such adapters have in common."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def account(self) -> str: ...
    @property
    def key_secret(self) -> str: ...
    @property
    def host_key_secret(self) -> str: ...
    @property
    def timeout_s(self) -> float: ...
    @property
    def settle_s(self) -> float: ...


class HostClient:
    """Asks the program on one host: `with HostClient(…) as host: host.look("observe")`."""

    def __init__(self, *, program: Program, settings: Place, secrets: Secrets) -> None:
        self._program = program
        self._settings = settings
        self._key = _private_key(secrets.read(settings.key_secret), settings.key_secret)
        self._host_keys = _host_keys(secrets.read(settings.host_key_secret), settings.host_key_secret)
        self._name = f"{settings.account}@{settings.host}"
        # A loop of its own in a thread of its own: whoever calls may have a loop already.
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="ssh client", daemon=True)
        self._connection: Any = None

    def __enter__(self) -> "HostClient":
        self._thread.start()
        try:
            self._connection = self._wait_for(self._connect(), self._settings.timeout_s + 1)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def look(self, verb: str, **fields: object) -> Any:
        """Ask something that changes nothing."""
        return self._ask(verb, fields, changes=False)

    def change(self, verb: str, **fields: object) -> None:
        """Order a change. That it was made is to be looked at: what the host says of it is not returned."""
        self._ask(verb, fields, changes=True)

    # --- one request ----------------------------------------------------------------------------------

    def _ask(self, verb: str, fields: Mapping[str, object], *, changes: bool) -> Any:
        request = json.dumps({"protocol": self._program.protocol, "verb": verb, **fields})
        patience = (
            self._settings.settle_s if changes or verb in self._program.slow else self._settings.timeout_s
        )
        try:
            output, complaint, status = self._wait_for(
                asyncio.wait_for(self._run(request), patience), patience + 1
            )
        except (asyncssh.Error, OSError, TimeoutError) as error:
            words = f"{self._name} gave no answer to “{verb}”: {_words(error)}."
            if changes:
                raise OutcomeUnknown(f"{words} The change may have been made.") from error
            raise DeviceUnreachable(f"{words} Nothing was changed.") from error
        return self._read(verb, output, complaint, status, changes=changes)

    def _read(self, verb: str, output: bytes, complaint: str, status: int | None, *, changes: bool) -> Any:
        try:
            answer = json.loads(output)
            if answer["program"] != self._program.name:
                raise ValueError("another program")
            protocol = answer["protocol"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            if changes and (status is None or status < 0):
                raise OutcomeUnknown(
                    f"{self._program.name} on {self._name} was ended in the middle of “{verb}”."
                ) from error
            said = (complaint or output.decode(errors="replace")).strip()[:200] or f"exit status {status}"
            raise InvalidSettings(
                f"{self._name} does not start {self._program.name}, but says “{said}”. Check the line of the worker's "
                "key in authorized_keys, and what it runs."
            ) from error
        if protocol != self._program.protocol:
            raise InvalidSettings(
                f"{self._program.name} on {self._settings.host} speaks protocol {protocol}, this worker "
                f"{self._program.protocol}. Build it anew with “{self._program.build}” and install it there, "
                "or update the worker."
            )
        if "problem" in answer:
            raise _BY_CODE.get(answer["problem"], OutcomeUnknown)(f"{self._settings.host}: {answer['message']}")
        return answer["result"]

    async def _run(self, request: str) -> tuple[bytes, str, int | None]:
        async with self._connection.create_process("", encoding=None) as process:
            process.stdin.write(request.encode())
            process.stdin.write_eof()
            output = b""
            while piece := await process.stdout.read(65536):
                output += piece
                if len(output) > _MAX_ANSWER:
                    raise OSError("the answer has no end")
            complaint = await process.stderr.read(2048)
            await process.wait()
            status = -1 if process.exit_signal else process.exit_status
            return output, complaint.decode(errors="replace"), status

    # --- the connection -------------------------------------------------------------------------------

    async def _connect(self) -> Any:
        settings = self._settings
        where = f"{settings.host}:{settings.port}"
        try:
            return await asyncio.wait_for(
                asyncssh.connect(
                    settings.host,
                    settings.port,
                    username=settings.account,
                    client_keys=[self._key],
                    known_hosts=(self._host_keys, [], []),
                    preferred_auth="publickey",
                    # Nothing of the account under which the worker happens to run.
                    config=None,
                    agent_path=None,
                    password=None,
                    gss_host=None,
                    connect_timeout=settings.timeout_s,
                    login_timeout=settings.timeout_s,
                    keepalive_interval=15,
                ),
                settings.timeout_s,
            )
        except asyncssh.HostKeyNotVerifiable as error:
            raise InvalidSettings(
                f"{where} shows another host key than the secret “{settings.host_key_secret}” says. "
                "If the machine was set up anew, put its new key there; if not, somebody is in between."
            ) from error
        except asyncssh.PermissionDenied as error:
            raise InvalidSettings(
                f"{where} does not let {settings.account} in with the key “{settings.key_secret}”: "
                "check the account's authorized_keys."
            ) from error
        except asyncssh.KeyExchangeFailed as error:
            raise InvalidSettings(f"{where} and the worker agree on no way to encrypt: {error}.") from error
        except (asyncssh.Error, OSError, TimeoutError) as error:
            raise DeviceUnreachable(
                f"{where} cannot be reached: {_words(error)}. Nothing was changed."
            ) from error

    def _wait_for(self, work: Coroutine[Any, Any, Any], patience_s: float) -> Any:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout=patience_s)
        except BaseException:
            future.cancel()
            raise

    def _stop(self) -> None:
        with suppress(asyncssh.Error, OSError, TimeoutError):
            self._wait_for(self._hang_up(), 5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        if not self._thread.is_alive():
            self._loop.close()

    async def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.abort()
            await self._connection.wait_closed()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


def _private_key(text: str, name: str) -> Any:
    try:
        return asyncssh.import_private_key(text)
    except (asyncssh.KeyImportError, ValueError) as error:
        raise InvalidSettings(
            f"The secret “{name}” is no private key that ssh can use without a passphrase: {error}."
        ) from error


def _host_keys(text: str, name: str) -> list[Any]:
    """Return the keys of lines such as sshd's own `.pub` files or `ssh-keyscan` have them."""
    keys = []
    for line in text.splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        first = next((at for at, word in enumerate(words) if word.startswith(("ssh-", "ecdsa-"))), None)
        try:
            if first is None:
                raise ValueError("there is no kind of key")
            keys.append(asyncssh.import_public_key(" ".join(words[first : first + 2])))
        except (asyncssh.KeyImportError, ValueError) as error:
            raise InvalidSettings(f"The secret “{name}” is no public key of a host: {error}.") from error
    if not keys:
        raise InvalidSettings(f"The secret “{name}” has no public key of a host.")
    return keys


def _words(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    return str(error).strip().rstrip(".") or type(error).__name__
