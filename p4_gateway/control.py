"""How the site's worker speaks to the gateway: a line of JSON each way, over a Unix socket."""

import asyncio
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from p4_gateway.authority import Authority
from p4_gateway.grants import Book, Grant, Refused, Upstream
from p4_gateway.service import Service

log = logging.getLogger("shary.p4_gateway")

_LINE_LIMIT = 1 << 20
_ANSWER_S = 4.0


class Control:
    """Answers the worker. The socket's folder is readable by its owner only: that is the guard."""

    def __init__(
        self,
        *,
        book: Book,
        service: Service,
        authority: Authority,
        door: Callable[[], tuple[str, int]],
        wake: Callable[[], None],
    ) -> None:
        self._book = book
        self._service = service
        self._authority = authority
        self._door = door
        self._wake = wake

    async def listen(self, socket: Path) -> asyncio.AbstractServer:
        """Listen on the socket; one that a dead gateway left is taken over."""
        socket.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        socket.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._serve, socket, limit=_LINE_LIMIT)
        socket.chmod(0o600)
        return server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await asyncio.wait_for(reader.readline(), _ANSWER_S)
            answer = await self._answer(json.loads(line))
        except Refused as refusal:
            answer = {"refused": str(refusal)}
        except (ValueError, KeyError, TypeError, TimeoutError) as error:
            answer = {"refused": f"This is no request: {type(error).__name__}: {error}"}
        writer.write(json.dumps(answer).encode() + b"\n")
        try:
            await writer.drain()
        finally:
            writer.close()

    async def _answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        verb, lease_id, epoch = asked["verb"], str(asked["lease"]), int(asked["epoch"])
        match verb:
            case "prepare":
                grant = self._prepare(lease_id, epoch, asked)
            case "open":
                grant = self._book.open(lease_id, epoch, ends_at=float(asked["ends_at"]))
                self._wake()
                log.info("lease=%s is open", lease_id)
            case "close":
                self._book.close(lease_id, epoch)
                await asyncio.wait_for(self._service.ended(), _ANSWER_S)
                log.info("lease=%s is closed", lease_id)
                return {"closed": True}
            case "forget":
                self._book.forget(lease_id, epoch)
                return {"forgotten": self._book.of_lease(lease_id) is None}
            case "look":
                known = self._book.of_lease(lease_id)
                return {"known": known is not None, "open": known is not None and known.is_open}
            case _:
                raise Refused(f"The gateway knows no “{verb}”.")
        host, port = self._door()
        return {
            "host": host,
            "port": port,
            "authority": self._authority.certificate,
            "certificate": grant.certificate,
            "key": grant.key,
            "open": grant.is_open,
        }

    def _prepare(self, lease_id: str, epoch: int, asked: dict[str, Any]) -> Grant:
        known = self._book.of_lease(lease_id)
        ends_at = float(asked["ends_at"])
        upstream = Upstream(**asked["upstream"])
        if known is not None and known.epoch == epoch and known.upstream.switch == upstream.switch:
            certificate, key, fingerprint = known.certificate, known.key, known.fingerprint
            is_open = known.is_open
        else:
            pair = self._authority.holder(lease_id, ends_at)
            certificate, key, fingerprint = pair.certificate, pair.key, pair.fingerprint
            is_open = False
        grant = Grant(
            lease_id=lease_id,
            epoch=epoch,
            upstream=upstream,
            election_high=int(asked["election_high"]),
            election_low=int(asked["election_low"]),
            starts_at=float(asked["starts_at"]),
            ends_at=ends_at,
            certificate=certificate,
            key=key,
            fingerprint=fingerprint,
            programs=tuple(asked.get("programs") or ()),
            ports=tuple(asked.get("ports") or ()),
            is_open=is_open,
        )
        self._book.put(grant)
        self._wake()
        return grant
