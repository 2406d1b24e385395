"""Network namespaces: sockets made in one, handles of one."""

import ctypes
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from adapters.errors import DeviceUnreachable, InvalidSettings

_FOLDER = Path("/run/netns")
_NEW_NET = 0x40000000


class NamespaceMissing(InvalidSettings):
    """There is no network namespace of that name."""


def inside(namespace: str, open_socket: Callable[[], socket.socket]) -> socket.socket:
    """Open a socket in a network namespace.

    A socket stays in the namespace in which it was made; only a thread of its own goes there, and ends.
    """
    made: list[socket.socket] = []
    failed: list[Exception] = []

    def enter_and_open() -> None:
        try:
            with local_handle(namespace) as number:
                libc = ctypes.CDLL(None, use_errno=True)
                if libc.setns(number, _NEW_NET) != 0:
                    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
            made.append(open_socket())
        except Exception as failure:  # told to the caller's thread
            failed.append(failure)

    thread = threading.Thread(target=enter_and_open)
    thread.start()
    thread.join()
    if failed:
        if isinstance(failed[0], PermissionError):
            raise InvalidSettings(
                f"The worker may not enter the namespace “{namespace}”: that needs CAP_SYS_ADMIN."
            ) from failed[0]
        raise failed[0]
    return made[0]


@contextmanager
def local_handle(namespace: str) -> Iterator[int]:
    """Open a network namespace of this machine by name, or the worker's own when there is no name."""
    path = _FOLDER / namespace if namespace else Path("/proc/thread-self/ns/net")
    try:
        number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise NamespaceMissing(
            f"This machine has no network namespace “{namespace}”. Make it by `ip netns add {namespace}`."
        ) from error
    try:
        yield number
    finally:
        os.close(number)


@contextmanager
def handle(kernel: str, namespace: str, *, timeout_s: float) -> Iterator[int]:
    """Return the number by which netlink messages to this kernel speak of a namespace."""
    if kernel == "local":
        with local_handle(namespace) as number:
            yield number
        return
    address = urlsplit(kernel)
    try:
        with socket.create_connection((address.hostname, address.port), timeout=timeout_s) as connection:
            connection.sendall(f"namespace {namespace}\n".encode())
            answer = connection.makefile().readline().strip()
    except OSError as failure:
        raise DeviceUnreachable(f"The emulated card at {kernel} cannot be asked: {failure}.") from failure
    if not answer.isdigit():
        raise NamespaceMissing(f"The emulated card has no network namespace “{namespace}”.")
    yield int(answer)
