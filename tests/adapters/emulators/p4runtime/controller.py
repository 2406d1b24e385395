"""A controller as anybody could write one: raw stubs, none of our client's code."""

import queue
import threading
from collections.abc import Iterable
from typing import Any

import grpc
from finsy.proto import p4i, p4r, p4r_grpc, rpc_status
from google.protobuf import text_format

from adapters.emulators.p4runtime import example

DEADLINE_S = 5.0
INSERT, MODIFY, DELETE = (p4r.Update.Type.Value(name) for name in ("INSERT", "MODIFY", "DELETE"))


def uint128(number: int) -> p4r.Uint128:
    return p4r.Uint128(high=number >> 64, low=number & (2**64 - 1))


def example_config(cookie: int = 7) -> p4r.ForwardingPipelineConfig:
    return p4r.ForwardingPipelineConfig(
        p4info=text_format.Parse(example.P4INFO.read_text(), p4i.P4Info()),
        p4_device_config=example.DEVICE_CONFIG.read_bytes(),
        cookie=p4r.ForwardingPipelineConfig.Cookie(cookie=cookie),
    )


def mac_entry(mac: int = 0x020000000001, port: int = 3) -> p4r.Entity:
    """An entry of the example's table Forward.mac."""
    return p4r.Entity(
        table_entry=p4r.TableEntry(
            table_id=33554433,
            match=[p4r.FieldMatch(field_id=1, exact=p4r.FieldMatch.Exact(value=mac.to_bytes(6, "big")))],
            action=p4r.TableAction(
                action=p4r.Action(
                    action_id=16777218, params=[p4r.Action.Param(param_id=1, value=bytes([port]))]
                )
            ),
        )
    )


def code_of(caught: Any) -> str:
    """The name of the status with which a call ended."""
    return caught.value.code().name


class Controller:
    """One connection, with its stream once it bids."""

    def __init__(self, address: str, device_id: int = 1, credentials: Any | None = None) -> None:
        self.device_id = device_id
        self.election_id: int | None = None
        options = [("grpc.use_local_subchannel_pool", 1)]
        self.channel = (
            grpc.insecure_channel(address, options)
            if credentials is None
            else grpc.secure_channel(address, credentials, options)
        )
        self.stub = p4r_grpc.P4RuntimeStub(self.channel)
        self._requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.heard: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.reader: threading.Thread | None = None
        self.last: Any = None

    def __enter__(self) -> "Controller":
        return self

    def __exit__(self, *_: object) -> None:
        self.hang_up()
        self.channel.close()

    # --- the stream -----------------------------------------------------------------------------

    def bid(self, election_id: int | None, *, role: str = "", device_id: int | None = None) -> str:
        """Bid, and return the name of the status that comes back first."""
        self.election_id = election_id
        update = p4r.MasterArbitrationUpdate(device_id=device_id or self.device_id)
        if role:
            update.role.name = role
        if election_id is not None:
            update.election_id.CopyFrom(uint128(election_id))
        self.say(p4r.StreamMessageRequest(arbitration=update))
        return self.next_status()

    def say(self, request: Any) -> None:
        if self.reader is None:
            call = self.stub.StreamChannel(iter(self._requests.get, None))
            self._call = call
            self.reader = threading.Thread(target=self._listen, args=(call,), daemon=True)
            self.reader.start()
        self._requests.put(request)

    def next_status(self) -> str:
        """Wait for what the switch says next; an error that ends the stream is raised."""
        self.last = self.heard.get(timeout=DEADLINE_S)
        if isinstance(self.last, Exception):
            raise self.last
        code = self.last.arbitration.status.code
        return next(status.name for status in grpc.StatusCode if status.value[0] == code)

    def told_id(self) -> int | None:
        update = self.last.arbitration
        if not update.HasField("election_id"):
            return None
        return update.election_id.high << 64 | update.election_id.low

    def hang_up(self) -> None:
        if self.reader is not None:
            self._requests.put(None)
            self._call.cancel()
            self.reader.join(DEADLINE_S)
            self.reader = None
            self.heard = queue.SimpleQueue()

    def _listen(self, call: Any) -> None:
        heard = self.heard
        try:
            for answer in call:
                heard.put(answer)
        except grpc.RpcError as error:
            heard.put(error)

    # --- the calls ------------------------------------------------------------------------------

    def push(self, config: Any | None, action: str = "VERIFY_AND_COMMIT", **fields: Any) -> None:
        request = p4r.SetForwardingPipelineConfigRequest(
            device_id=self.device_id,
            action=p4r.SetForwardingPipelineConfigRequest.Action.Value(action),
            config=config,
            **fields,
        )
        if self.election_id is not None:
            request.election_id.CopyFrom(uint128(self.election_id))
        self.stub.SetForwardingPipelineConfig(request, timeout=DEADLINE_S)

    def pipeline(self, kind: str = "ALL") -> Any:
        kinds = p4r.GetForwardingPipelineConfigRequest.ResponseType
        request = p4r.GetForwardingPipelineConfigRequest(
            device_id=self.device_id, response_type=kinds.Value(kind)
        )
        return self.stub.GetForwardingPipelineConfig(request, timeout=DEADLINE_S)

    def write(self, *updates: tuple[Any, Any], **fields: Any) -> None:
        request = p4r.WriteRequest(
            device_id=self.device_id,
            updates=[p4r.Update(type=kind, entity=entity) for kind, entity in updates],
            **fields,
        )
        if self.election_id is not None:
            request.election_id.CopyFrom(uint128(self.election_id))
        self.stub.Write(request, timeout=DEADLINE_S)

    def errors(self, *updates: tuple[Any, Any]) -> list[str]:
        """Write, and return the name of each update's own status."""
        try:
            self.write(*updates)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNKNOWN:
                raise
            trailing = dict(error.trailing_metadata())
            status = rpc_status.Status.FromString(trailing["grpc-status-details-bin"])
            found = []
            for detail in status.details:
                part = p4r.Error()
                assert detail.Unpack(part)
                found.append(next(s.name for s in grpc.StatusCode if s.value[0] == part.canonical_code))
            return found
        return ["OK" for _ in updates]

    def read(self, *entities: Any) -> list[Any]:
        request = p4r.ReadRequest(device_id=self.device_id, entities=_list(entities))
        return [entity for answer in self.stub.Read(request, timeout=DEADLINE_S) for entity in answer.entities]


def _list(entities: Iterable[Any]) -> list[Any]:
    return list(entities) or [p4r.Entity(table_entry=p4r.TableEntry())]
