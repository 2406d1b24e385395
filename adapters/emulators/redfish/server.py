"""The wire of the BMC: TLS, HTTP, logging in, and what goes wrong on purpose."""

import base64
import binascii
import copy
import json
import ssl
import tempfile
import threading
from contextlib import suppress
from dataclasses import replace
from http.server import ThreadingHTTPServer
from pathlib import Path
from socket import SHUT_RDWR, socket
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from adapters.emulators.redfish.accounts import SESSIONS
from adapters.emulators.redfish.card import PRIVILEGES, Card
from adapters.emulators.redfish.certificate import make_certificate
from adapters.emulators.redfish.host import HostService
from adapters.emulators.redfish.messages import (
    Answer,
    Refusal,
    Request,
    etag_of,
    unauthorized,
)
from adapters.emulators.redfish.service import Service
from adapters.emulators.speaking import HttpConversation

Fault = Literal["unreachable", "hang", "late", "lie", "reboot"]
LONGEST_BODY = 65536
LONGEST_SILENCE_S = 120.0


class RedfishEmulator:
    """An emulated BlueField BMC on a port of its own.

        with RedfishEmulator(password="...") as bmc:
            ...  # bmc.url, bmc.certificate, bmc.card

    It can be broken on purpose: see `break_with`.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        generation: int = 3,
        firmware: str | None = None,
        username: str = "root",
        password: str = "HelloNvidia3D!",  # noqa: S107  the example of the vendor's manual
        certificate_folder: Path | None = None,
        state: Path | None = None,
        delay_s: float = 0.0,
        powers: Card | None = None,
        resets: tuple[str, ...] = ("On", "ForceOff", "PowerCycle"),
    ) -> None:
        """Make a card's BMC; with `powers`, the BMC of the host that has that card, which knows `resets`."""
        if state is not None and state.is_file():
            self.card = Card.load(state)
        else:
            self.card = Card(
                generation=generation,
                firmware=firmware or ("BF-26.01-3" if generation == 3 else "BF-24.10-17"),
            )
            self.card.file = state
        self.card.delay_s = delay_s
        self.card.set_account(username, password, role="Administrator", enabled=True)
        self.service = Service(self.card) if powers is None else HostService(self.card, powers, resets)
        self.host, self.port = host, port
        self._own_folder = None if certificate_folder else tempfile.TemporaryDirectory(prefix="bmc-")
        folder = certificate_folder or Path(self._own_folder.name if self._own_folder else "")
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(make_certificate(folder))
        self.certificate = (folder / "bmc.pem").read_text()
        self.fault: Fault | None = None
        self._mended = threading.Event()
        self._mended.set()
        self._server: _Server | None = None

    @property
    def url(self) -> str:
        """The address to put into the adapter's settings."""
        return f"https://{self.host}:{self.port}"

    def start(self) -> Self:
        """Listen; a port of 0 becomes one that is free, and stays the same after `mend`."""
        self._server = _Server((self.host, self.port), self, self._tls)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self) -> None:
        """Stop listening and cut every connection."""
        self._mended.set()
        self._stop_listening()
        if self._own_folder is not None:
            self._own_folder.cleanup()
            self._own_folder = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # --- faults ---

    def break_with(self, fault: Fault) -> None:
        """Go wrong from now on.

        `unreachable`: nothing listens. `hang`: nothing is ever answered. `late`: changes are made,
        their answers do not come. `lie`: changes are acknowledged and not made. `reboot`: at once
        and once: every session and connection is gone.
        """
        self.mend()
        if fault == "reboot":
            with self.card.lock:
                self.card.sessions.clear()
            if self._server is not None:
                self._server.cut_all()
            return
        self.fault = fault
        if fault == "unreachable":
            self._stop_listening()
        else:
            self._mended.clear()

    def mend(self) -> None:
        """Be well again; what took effect stays."""
        was, self.fault = self.fault, None
        if was in ("hang", "late") and self._server is not None:
            self._server.cut_all()
        self._mended.set()
        if was == "unreachable":
            self.start()

    def stay_silent(self) -> None:
        """Wait until mended, or until anybody would have given up."""
        self._mended.wait(LONGEST_SILENCE_S)

    # --- requests ---

    def answer(self, request: Request, body: bytes, headers: Any) -> Answer:
        """Return the answer to a request as it came from the wire."""
        try:
            content = json.loads(body) if body else None
        except ValueError:
            return Refusal(400, "MalformedJSON", "The body is not JSON.").answer
        with self.card.lock:
            self.card.settle()
            try:
                if request.path == SESSIONS and request.method == "POST":
                    return self.service.log_in(content)
                if request.path == "/redfish":
                    return Answer(status=200, body={"v1": "/redfish/v1/"})
                if request.path == "/redfish/v1" and request.method == "GET":
                    # The one resource that the standard shows to everybody.
                    return self.service.answer(replace(request, privileges=frozenset({"Login"})))
                username, session = self._who(headers)
                account = self.card.accounts[username]
                request = Request(
                    method=request.method,
                    path=request.path,
                    body=content,
                    if_match=headers.get("If-Match"),
                    username=username,
                    session_id=session,
                    privileges=frozenset(PRIVILEGES[account.role]),
                )
                return self._perform(request)
            except Refusal as refusal:
                return refusal.answer

    def is_change(self, request: Request) -> bool:
        """Say whether a request asks for more than a look; logging in and out is no change."""
        return request.method != "GET" and not (
            request.path == SESSIONS or request.path == f"{SESSIONS}/{request.session_id}"
        )

    def _perform(self, request: Request) -> Answer:
        if not self.is_change(request):
            return self.service.answer(request)
        if self.fault == "lie":
            # It says what the honest device would say, refusals included.
            honest = self.card
            self.service.card = copy.deepcopy(_without_lock(honest))
            try:
                return self.service.answer(request)
            finally:
                self.service.card = honest
        answer = self.service.answer(request)
        self.card.changes += 1
        self.card.save()
        return answer

    def _who(self, headers: Any) -> tuple[str, str]:
        token = headers.get("X-Auth-Token")
        if token:
            session = self.card.session_by_token(token)
            if session is None:
                raise unauthorized()
            return session.username, session.id
        kind, _, coded = headers.get("Authorization", "").partition(" ")
        if kind == "Basic":
            with suppress(binascii.Error, UnicodeDecodeError):
                name, _, password = base64.b64decode(coded).decode().partition(":")
                account = self.card.log_in(name, password)
                if account is not None:
                    return account.name, ""
        raise unauthorized()

    def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.cut_all()
            self._server.server_close()
            self._server = None


