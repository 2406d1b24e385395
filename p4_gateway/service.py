"""The gRPC side of the gateway: P4Runtime and gNMI, passed on when the rules allow it."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
from finsy.proto import gnmi, p4r

from p4_gateway.authority import fingerprint_of
from p4_gateway.grants import Book, Grant
from p4_gateway.rules import (
    Code,
    Refusal,
    refuse_change,
    refuse_device,
    refuse_program,
    refuse_role,
    refuse_setting,
)
from p4_gateway.session import CUT, Controller, Session

log = logging.getLogger("shary.p4_gateway")

P4RUNTIME = "p4.v1.P4Runtime"
GNMI = "gnmi.gNMI"
_MOST_REMEMBERED = 4096


class Service:
    """Answers holders. All of it runs in one event loop."""

    def __init__(self, book: Book, now: Callable[[], float]) -> None:
        self._book = book
        self._now = now
        self._sessions: dict[str, Session] = {}
        self._fingerprints: dict[bytes, str] = {}
        self._endings: set[asyncio.Task[None]] = set()

    def handlers(self) -> tuple[Any, ...]:
        """Return what to register with a gRPC server."""
        stream = grpc.stream_stream_rpc_method_handler(
            self._stream_channel,
            request_deserializer=p4r.StreamMessageRequest.FromString,
            response_serializer=p4r.StreamMessageResponse.SerializeToString,
        )
        p4runtime = {
            "Write": grpc.unary_unary_rpc_method_handler(self._write),
            "Read": grpc.unary_stream_rpc_method_handler(self._read),
            "SetForwardingPipelineConfig": grpc.unary_unary_rpc_method_handler(self._push),
            "GetForwardingPipelineConfig": grpc.unary_unary_rpc_method_handler(self._get_pipeline),
            "Capabilities": grpc.unary_unary_rpc_method_handler(self._capabilities),
            "StreamChannel": stream,
        }
        settings = {
            "Capabilities": grpc.unary_unary_rpc_method_handler(self._gnmi("Capabilities")),
            "Get": grpc.unary_unary_rpc_method_handler(self._gnmi("Get")),
            "Set": grpc.unary_unary_rpc_method_handler(self._gnmi_set),
        }
        return (
            grpc.method_handlers_generic_handler(P4RUNTIME, p4runtime),
            grpc.method_handlers_generic_handler(GNMI, settings),
        )

    def cut(self, grant: Grant) -> None:
        """Cut whoever uses the grant; it is over when `ended` returns."""
        session = self._sessions.pop(grant.lease_id, None)
        if session is not None:
            task = asyncio.get_running_loop().create_task(session.end())
            self._endings.add(task)
            task.add_done_callback(self._endings.discard)

    async def ended(self) -> None:
        """Wait until all that was cut is gone from the switches."""
        if self._endings:
            await asyncio.gather(*list(self._endings), return_exceptions=True)

    # --- who --------------------------------------------------------------------------------------

    async def _session(self, context: Any) -> Session:
        grant = self._book.of_fingerprint(self._fingerprint(context))
        if grant is None:
            await context.abort(Code.PERMISSION_DENIED, "This certificate belongs to no lease of this site.")
        assert grant is not None  # noqa: S101  # abort has raised
        refusal = grant.refusal_at(self._now())
        if refusal:
            await context.abort(Code.PERMISSION_DENIED, refusal)
        session = self._sessions.get(grant.lease_id)
        if session is None or session.grant.epoch != grant.epoch:
            session = self._sessions[grant.lease_id] = Session(grant)
        session.grant = grant
        return session

    def _fingerprint(self, context: Any) -> str:
        pem = context.auth_context().get("x509_pem_cert", (b"",))[0]
        known = self._fingerprints.get(pem)
        if known is None:
            try:
                known = fingerprint_of(pem)
            except ValueError:
                return ""
            if len(self._fingerprints) >= _MOST_REMEMBERED:
                self._fingerprints.clear()
            self._fingerprints[pem] = known
        return known

    # --- P4Runtime --------------------------------------------------------------------------------

    async def _write(self, body: bytes, context: Any) -> bytes:
        session = await self._session(context)
        request = await _parsed(p4r.WriteRequest, body, context)
        await _abort_if(refuse_change(request, session.grant, session.primary), context)
        return await _passed_on(session, "Write", _under_our_id(request, session.grant), context)

    async def _push(self, body: bytes, context: Any) -> bytes:
        session = await self._session(context)
        request = await _parsed(p4r.SetForwardingPipelineConfigRequest, body, context)
        await _abort_if(refuse_change(request, session.grant, session.primary), context)
        digest = hashlib.sha256(request.config.p4_device_config).hexdigest()
        await _abort_if(refuse_program(request, digest, session.grant), context)
        log.info("lease=%s pushes program sha256=%s", session.grant.lease_id, digest)
        body = _under_our_id(request, session.grant)
        return await _passed_on(session, "SetForwardingPipelineConfig", body, context)

    async def _get_pipeline(self, body: bytes, context: Any) -> bytes:
        session = await self._session(context)
        request = await _parsed(p4r.GetForwardingPipelineConfigRequest, body, context)
        await _abort_if(refuse_device(request.device_id, session.grant), context)
        return await _passed_on(session, "GetForwardingPipelineConfig", body, context)

    async def _capabilities(self, body: bytes, context: Any) -> bytes:
        session = await self._session(context)
        return await _passed_on(session, "Capabilities", body, context)

    async def _read(self, body: bytes, context: Any) -> AsyncIterator[bytes]:
        session = await self._session(context)
        request = await _parsed(p4r.ReadRequest, body, context)
        refusal = refuse_device(request.device_id, session.grant) or refuse_role(role=request.role)
        await _abort_if(refusal, context)
        try:
            async for answer in session.calls(f"/{P4RUNTIME}/Read", body, context.time_remaining()):
                yield answer
        except asyncio.CancelledError:
            await _abort_if(CUT if session.cut.is_set() else None, context)
            raise
        except grpc.aio.AioRpcError as error:
            await _repeat(error, context)

    async def _stream_channel(self, requests: Any, context: Any) -> AsyncIterator[Any]:
        session = await self._session(context)
        controller = Controller()
        await _abort_if(session.join(controller), context)
        reader = asyncio.create_task(_read_stream(session, controller, requests))
        try:
            while True:
                message = await controller.outbox.get()
                if message is None:
                    return
                if isinstance(message, Refusal):
                    await context.abort(message.code, message.words)
                yield message
        finally:
            reader.cancel()
            await session.leave(controller)

    # --- gNMI -------------------------------------------------------------------------------------

    def _gnmi(self, name: str) -> Callable[[bytes, Any], Any]:
        async def look(body: bytes, context: Any) -> bytes:
            session = await self._session(context)
            return await _passed_on(session, name, body, context, service=GNMI)

        return look

    async def _gnmi_set(self, body: bytes, context: Any) -> bytes:
        session = await self._session(context)
        request = await _parsed(gnmi.SetRequest, body, context)
        await _abort_if(refuse_setting(request, session.grant), context)
        return await _passed_on(session, "Set", body, context, service=GNMI)


async def _read_stream(session: Session, controller: Controller, requests: Any) -> None:
    try:
        async for message in requests:
            if message.HasField("arbitration"):
                refusal = await session.bid(controller, message.arbitration)
                if refusal is not None:
                    controller.outbox.put_nowait(refusal)
                    return
            elif not controller.has_spoken:
                words = "The first message of a stream has to be an arbitration update."
                controller.outbox.put_nowait(Refusal(code=Code.FAILED_PRECONDITION, words=words))
                return
            else:
                session.send_up(controller, message)
    except asyncio.CancelledError:
        raise
    except grpc.aio.AbortError:
        return  # we ended the stream while it was listened to
    except Exception:
        log.exception("lease=%s a stream broke", session.grant.lease_id)
    controller.outbox.put_nowait(None)


async def _passed_on(
    session: Session, name: str, body: bytes, context: Any, *, service: str = P4RUNTIME
) -> bytes:
    try:
        return await session.call(f"/{service}/{name}", body, context.time_remaining())
    except asyncio.CancelledError:
        await _abort_if(CUT if session.cut.is_set() else None, context)
        raise
    except grpc.aio.AioRpcError as error:
        await _repeat(error, context)
        raise


async def _repeat(error: grpc.aio.AioRpcError, context: Any) -> None:
    """Say what the switch said, details of each update included."""
    details = [pair for pair in error.trailing_metadata() or () if pair[0] == "grpc-status-details-bin"]
    await context.abort(error.code(), error.details() or "", tuple(details))


async def _abort_if(refusal: Refusal | None, context: Any) -> None:
    if refusal is not None:
        await context.abort(refusal.code, refusal.words)


async def _parsed(shape: Any, body: bytes, context: Any) -> Any:
    try:
        return shape.FromString(body)
    except Exception:
        await context.abort(Code.INVALID_ARGUMENT, f"This is no {shape.DESCRIPTOR.name}.")


def _under_our_id(request: Any, grant: Grant) -> bytes:
    request.election_id.high, request.election_id.low = grant.election_high, grant.election_low
    return bytes(request.SerializeToString())
