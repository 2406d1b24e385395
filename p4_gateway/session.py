"""One lease at work: its controllers, who of them is primary, and the one connection to the switch.

The switch sees one controller with one election id, whatever ids the holder's controllers bid:
they are ordered here, by the rules of P4Runtime 1.5 (section 5, arbitration). Nothing that a
holder bids can outlive the lease, since no bid of theirs ever reaches the switch.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import grpc
from finsy.proto import p4r

from p4_gateway.grants import Grant
from p4_gateway.rules import MOST_STREAMS, Code, Refusal, election_id, refuse_device, refuse_role

log = logging.getLogger("shary.p4_gateway")

MESSAGE_LIMIT_BYTES = 64 * 1024 * 1024
_ANSWER_S = 10.0
_OPTIONS = (
    ("grpc.max_receive_message_length", MESSAGE_LIMIT_BYTES),
    ("grpc.max_send_message_length", MESSAGE_LIMIT_BYTES),
    ("grpc.enable_retries", 0),
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
)
CUT = Refusal(code=Code.PERMISSION_DENIED, words="The lease is over, or was closed.")
_LOST = Refusal(
    code=Code.UNAVAILABLE,
    words="The switch hung up. If it restarted, its tables are empty: open the stream again, and write them anew.",
)


@dataclass(eq=False)
class Controller:
    """One stream of the holder's."""

    outbox: "asyncio.Queue[Any]" = field(default_factory=asyncio.Queue)
    """Messages for the controller; a `Refusal` ends its stream."""
    bid: int | None = None
    has_spoken: bool = False


