"""The calls of P4Runtime, as the emulated switch answers them."""

import threading
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import grpc
from finsy.proto import p4r, p4r_grpc, rpc_status

from adapters.emulators.p4runtime.arbitration import Controller, id_of
from adapters.emulators.p4runtime.device import Device, Personality
from adapters.emulators.p4runtime.faults import Faults
from adapters.emulators.p4runtime.refusals import Code, Refusal

VERSION = "1.4.1"
READ_CHUNK = 1000
GOODBYE = object()
_STATUS = {status.value[0]: status for status in grpc.StatusCode}


class P4RuntimeService(p4r_grpc.P4RuntimeServicer):
    """Answers for all devices of the emulated switch."""

    def __init__(
        self,
        devices: dict[int, Device],
        *,
        personality: Personality,
        faults: Faults,
        when_changed: Callable[[], None],
        when_said: Callable[[], None],
    ) -> None:
        self.devices = devices
        self.personality = personality
        self.faults = faults
        self.when_changed = when_changed
        self.when_said = when_said

    def Capabilities(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.faults.before(context)
        return p4r.CapabilitiesResponse(p4runtime_api_version=VERSION)

    def SetForwardingPipelineConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.faults.before(context)
        try:
            device = self._device(request.device_id)
            with device.lock:
                _check_primary(device, request)
                config = request.config if request.HasField("config") else None
                device.set_pipeline(request.action, config, pretend=self.faults.lies)
                self.when_changed()
        except Refusal as refusal:
            _abort(context, refusal)
        self.faults.after_change(context, device)
        return p4r.SetForwardingPipelineConfigResponse()

    def GetForwardingPipelineConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.faults.before(context)
        answer = p4r.GetForwardingPipelineConfigResponse()
        try:
            device = self._device(request.device_id)
        except Refusal as refusal:
            _abort(context, refusal)
        with device.lock:
            if device.config is not None:
                answer.config.CopyFrom(device.config)
        kinds = p4r.GetForwardingPipelineConfigRequest.ResponseType
        if not answer.HasField("config"):
            return answer  # clearing a field of it would make it be there
        if request.response_type in (kinds.COOKIE_ONLY, kinds.P4INFO_AND_COOKIE):
            answer.config.ClearField("p4_device_config")
        if request.response_type in (kinds.COOKIE_ONLY, kinds.DEVICE_CONFIG_AND_COOKIE):
            answer.config.ClearField("p4info")
        return answer

    def Write(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.faults.before(context)
        try:
            device = self._device(request.device_id)
            with device.lock:
                _check_primary(device, request)
                if request.atomicity != p4r.WriteRequest.Atomicity.CONTINUE_ON_ERROR:
                    raise Refusal(Code.UNIMPLEMENTED, "only CONTINUE_ON_ERROR is supported")
                results = device.write(request.updates, pretend=self.faults.lies)
                self.when_changed()
        except Refusal as refusal:
            _abort(context, refusal)
        if request.updates:
            self.faults.after_change(context, device)
        if any(results):
            _abort_in_part(context, results)
        return p4r.WriteResponse()

    def Read(self, request: Any, context: Any) -> Iterator[Any]:  # noqa: N802
        self.faults.before(context)
        try:
            device = self._device(request.device_id)
            with device.lock:
                found = device.read(request.entities)
        except Refusal as refusal:
            _abort(context, refusal)
        for start in range(0, len(found), READ_CHUNK):
            yield p4r.ReadResponse(entities=found[start : start + READ_CHUNK])

    def StreamChannel(self, requests: Any, context: Any) -> Iterator[Any]:  # noqa: N802
        self.faults.before(context)
        controller = Controller()
        context.add_callback(lambda: controller.outbox.put(None))
        listener = threading.Thread(
            target=self._listen, args=(requests, controller), name="p4runtime-controller", daemon=True
        )
        listener.start()
        try:
            while (said := controller.outbox.get()) is not None:
                if said is GOODBYE:
                    return
                if isinstance(said, Refusal):
                    _abort(context, said)
                yield said
            if context.is_active():
                context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
        finally:
            for device in self.devices.values():
                with device.lock:
                    device.arbitration.leave(controller)

    def _listen(self, requests: Any, controller: Controller) -> None:
        """Hear what one controller says, until it hangs up."""
        device: Device | None = None
        try:
            for request in requests:
                self.when_said()
                kind = request.WhichOneof("update")
                if kind == "arbitration":
                    device = self._hear(request.arbitration, controller, device)
                elif device is None:
                    raise Refusal(Code.FAILED_PRECONDITION, "bid first")
                elif kind == "packet":
                    with device.lock:
                        is_primary = device.arbitration.primary(controller.role or "") is controller
                    if not is_primary:
                        error = p4r.StreamError(canonical_code=Code.PERMISSION_DENIED, message="Not primary")
                        error.packet_out.packet_out.CopyFrom(request.packet)
                        controller.outbox.put(p4r.StreamMessageResponse(error=error))
            # A controller that has no more to say waits until the switch hangs up, too.
            controller.outbox.put(GOODBYE)
        except Refusal as refusal:
            controller.outbox.put(refusal)
        except grpc.RpcError:
            controller.outbox.put(None)
        except Exception:  # grpc ends a request stream with a bare Exception
            controller.outbox.put(None)

    def _hear(self, update: Any, controller: Controller, before: Device | None) -> Device:
        if not update.device_id:
            raise Refusal(Code.INVALID_ARGUMENT, "0 is no device id")
        if self.personality == "bmv2" and update.device_id not in self.devices:
            # As seen on BMv2: it grants control of devices that it does not have.
            self.devices[update.device_id] = Device(device_id=update.device_id, personality="bmv2")
        device = self._device(update.device_id)
        if before is not None and before is not device:
            raise Refusal(Code.FAILED_PRECONDITION, "a stream cannot change its device")
        with device.lock:
            device.arbitration.hear(controller, update)
            self.when_changed()
        return device

    def _device(self, device_id: int) -> Device:
        device = self.devices.get(device_id)
        if device is None:
            raise Refusal(Code.NOT_FOUND, f"there is no device {device_id}")
        return device


def _check_primary(device: Device, request: Any) -> None:
    if not device.arbitration.may_write(request.role, id_of(request)):
        raise Refusal(Code.PERMISSION_DENIED, "Not primary")


def _abort(context: Any, refusal: Refusal) -> NoReturn:
    context.abort(_STATUS[refusal.code], refusal.message)
    raise AssertionError  # abort has raised


def _abort_in_part(context: Any, results: list[Refusal | None]) -> NoReturn:
    status = rpc_status.Status(code=Code.UNKNOWN, message="Write failure")
    for result in results:
        error = p4r.Error(canonical_code=Code.OK)
        if result is not None:
            error = p4r.Error(canonical_code=result.code, message=result.message)
        status.details.add().Pack(error)
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.UNKNOWN, "Write failure")
    raise AssertionError  # abort has raised