class _Handler(HttpConversation):
    """Reads one request after the other from one connection."""

    server: "_Server"

    def handle(self) -> None:
        bmc = self.server.bmc
        with suppress(OSError, ValueError):
            if bmc.fault == "hang":
                bmc.stay_silent()
                return
            self.request.do_handshake()
            super().handle()

    def serve(self) -> None:
        """Answer one request."""
        bmc = self.server.bmc
        length = int(self.headers.get("Content-Length") or 0)
        if length > LONGEST_BODY:
            self.close_connection = True
            return
        body = self.rfile.read(length)
        if bmc.fault == "hang":
            bmc.stay_silent()
            self.close_connection = True
            return
        path = urlsplit(self.path).path.rstrip("/")
        request = Request(method=self.command, path=path)
        changes = bmc.card.changes
        answer = bmc.answer(request, body, self.headers)
        if bmc.fault == "late" and bmc.card.changes != changes:
            bmc.stay_silent()
            self.close_connection = True
            return
        content = b"" if answer.body is None else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("OData-Version", "4.0")
        self.send_header("Cache-Control", "no-store")
        if answer.status == 200 and answer.body is not None and self.command == "GET":
            self.send_header("ETag", etag_of(answer.body))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = serve  # noqa: N815

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Keep quiet: who uses an emulator looks at its state."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], bmc: RedfishEmulator, tls: ssl.SSLContext) -> None:
        self.bmc = bmc
        self.tls = tls
        self.connections: set[socket] = set()
        self.connections_lock = threading.Lock()
        super().__init__(address, _Handler)

    def get_request(self) -> tuple[socket, Any]:
        plain, address = super().get_request()
        plain.settimeout(LONGEST_SILENCE_S)
        # The handshake happens in the connection's own thread: one silent client must not block all.
        wrapped = self.tls.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
        with self.connections_lock:
            self.connections.add(wrapped)
        return wrapped, address

    def shutdown_request(self, request: Any) -> None:
        with self.connections_lock:
            self.connections.discard(request)
        with suppress(OSError):
            request.shutdown(SHUT_RDWR)
        request.close()

    def cut_all(self) -> None:
        """Cut every open connection; its thread notices and ends."""
        with self.connections_lock:
            for connection in self.connections:
                with suppress(OSError):
                    # Not `SSLSocket.shutdown`, which takes the cipher from under the reading thread.
                    socket.shutdown(connection, SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke is the other side's business."""


def _without_lock(card: Card) -> Card:
    twin = copy.copy(card)
    del twin.lock
    return twin
