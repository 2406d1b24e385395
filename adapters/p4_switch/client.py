"""The wire: a thin synchronous P4Runtime client, with a deadline on every call.

Everything that grpc can raise becomes one of `adapters.errors`. A connection is closed with its
`with` block, and leaves no thread behind.
"""

import queue
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal

import grpc
from finsy.proto import p4r, p4r_grpc, rpc_status
from google.protobuf.message import DecodeError

from adapters.errors import AdapterError, DeviceBusy, DeviceRefused, DeviceUnreachable, OutcomeUnknown
from adapters.p4_switch.election import ElectionId

MESSAGE_LIMIT_BYTES = 64 * 1024 * 1024
PUSH_FACTOR = 4
"""A push may take so many times as long as another call."""


class NotOffered(DeviceRefused):
    """The switch does not implement what it was asked."""


Standing = Literal["primary", "backup", "vacant"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """PEM texts for an encrypted connection."""

    authority: bytes
    certificate: bytes | None = None
    key: bytes | None = None
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arbitration:
    """What the switch says about who controls it."""

    standing: Standing
    """`primary`: we do; `backup`: another controller does; `vacant`: nobody does, nor may we."""
    highest: ElectionId | None
    """The highest id the switch has seen, as far as it tells."""


class P4RuntimeClient:
    """One connection to one device. Use it as a context manager."""

    def __init__(self, *, address: str, device_id: int, timeout_s: float, tls: Tls | None = None) -> None:
        self.address = address
        self.device_id = device_id
        self.timeout_s = timeout_s
        options: list[tuple[str, int | str]] = [
            ("grpc.max_receive_message_length", MESSAGE_LIMIT_BYTES),
            ("grpc.max_send_message_length", MESSAGE_LIMIT_BYTES),
            ("grpc.enable_retries", 0),
            ("grpc.enable_http_proxy", 0),
            # Without it two channels share one connection, and a second look would be no second look.
            ("grpc.use_local_subchannel_pool", 1),
        ]
        if tls is None:
            self._channel = grpc.insecure_channel(address, options)
        else:
            if tls.name:
                options.append(("grpc.ssl_target_name_override", tls.name))
            credentials = grpc.ssl_channel_credentials(tls.authority, tls.key, tls.certificate)
            self._channel = grpc.secure_channel(address, credentials, options)
        self._stub = p4r_grpc.P4RuntimeStub(self._channel)

    def __enter__(self) -> "P4RuntimeClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._channel.close()

    def version(self) -> str:
        """Return the P4Runtime version that the switch speaks; "1.0" when it is too old to say."""
        request = p4r.CapabilitiesRequest(device_id=self.device_id)
        try:
            answer = self._stub.Capabilities(request, timeout=self.timeout_s)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                return "1.0"
            raise self._while_looking(error) from error
        return str(answer.p4runtime_api_version)

    def pipeline(self, *, whole: bool = False) -> p4r.ForwardingPipelineConfig | None:
        """Return what the switch runs, or None when it runs nothing.

        P4Info and cookie only, unless the `whole` of it is asked for, device configuration included.
        """
        kinds = p4r.GetForwardingPipelineConfigRequest.ResponseType
        request = p4r.GetForwardingPipelineConfigRequest(
            device_id=self.device_id, response_type=kinds.ALL if whole else kinds.P4INFO_AND_COOKIE
        )
        try:
            answer = self._stub.GetForwardingPipelineConfig(request, timeout=self.timeout_s)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.FAILED_PRECONDITION:
                return None  # BMv2 says so before its first program
            raise self._while_looking(error) from error
        # Some answer with an empty message where there is no program.
        return answer.config if answer.HasField("config") and answer.config.ByteSize() else None

    def commit(self, config: p4r.ForwardingPipelineConfig, election_id: ElectionId) -> None:
        """Replace the program and clear all that was written to the one before."""
        request = p4r.SetForwardingPipelineConfigRequest(
            device_id=self.device_id,
            election_id=_on_wire(election_id),
            action=p4r.SetForwardingPipelineConfigRequest.Action.VERIFY_AND_COMMIT,
            config=config,
        )
        try:
            self._stub.SetForwardingPipelineConfig(request, timeout=self.timeout_s * PUSH_FACTOR)
        except grpc.RpcError as error:
            raise self._while_changing(error, "the program") from error

    def read(self, wildcards: Iterable[p4r.Entity]) -> Iterator[p4r.Entity]:
        """Yield all that the switch holds and that the wildcards ask for."""
        request = p4r.ReadRequest(device_id=self.device_id, entities=wildcards)
        call = self._stub.Read(request, timeout=self.timeout_s)
        try:
            for answer in call:
                yield from answer.entities
        except grpc.RpcError as error:
            raise self._while_looking(error) from error
        finally:
            call.cancel()

    def insert(self, entities: Iterable[p4r.Entity], election_id: ElectionId) -> None:
        """Write new entities; `DeviceRefused` says of each that was refused why."""
        self._update(p4r.Update.Type.INSERT, entities, election_id, "an entry")

    def modify(self, entities: Iterable[p4r.Entity], election_id: ElectionId) -> None:
        """Write over what is there."""
        self._update(p4r.Update.Type.MODIFY, entities, election_id, "what remained, as it was in the beginning")

    def delete(self, entities: Iterable[p4r.Entity], election_id: ElectionId) -> None:
        """Delete what was read from the switch."""
        self._update(p4r.Update.Type.DELETE, entities, election_id, "what remained")

    def _update(self, kind: Any, entities: Iterable[p4r.Entity], election_id: ElectionId, what: str) -> None:
        request = p4r.WriteRequest(
            device_id=self.device_id,
            election_id=_on_wire(election_id),
            updates=[p4r.Update(type=kind, entity=entity) for entity in entities],
        )
        try:
            self._stub.Write(request, timeout=self.timeout_s)
        except grpc.RpcError as error:
            raise self._while_changing(error, what) from error

    @contextmanager
    def bidding(self) -> Iterator["Bidding"]:
        """Open the stream on which a controller bids for the switch; closing it gives control up."""
        bidding = Bidding(self._stub, device_id=self.device_id, address=self.address, timeout_s=self.timeout_s)
        try:
            yield bidding
        finally:
            bidding.close()

    def _while_looking(self, error: Any) -> AdapterError:
        code, words = error.code(), error.details()
        if code is grpc.StatusCode.NOT_FOUND:
            return DeviceRefused(
                f"The server at {self.address} has no device {self.device_id} ({words}): mend the device id."
            )
        if code is grpc.StatusCode.UNIMPLEMENTED:
            return NotOffered(f"The switch at {self.address} does not offer this: {words}")
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            return DeviceUnreachable(
                f"The switch at {self.address} gave no answer within {self.timeout_s:g} s."
            )
        if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
            return DeviceUnreachable(f"The switch at {self.address} cannot be reached: {words}")
        return DeviceRefused(f"The switch at {self.address} refused to be looked at: {code.name}, {words}")

    def _while_changing(self, error: Any, what: str) -> AdapterError:
        code, words = error.code(), error.details()
        match code:
            case grpc.StatusCode.DEADLINE_EXCEEDED | grpc.StatusCode.UNAVAILABLE | grpc.StatusCode.CANCELLED:
                return OutcomeUnknown(
                    f"The switch at {self.address} was sent {what} and has not answered ({code.name}): {words}"
                )
            case grpc.StatusCode.PERMISSION_DENIED:
                return DeviceBusy(
                    f"Another controller took the switch at {self.address} over while it was sent {what}."
                )
        words = _reasons(error) or words
        return DeviceRefused(f"The switch at {self.address} refused {what}: {code.name}, {words}")


class Bidding:
    """A stream on which we bid for a switch. Holding it open keeps what was won."""

    def __init__(self, stub: Any, *, device_id: int, address: str, timeout_s: float) -> None:
        self._device_id = device_id
        self._address = address
        self._timeout_s = timeout_s
        self._requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._call = stub.StreamChannel(iter(self._requests.get, None))
        self._reader = threading.Thread(target=self._read, name="p4runtime-stream", daemon=True)
        self._reader.start()

    def bid(self, election_id: ElectionId | None) -> Arbitration:
        """Bid, and return what the switch says. None only asks: it never becomes primary."""
        update = p4r.MasterArbitrationUpdate(device_id=self._device_id)
        if election_id is not None:
            update.election_id.CopyFrom(_on_wire(election_id))
        self._requests.put(p4r.StreamMessageRequest(arbitration=update))
        while True:
            said = self._next_answer()
            # Controllers that come and go make the switch speak up too: what it says of a bid
            # lower than ours was said before it heard ours.
            if said.standing == "primary" or election_id is None or said.highest is None:
                return said
            if said.highest >= election_id:
                return said

    def close(self) -> None:
        """Give up what was won."""
        self._requests.put(None)
        self._call.cancel()
        self._reader.join(self._timeout_s)

    def _next_answer(self) -> Arbitration:
        try:
            answer = self._answers.get(timeout=self._timeout_s)
        except queue.Empty:
            raise OutcomeUnknown(
                f"The switch at {self._address} did not say within {self._timeout_s:g} s who controls it."
            ) from None
        if isinstance(answer, grpc.RpcError):
            raise self._refusal(answer) from answer
        return _said(answer.arbitration)

    def _read(self) -> None:
        try:
            for answer in self._call:
                if answer.HasField("arbitration"):
                    self._answers.put(answer)
        except grpc.RpcError as error:
            self._answers.put(error)

    def _refusal(self, error: Any) -> AdapterError:
        code, words = error.code(), error.details()
        match code:
            case grpc.StatusCode.UNAVAILABLE:
                return OutcomeUnknown(
                    f"The switch at {self._address} hung up while we bid for control: {words}"
                )
            case grpc.StatusCode.INVALID_ARGUMENT | grpc.StatusCode.RESOURCE_EXHAUSTED:
                return DeviceBusy(f"The switch at {self._address} takes no further controller: {words}")
            case grpc.StatusCode.NOT_FOUND:
                return DeviceRefused(
                    f"The server at {self._address} has no device {self._device_id}: mend the device id."
                )
        return DeviceRefused(f"The switch at {self._address} refused our bid: {code.name}, {words}")


def _reasons(error: Any) -> str:
    """Return why each update of a write was refused, as the switch lists it in the trailer."""
    for key, content in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            try:
                details = rpc_status.Status.FromString(content).details
                found = [p4r.Error.FromString(detail.value) for detail in details]
            except DecodeError:
                return ""
            return "; ".join(
                each.message or f"code {each.canonical_code}" for each in found if each.canonical_code
            )
    return ""


def _said(update: Any) -> Arbitration:
    standings: dict[int, Standing] = {
        grpc.StatusCode.OK.value[0]: "primary",
        grpc.StatusCode.ALREADY_EXISTS.value[0]: "backup",
    }
    highest = None
    if update.HasField("election_id"):
        highest = ElectionId(update.election_id.high, update.election_id.low)
    return Arbitration(standing=standings.get(update.status.code, "vacant"), highest=highest)


def _on_wire(election_id: ElectionId) -> p4r.Uint128:
    return p4r.Uint128(high=election_id.high, low=election_id.low)
