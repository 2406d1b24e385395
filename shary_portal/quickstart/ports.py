"""Ports on this machine: which are free, and who has the others."""

import socket

import psutil  # type: ignore[import-untyped]


def is_free(port: int, *, host: str = "127.0.0.1") -> bool:
    """Tell whether a server could listen there now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do it: a port whose last connection is just ending counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(*, host: str = "127.0.0.1") -> int:
    """Return a port that the system says is free."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
    return port


def next_free_port(start: int, *, host: str = "127.0.0.1") -> int:
    """Return the first free port from `start` on."""
    return next((port for port in range(start, min(start + 200, 65536)) if is_free(port, host=host)), 0) or (
        free_port(host=host)
    )


def who_listens(port: int) -> str:
    """Return who has a port, in words; as much as this user may know."""
    try:
        holders = {
            connection.pid
            for connection in psutil.net_connections(kind="tcp")
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
        }
        named = [f"“{psutil.Process(pid).name()}” (process {pid})" for pid in sorted(filter(None, holders))]
    except psutil.Error:
        named = []
    return " and ".join(named) or "another program"
