"""Clients that keep their connections: prepared requests, sent one after the other, from a process apart.

Everything that can be made before is made before, since the clients share the cores with the server.
"""

import asyncio
import multiprocessing
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What the clients saw."""

    seconds: float
    statuses: Counter[int]
    latencies_s: list[float]
    """Of each answer, in the order of the answers."""
    bodies: list[bytes] = field(default_factory=list)
    """Where they were asked for: a few of the answers that were not the expected ones."""

    def per_second(self, status: int) -> float:
        """Return how many answers of a status came each second."""
        return self.statuses[status] / self.seconds


def request_bytes(method: str, path: str, *, token: str = "", body: bytes = b"") -> bytes:
    """Return one HTTP request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Accept: application/json"]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def drive(
    port: int, requests: Sequence[bytes], *, clients: int, seconds: float = 3600, expected: int = 0
) -> Load:
    """Send the requests with so many clients, until they are used up or the time is; return what came."""
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe(duplex=False)
    process = context.Process(
        target=_process, args=(theirs, port, list(requests), clients, seconds, expected), daemon=True
    )
    process.start()
    theirs.close()
    try:
        load: Load = mine.recv()
    except EOFError:
        raise SystemExit("The clients ended without a word; see above.") from None
    process.join()
    return load


def _process(pipe, port, requests, clients, seconds, expected) -> None:  # type: ignore[no-untyped-def]
    pipe.send(asyncio.run(_drive(port, requests, clients, seconds, expected)))
    pipe.close()


async def _drive(port: int, requests: list[bytes], clients: int, seconds: float, expected: int) -> Load:
    waiting = iter(requests)
    statuses: Counter[int] = Counter()
    latencies: list[float] = []
    odd: list[bytes] = []
    connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(clients)]
    until = time.perf_counter() + seconds

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for request in waiting:
            began = time.perf_counter()
            if began >= until:
                break
            for again in (True, False):
                try:
                    writer.write(request)
                    status, body, keeps = await read_answer(reader)
                    break
                except (asyncio.IncompleteReadError, ConnectionError):
                    # A server may close an idle connection; the next one takes the request.
                    if not again:
                        statuses[0] += 1
                        return
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
            latencies.append(time.perf_counter() - began)
            statuses[status] += 1
            if expected and status != expected and len(odd) < 5:
                odd.append(body[:600])
            if not keeps:
                writer.close()
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(client(*connection) for connection in connections))
    return Load(seconds=time.perf_counter() - began, statuses=statuses, latencies_s=latencies, bodies=odd)


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, bytes, bool]:
    """Return the status, the body, and whether the server keeps the connection."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    status = int(head[9:12])
    keeps = b"connection: close" not in head
    at = head.find(b"content-length:")
    if at >= 0:
        length = int(head[at + 15 : head.index(b"\r\n", at)])
        return status, await reader.readexactly(length), keeps
    body = b""
    if b"transfer-encoding: chunked" in head:
        while size := int(await reader.readuntil(b"\r\n"), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readexactly(2)
    return status, body, keeps
