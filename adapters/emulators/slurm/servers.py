"""The two doors: one for the commands, one for HTTP. Faults stand in both."""

import json
import socketserver
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from adapters.emulators.slurm.commands import Answer, Commands
from adapters.emulators.slurm.faults import Faults
from adapters.emulators.slurm.rest import Rest
from adapters.emulators.speaking import HttpConversation

_LONGEST = 1024 * 1024


class CommandServer(socketserver.ThreadingTCPServer):
    """Takes a caller, their zone and a command line, word by word, and answers with what it prints."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], *, commands: Commands, faults: Faults) -> None:
        self.commands, self.faults = commands, faults
        super().__init__(address, _CommandHandler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: broken connections are everyday here."""


class _CommandHandler(socketserver.StreamRequestHandler):
    server: CommandServer

    def handle(self) -> None:
        user, zone, count = (self._line() for _ in range(3))
        words, commands = [self._line() for _ in range(int(count))], self.server.commands
        fault = self.server.faults.now(changes=commands.is_change(words))
        if fault == "hang":
            return self.server.faults.wait()
        answer = commands.pretend(words) if fault == "lie" else commands.run(words, user=user, zone=zone)
        if fault == "late":
            return self.server.faults.wait()
        return self._send(answer)

    def _line(self) -> str:
        return self.rfile.readline(_LONGEST).decode().rstrip("\n")

    def _send(self, answer: Answer) -> None:
        lines = [f"1{line}\n" for line in answer.out.splitlines()]
        lines += [f"2{line}\n" for line in answer.err.splitlines()]
        self.wfile.write("".join([*lines, f"0{answer.code}\n"]).encode())


class RestServer(ThreadingHTTPServer):
    """Serves the emulated slurmrestd."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], *, rest: Rest, faults: Faults) -> None:
        self.rest, self.faults = rest, faults
        super().__init__(address, _RestHandler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: broken connections are everyday here."""


class _RestHandler(HttpConversation):
    server: RestServer

    def do_GET(self) -> None:  # noqa: N802 - the names that http.server asks for
        self._serve()

    do_POST = do_DELETE = do_GET  # noqa: N815

    def _serve(self) -> None:
        length = min(int(self.headers.get("Content-Length") or 0), _LONGEST)
        text = self.rfile.read(length)
        body: dict[str, Any] = {}
        with suppress(ValueError):
            body = json.loads(text) if text else {}
        fault = self.server.faults.now(changes=self.command != "GET")
        self.close_connection = True
        if fault == "hang":
            return self.server.faults.wait()
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        status, said = 200, dict[str, Any](errors=[], warnings=[])
        if fault != "lie":
            status, said = self.server.rest.answer(
                self.command, unquote(parts.path).rstrip("/"), dict(parse_qsl(parts.query)), headers, body
            )
        if fault == "late":
            return self.server.faults.wait()
        return self._send(status, json.dumps(said).encode())

    def _send(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)


class Door:
    """A server in a thread, which can be shut and opened again at the same place."""

    def __init__(
        self, make: Callable[[tuple[str, int]], CommandServer | RestServer], address: tuple[str, int]
    ) -> None:
        self._make, self.address = make, address
        self._server: CommandServer | RestServer | None = None
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        """Listen."""
        if self._server is not None:
            return
        server = self._server = self._make(self.address)
        self.address = (self.address[0], server.server_address[1])
        self._thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="slurm door", daemon=True
        )
        self._thread.start()

    def shut(self) -> None:
        """Listen no longer."""
        if self._server is None:
            return
        self._server.shutdown()
        self._server.server_close()
        if self._thread is not None:
            self._thread.join(timeout=5)
        self._server = self._thread = None
