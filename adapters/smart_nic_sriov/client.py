"""The wire: netlink sockets of this machine's kernel, or of an emulated one, each answer within a deadline.

pyroute2 stays with the emulator and the tests, as a second pair of eyes: its sockets carry an event loop
each and know no deadline for an answer.
"""

import errno
import os
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal
from urllib.parse import urlsplit

from adapters.errors import (
    AdapterError,
    DeviceBusy,
    DeviceRefused,
    DeviceUnreachable,
    InvalidSettings,
    OutcomeUnknown,
)
from adapters.smart_nic_sriov import messages
from adapters.smart_nic_sriov.messages import Message

Family = Literal["route", "generic"]
_PROTOCOLS: dict[Family, int] = {"route": 0, "generic": 16}
_SOL_NETLINK, _CAP_ACK, _EXT_ACK = 270, 10, 11
_AT_ONCE = 1 << 20
# Two names have one number; manuals of the kernel speak of this one.
_NAMES = {**errno.errorcode, errno.EOPNOTSUPP: "EOPNOTSUPP"}


class Refusal(Exception):
    """The kernel understood and said no."""

    def __init__(self, number: int, words: str) -> None:
        super().__init__(number, words)
        self.number, self.words = number, words

    def __str__(self) -> str:
        return f"{self.words or os.strerror(self.number)} ({_NAMES.get(self.number, self.number)})"


class Channel:
    """A netlink socket on which one question is asked after the other."""

    def __init__(self, connection: socket.socket, *, timeout_s: float) -> None:
        self._connection = connection
        self._timeout_s = timeout_s
        self._sequence = 0
        self._is_stream = connection.family != socket.AF_NETLINK

    def ask(self, kind: int, body: bytes, *, every: bool = False) -> list[Message]:
        """Return the answers to a question, of which there are several with `every`."""
        flags = messages.REQUEST | (messages.ROOT_AND_MATCH if every else messages.ACK)
        try:
            return self._exchange(kind, flags, body)
        except (OSError, ValueError) as failure:
            raise DeviceUnreachable(f"{_words(failure)} Nothing was changed.") from failure

    def change(self, kind: int, body: bytes, *, flags: int = 0) -> None:
        """Have the kernel make a change, and wait until it says that it did."""
        try:
            self._exchange(kind, messages.REQUEST | messages.ACK | flags, body)
        except (OSError, ValueError) as failure:
            raise OutcomeUnknown(f"{_words(failure)} The change may have been made.") from failure

    def _exchange(self, kind: int, flags: int, body: bytes) -> list[Message]:
        deadline = time.monotonic() + self._timeout_s
        self._sequence += 1
        self._connection.settimeout(self._timeout_s)
        self._connection.sendall(messages.pack(kind, flags, self._sequence, body))
        answers: list[Message] = []
        while True:
            for message in messages.unpack(self._receive(deadline)):
                if message.sequence != self._sequence:
                    continue
                if message.kind in (messages.ERROR, messages.DONE):
                    number, words = message.error
                    if number:
                        raise Refusal(number, words)
                    return answers
                answers.append(message)

    def _receive(self, deadline: float) -> bytes:
        if not self._is_stream:
            self._connection.settimeout(_left(deadline))
            return self._connection.recv(_AT_ONCE)
        head = self._exactly(messages.HEADER.size, deadline)
        length = struct.unpack_from("=I", head)[0]
        if not messages.HEADER.size <= length <= _AT_ONCE:
            raise ValueError("The answer is no netlink message.")
        return head + self._exactly((length + 3 & ~3) - messages.HEADER.size, deadline)

    def _exactly(self, count: int, deadline: float) -> bytes:
        found = b""
        while len(found) < count:
            self._connection.settimeout(_left(deadline))
            piece = self._connection.recv(count - len(found))
            if not piece:
                raise ConnectionResetError("The connection was closed.")
            found += piece
        return found


@contextmanager
def open_channel(kernel: str, family: Family, *, timeout_s: float, namespace: str = "") -> Iterator[Channel]:
    """Open a netlink socket of the kernel, in a network namespace if one is named."""
    try:
        if kernel == "local":
            connection = _in_namespace(namespace, family) if namespace else _local(family)
        else:
            address = urlsplit(kernel)
            connection = socket.create_connection((address.hostname, address.port), timeout=timeout_s)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(f"{family} {namespace}\n".encode())
    except OSError as failure:
        where = "This machine's kernel" if kernel == "local" else f"The emulated card at {kernel}"
        raise DeviceUnreachable(f"{where} cannot be asked: {failure}. Nothing was changed.") from failure
    with connection:
        yield Channel(connection, timeout_s=timeout_s)


def _local(family: Family) -> socket.socket:
    connection = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _PROTOCOLS[family])
    try:
        connection.bind((0, 0))
        for option in (_CAP_ACK, _EXT_ACK):
            connection.setsockopt(_SOL_NETLINK, option, 1)
    except OSError:
        connection.close()
        raise
    return connection


def _in_namespace(namespace: str, family: Family) -> socket.socket:
    from adapters.smart_nic_sriov.namespaces import inside

    return inside(namespace, lambda: _local(family))


def sorted_by_remedy(refusal: Refusal, *, what: str) -> AdapterError:
    """Return the error whose remedy fits what the kernel refused; `what` says what was being done."""
    words = f"The kernel did not {what}: {refusal}."
    match refusal.number:
        case errno.EPERM | errno.EACCES:
            return InvalidSettings(f"{words} The site worker needs CAP_NET_ADMIN on this machine.")
        case errno.ENODEV | errno.ENXIO:
            return InvalidSettings(f"{words} There is no such interface on this machine.")
        case errno.EOPNOTSUPP:
            return InvalidSettings(f"{words} The card's driver cannot do that.")
        case errno.EBUSY:
            return DeviceBusy(f"{words} Somebody else is using the function.")
        case errno.EAGAIN | errno.EINTR | errno.ENOMEM | errno.ENOBUFS:
            return DeviceUnreachable(f"{words} Nothing was changed.")
        case errno.EIO | errno.ETIMEDOUT:
            return OutcomeUnknown(f"{words} The card did not answer its driver; look at it.")
        case _:
            return DeviceRefused(words)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


def _words(failure: Exception) -> str:
    if isinstance(failure, TimeoutError):
        return "The kernel did not answer in time."
    return f"The kernel's answer was lost: {failure}."
