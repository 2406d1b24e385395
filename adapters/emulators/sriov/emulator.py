"""The emulated card's socket: each connection is a netlink socket, a look at the wire, or a namespace's number.

The first line says which: `route NAMESPACE`, `generic NAMESPACE`, `namespace NAME`, or `wire FUNCTION`. After
`route` and `generic` follow netlink messages, byte for byte as a kernel takes and gives them. After `wire`
each line is the source address of a frame that the function sends, and the answer is what became of it.
"""

import contextlib
import errno
import io
import socket
import struct
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from adapters.emulators.sriov.card import EmulatedCard
from adapters.emulators.sriov.generic import DEVLINK, PORT_SET, Generic
from adapters.emulators.sriov.route import CHANGES, No, Route

Fault = Literal["unreachable", "hang", "late", "lie", "reboot"]
_EVERY, _ACK, _ERROR, _DONE, _CAPPED, _WITH_WORDS = 0x300, 0x4, 2, 3, 0x100, 0x200


class SriovEmulator:
    """Serves one card until it is left."""

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        card: EmulatedCard | None = None,
        sysfs: Path | None = None,
        has_devlink: bool = True,
        may_change: bool = True,
    ) -> None:
        self.card = card or EmulatedCard()
        self.may_change = may_change
        self.asked: list[int] = []
        self._route, self._generic = Route(self.card), Generic(self.card, has_devlink=has_devlink)
        self._fault: Fault | None = None
        self._host, self._port = host, port
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._own_folder = None if sysfs else tempfile.TemporaryDirectory(prefix="sriov-")
        self.sysfs = sysfs or Path(self._own_folder.name if self._own_folder else "")
        self.card.write_sysfs(self.sysfs)
        self._listener: socket.socket | None = None
        self._place = socket.socket()

    def __enter__(self) -> Self:
        # Holds the port also while nothing listens there, so that nobody else gets it meanwhile.
        self._place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._place.bind((self._host, self._port))
        self._port = self._place.getsockname()[1]
        self._listen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop_listening()
        self._place.close()
        if self._own_folder is not None:
            self._own_folder.cleanup()

    @property
    def url(self) -> str:
        """Return the setting `kernel` by which the card is reached."""
        return f"tcp://{self._host}:{self._port}"

    def break_with(self, fault: Fault) -> None:
        """Misbehave from now on."""
        if fault == "reboot":
            self.card.reboot()
            self._drop_connections()
            return
        self._fault = fault
        if fault == "unreachable":
            self._stop_listening()

    def mend(self) -> None:
        """Behave again."""
        gone = self._fault == "unreachable"
        self._fault = None
        self._drop_connections()
        if gone:
            self._listen()

    # --- connections ---

    def _listen(self) -> None:
        self._listener = socket.create_server((self._host, self._port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _stop_listening(self) -> None:
        if self._listener is not None:
            # Closing alone would leave a thread in `accept` that takes one more.
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        self._drop_connections()

    def _drop_connections(self) -> None:
        with self._lock:
            dropped, self._open = self._open, set()
        for connection in dropped:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with self._lock:
                    self._open.add(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        # The outermost, since closing a stream flushes what its reader may no longer want.
        with contextlib.suppress(OSError, ValueError), connection, connection.makefile("rwb") as stream:
            what, _, name = stream.readline(200).decode().rstrip("\n").partition(" ")
            if what in ("route", "generic"):
                self._talk_netlink(stream, what, name)
            elif what == "namespace" and self._fault != "hang":
                known = name in self.card.namespaces
                stream.write(f"{self.card.namespaces.index(name) if known else 'none'}\n".encode())
            elif what == "wire":
                for line in stream:
                    stream.write(f"{self.card.send(name, line.decode().strip())}\n".encode())
                    stream.flush()
        with self._lock:
            self._open.discard(connection)

    def _talk_netlink(self, stream: io.BufferedRWPair, family: str, namespace: str) -> None:
        while True:
            head = stream.read(16)
            if len(head) < 16:
                return
            length, kind, flags, sequence, _ = struct.unpack("=IHHII", head)
            raw = head + stream.read((length + 3 & ~3) - 16)
            answer = self._answer(family, namespace, kind, flags, sequence, raw[:length])
            if answer:
                stream.write(answer)
                stream.flush()

    def _answer(self, family: str, namespace: str, kind: int, flags: int, sequence: int, raw: bytes) -> bytes:
        is_change = kind in CHANGES if family == "route" else kind == DEVLINK and raw[16] == PORT_SET
        if self._fault == "hang":
            return b""
        if is_change and self._fault == "lie":
            return _end(_ERROR, sequence, 0)
        answers: list[bytes] = []
        number, words = 0, ""
        try:
            if namespace not in self.card.namespaces:
                raise No(errno.ENOENT)
            if is_change and not self.may_change:
                raise No(errno.EPERM)
            with self.card.lock:
                self.asked.append(kind)
                side = self._route if family == "route" else self._generic
                answers = side.answer(kind, flags, sequence, raw, namespace=namespace)
        except No as no:
            number, words = no.number, no.words
        if is_change and self._fault == "late":
            return b""
        every = flags & _EVERY == _EVERY and not is_change
        if every and not number:
            return b"".join(map(_aligned, answers)) + _end(_DONE, sequence, 0)
        acknowledged = number or flags & _ACK
        return b"".join(map(_aligned, answers)) + (
            _end(_ERROR, sequence, number, words) if acknowledged else b""
        )


def _aligned(message: bytes) -> bytes:
    return message + bytes(-len(message) % 4)


def _end(kind: int, sequence: int, number: int, words: str = "") -> bytes:
    body = struct.pack("=i", -number)
    flags = 0
    if kind == _ERROR:
        body += struct.pack("=IHHII", 16, 0, 0, sequence, 0)
        flags = _CAPPED
    if words:
        text = words.encode() + b"\0"
        body += struct.pack("=HH", 4 + len(text), 1) + text + bytes(-len(text) % 4)
        flags |= _WITH_WORDS
    return struct.pack("=IHHII", 16 + len(body), kind, flags, sequence, 0) + body