class Session:
    """All that goes on for one grant."""

    def __init__(self, grant: Grant) -> None:
        self.grant = grant
        self.cut = asyncio.Event()
        self._controllers: list[Controller] = []
        self._highest: int | None = None
        self._calls: set[asyncio.Task[Any]] = set()
        self._stream: asyncio.Task[None] | None = None
        self._up: asyncio.Queue[Any] = asyncio.Queue()
        self._won: asyncio.Future[None] | None = None
        upstream = grant.upstream
        if upstream.authority:
            options = [
                *_OPTIONS,
                *([("grpc.ssl_target_name_override", upstream.name)] if upstream.name else []),
            ]
            credentials = grpc.ssl_channel_credentials(
                upstream.authority.encode(),
                upstream.key.encode() or None,
                upstream.certificate.encode() or None,
            )
            self.channel = grpc.aio.secure_channel(upstream.address, credentials, options)
        else:
            self.channel = grpc.aio.insecure_channel(upstream.address, list(_OPTIONS))

    @property
    def primary(self) -> int | None:
        """Return the id of the controller that has control, or None when nobody has."""
        if self._highest is None or all(each.bid != self._highest for each in self._controllers):
            return None
        return self._highest

    async def end(self) -> None:
        """Cut every stream and call, and let go of the switch."""
        self.cut.set()
        for controller in self._controllers:
            controller.outbox.put_nowait(CUT)
        for task in list(self._calls):
            task.cancel()
        if self._stream is not None:
            self._stream.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await self._stream
        await self.channel.close()

    # --- calls ------------------------------------------------------------------------------------

    async def call(self, path: str, body: bytes, timeout_s: float | None) -> bytes:
        """Make one call to the switch and return its answer; cancelled when the lease is cut."""
        call: Any = self.channel.unary_unary(path)
        answer: bytes = await self._until_cut(asyncio.ensure_future(_awaited(call(body, timeout=timeout_s))))
        return answer

    async def calls(self, path: str, body: bytes, timeout_s: float | None) -> AsyncIterator[bytes]:
        """Make a call that is answered by many messages."""
        call: Any = self.channel.unary_stream(path)(body, timeout=timeout_s)
        try:
            while True:
                if self.cut.is_set():  # while the holder was slow to take the last answer
                    raise asyncio.CancelledError
                answer = await self._until_cut(asyncio.ensure_future(_awaited(call.read())))
                if answer is grpc.aio.EOF:
                    return
                yield answer
        finally:
            call.cancel()

    async def _until_cut(self, task: "asyncio.Task[Any]") -> Any:
        self._calls.add(task)
        try:
            return await task
        finally:
            self._calls.discard(task)

    # --- arbitration ------------------------------------------------------------------------------

    def join(self, controller: Controller) -> Refusal | None:
        """Take a controller in; it has yet to bid."""
        if len(self._controllers) >= MOST_STREAMS:
            return Refusal(
                code=Code.RESOURCE_EXHAUSTED, words=f"You have {MOST_STREAMS} open streams; close one first."
            )
        self._controllers.append(controller)
        return None

    async def leave(self, controller: Controller) -> None:
        """Let a controller go; the others hear who has control now."""
        if controller not in self._controllers:
            return
        was = self.primary
        self._controllers.remove(controller)
        if self.primary != was:
            self._announce()
        if not self._controllers and self._stream is not None and not self.cut.is_set():
            self._stream.cancel()
            self._stream = None

    async def bid(self, controller: Controller, update: Any) -> Refusal | None:
        """Take a bid, and answer it as a switch would."""
        if self.cut.is_set():
            return CUT
        refusal = refuse_device(update.device_id, self.grant) or refuse_role(
            role=update.role.name, role_id=update.role.id
        )
        if refusal is not None:
            if controller.has_spoken:
                return Refusal(code=Code.FAILED_PRECONDITION, words=refusal.words)
            return refusal
        wanted = election_id(update.election_id) if update.HasField("election_id") else None
        if wanted is not None and any(
            each.bid == wanted for each in self._controllers if each is not controller
        ):
            return Refusal(code=Code.INVALID_ARGUMENT, words="Election id already exists")
        if lost := await self._hold_the_switch():
            return lost
        was = self.primary
        controller.bid, controller.has_spoken = wanted, True
        if wanted is not None and (self._highest is None or wanted > self._highest):
            self._highest = wanted
        if self.primary != was:
            self._announce()
        else:
            self._tell(controller)
        return None

    def send_up(self, controller: Controller, message: Any) -> None:
        """Pass a packet or an acknowledgement on, from the controller that has control."""
        if self.cut.is_set():
            controller.outbox.put_nowait(CUT)
            return
        if controller.bid is not None and controller.bid == self.primary:
            self._up.put_nowait(message)
            return
        error = p4r.StreamError(canonical_code=Code.PERMISSION_DENIED.value[0], message="Not primary")
        controller.outbox.put_nowait(p4r.StreamMessageResponse(error=error))

    def _announce(self) -> None:
        for controller in self._controllers:
            if controller.has_spoken:
                self._tell(controller)

    def _tell(self, controller: Controller) -> None:
        primary = self.primary
        update = p4r.MasterArbitrationUpdate(device_id=self.grant.upstream.device_id)
        if self._highest is not None:
            update.election_id.high, update.election_id.low = divmod(self._highest, 1 << 64)
        if primary is None:
            update.status.code, update.status.message = Code.NOT_FOUND.value[0], "There is no primary"
        elif controller.bid == primary:
            update.status.code, update.status.message = Code.OK.value[0], "Is primary"
        else:
            update.status.code, update.status.message = Code.ALREADY_EXISTS.value[0], "Is backup"
        controller.outbox.put_nowait(p4r.StreamMessageResponse(arbitration=update))

    # --- the switch -------------------------------------------------------------------------------

    async def _hold_the_switch(self) -> Refusal | None:
        if self._stream is None or self._stream.done():
            self._up = asyncio.Queue()
            self._won = asyncio.get_running_loop().create_future()
            self._stream = asyncio.create_task(self._run_stream(self._won))
        won = self._won
        assert won is not None  # noqa: S101  # set with the stream
        try:
            await asyncio.wait_for(asyncio.shield(won), _ANSWER_S)
        except TimeoutError:
            return Refusal(code=Code.UNAVAILABLE, words="The switch does not say who controls it; try again.")
        except _NotOurs as refused:
            return Refusal(code=Code.UNAVAILABLE, words=str(refused))
        return None

    async def _run_stream(self, won: "asyncio.Future[None]") -> None:
        stream: Any = self.channel.stream_stream(
            "/p4.v1.P4Runtime/StreamChannel",
            request_serializer=p4r.StreamMessageRequest.SerializeToString,
            response_deserializer=p4r.StreamMessageResponse.FromString,
        )
        call = stream(self._outgoing())
        try:
            async for message in call:
                self._take(message, won)
            self._lose(won, "it ended the stream")
        except grpc.aio.AioRpcError as error:
            self._lose(won, f"{error.code().name}: {error.details()}")
        except asyncio.CancelledError:
            if not won.done():
                won.cancel()
            raise
        finally:
            call.cancel()

    async def _outgoing(self) -> AsyncIterator[Any]:
        ours = p4r.Uint128(high=self.grant.election_high, low=self.grant.election_low)
        bid = p4r.MasterArbitrationUpdate(device_id=self.grant.upstream.device_id, election_id=ours)
        yield p4r.StreamMessageRequest(arbitration=bid)
        while True:
            yield await self._up.get()

    def _take(self, message: Any, won: "asyncio.Future[None]") -> None:
        if message.HasField("arbitration"):
            code = message.arbitration.status.code
            if code == Code.OK.value[0]:
                if not won.done():
                    won.set_result(None)
            elif won.done():
                self._hang_up(Refusal(code=Code.UNAVAILABLE, words="Another controller took the switch over."))
            else:
                won.set_exception(_NotOurs("Another controller has the switch; tell the site's operator."))
                won.exception()
            return
        for controller in self._controllers:
            # What the switch says of itself is for the primary; as a switch does, backups hear digests not.
            if controller.bid is not None and controller.bid == self.primary:
                controller.outbox.put_nowait(message)

    def _lose(self, won: "asyncio.Future[None]", why: str) -> None:
        log.warning("lease=%s the switch %s was lost: %s", self.grant.lease_id, self.grant.upstream.switch, why)
        if not won.done():
            won.set_exception(_NotOurs(f"The switch cannot be reached: {why}"))
            won.exception()
        else:
            self._hang_up(_LOST)

    def _hang_up(self, why: Refusal) -> None:
        for controller in self._controllers:
            if controller.has_spoken:
                controller.outbox.put_nowait(why)


class _NotOurs(Exception):
    """The switch did not take us as its controller."""


async def _awaited(call: Any) -> Any:
    return await call
