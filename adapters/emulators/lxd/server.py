"""The door: HTTPS with client certificates, and the faults that stand in it."""

import json
import socket
import ssl
import threading
from contextlib import suppress
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from adapters.emulators.lxd.faults import Fault, Faults
from adapters.emulators.lxd.messages import Answer, Marked, Raw, Request
from adapters.emulators.lxd.operations import Operation
from adapters.emulators.lxd.refusal import Refusal
from adapters.emulators.lxd.routes import Routes
from adapters.emulators.speaking import HttpConversation

_LONGEST_BODY = 64 * 1024 * 1024


class HttpsServer(ThreadingHTTPServer):
    """Serves the API on one port."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], *, routes: Routes, faults: Faults) -> None:
        self.routes = routes
        self.faults = faults
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()
        super().__init__(address, _Handler)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Shake hands in the connection's own thread, so that a slow client holds up nobody."""
        try:
            request.settimeout(60)
            # Who has gone already: wrapping their socket would leave one behind that nobody closes.
            request.getpeername()
            secured = self.routes.trust.context.wrap_socket(request, server_side=True)
        except OSError:
            request.close()
            return
        with self._guard:
            self._open.add(secured)
        try:
            super().process_request_thread(secured, client_address)
        finally:
            with self._guard:
                self._open.discard(secured)
            secured.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: broken connections are everyday here."""

    def drop_connections(self) -> None:
        """Break all connections, as a daemon does that ends."""
        with self._guard:
            gone = list(self._open)
        for connection in gone:
            with suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)


class _Handler(HttpConversation):
    server: HttpsServer
    connection: ssl.SSLSocket

    def do_GET(self) -> None:  # noqa: N802 - the names that http.server asks for
        self._serve()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(min(length, _LONGEST_BODY))
        fault = self.server.faults.hit(f"{self.command} {urlsplit(self.path).path}")
        if fault is not None and fault.kind == "hang":
            fault.mended.wait()
            self.close_connection = True
            return
        try:
            answer: Answer | Refusal = self._struck(fault) if fault else self._answer(body)
            if fault is not None and fault.kind in ("late", "drop"):
                answer = self._answer(body)
        except Refusal as refusal:
            answer = refusal
        if fault is not None and fault.kind in ("late", "drop"):
            if fault.kind == "late":
                fault.mended.wait()
            self.close_connection = True
            return
        self._send(answer)

    def _struck(self, fault: Fault) -> Answer:
        if fault.kind == "refuse":
            raise Refusal(fault.status, fault.words)
        if self.command == "PATCH" or "/files" in self.path:
            return {}
        return self.server.routes.daemon.operations.pretend("Lying")

    def _answer(self, body: bytes) -> Answer:
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        wish: dict[str, Any] = {}
        if body and not parts.path.endswith("/files"):
            try:
                wish = json.loads(body)
            except ValueError as error:
                raise Refusal(400, f"Invalid JSON: {error}") from error
        request = Request(
            method=self.command,
            path=unquote(parts.path).rstrip("/"),
            query=query,
            headers={name.lower(): text for name, text in self.headers.items()},
            body=body,
            json=wish,
            client=self.server.routes.trust.who(self.connection.getpeercert(binary_form=True)),
            project=query.get("project", "default"),
        )
        return self.server.routes.answer(request)

    def _send(self, answer: Answer | Refusal) -> None:
        if isinstance(answer, Raw):
            file = answer.file
            headers = {
                "X-LXD-type": file.kind,
                "X-LXD-mode": file.mode,
                "X-LXD-uid": str(file.uid),
                "X-LXD-gid": str(file.gid),
            }
            return self._write(200, file.content.encode(), "application/octet-stream", headers)
        status, headers = 200, {}
        body: dict[str, Any] = {"type": "sync", "status": "Success", "status_code": 200, "operation": ""}
        body |= {"error_code": 0, "error": "", "metadata": answer}
        if isinstance(answer, Refusal):
            status = answer.status
            body |= {"type": "error", "status": "", "status_code": 0, "metadata": None}
            body |= {"error_code": status, "error": answer.words}
        elif isinstance(answer, Operation):
            status = 202
            place = f"/1.0/operations/{answer.id}"
            body |= {"type": "async", "status": "Operation created", "status_code": 100}
            body |= {"operation": place, "metadata": answer.answer()}
            headers["Location"] = place
        elif isinstance(answer, Marked):
            body["metadata"] = answer.metadata
            headers["ETag"] = answer.etag
        return self._write(status, json.dumps(body).encode(), "application/json", headers)

    def _write(self, status: int, content: bytes, kind: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name, text)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
