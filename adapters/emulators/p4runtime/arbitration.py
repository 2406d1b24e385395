"""Who controls the switch: the highest election id that was ever received, per role."""

import queue
from dataclasses import dataclass, field
from typing import Any

from finsy.proto import p4r, rpc_status

from adapters.emulators.p4runtime.refusals import Code, Refusal, invalid

STREAM_LIMIT = 16


@dataclass(eq=False, slots=True)
class Controller:
    """One open stream."""

    outbox: "queue.SimpleQueue[Any]" = field(default_factory=queue.SimpleQueue)
    role: str | None = None
    """None until its first message."""
    election_id: int | None = None


class Arbitration:
    """The controllers of one device. The caller holds the device's lock."""

    def __init__(self, *, device_id: int, remembers: bool) -> None:
        self.device_id = device_id
        self.remembers = remembers
        """As the specification says; BMv2 compares only the controllers that are connected."""
        self.highest: dict[str, int] = {}
        self.controllers: list[Controller] = []

    def primary(self, role: str) -> Controller | None:
        """Return who controls the role now."""
        live = [c for c in self.controllers if c.role == role and c.election_id is not None]
        if not live:
            return None
        best = max(live, key=lambda controller: controller.election_id or 0)
        if self.remembers and best.election_id != self.highest.get(role):
            return None
        return best

    def may_write(self, role: str, election_id: int | None) -> bool:
        """Say whether a request with this id comes from the primary."""
        primary = self.primary(role)
        return primary is not None and election_id is not None and primary.election_id == election_id

    def hear(self, controller: Controller, update: Any) -> None:
        """Take a bid, and tell everybody whom it concerns."""
        role, election_id = update.role.name, id_of(update)
        if not self.remembers:
            election_id = election_id or 0  # BMv2 does not tell “unset” from zero
        if update.role.HasField("config"):
            raise invalid("role.config is not supported")
        if controller.role is None:
            if sum(c.role is not None for c in self.controllers) >= STREAM_LIMIT:
                raise Refusal(Code.RESOURCE_EXHAUSTED, "too many controllers")
        elif controller.role != role:
            raise Refusal(Code.FAILED_PRECONDITION, "a stream cannot change its role")
        others = (c for c in self.controllers if c is not controller and c.role == role)
        if election_id is not None and any(other.election_id == election_id for other in others):
            raise invalid("Election id already exists")
        before = self.primary(role), self.highest.get(role)
        if controller.role is None:
            self.controllers.append(controller)
        controller.role, controller.election_id = role, election_id
        if election_id is not None:
            self.highest[role] = max(election_id, self.highest.get(role, 0))
        if (self.primary(role), self.highest.get(role)) != before:
            self._tell_all(role)
        else:
            self._tell(controller)

    def leave(self, controller: Controller) -> None:
        """Forget a controller that has hung up."""
        if controller not in self.controllers:
            return
        role = controller.role or ""
        was_primary = self.primary(role) is controller
        self.controllers.remove(controller)
        if was_primary:
            self._tell_all(role)

    def forget(self) -> None:
        """Restart: no controller, no id."""
        for controller in self.controllers:
            controller.outbox.put(None)
        self.controllers.clear()
        self.highest.clear()

    def _tell_all(self, role: str) -> None:
        for controller in self.controllers:
            if controller.role == role:
                self._tell(controller)

    def _tell(self, controller: Controller) -> None:
        role = controller.role or ""
        primary = self.primary(role)
        if primary is controller:
            status = rpc_status.Status(code=Code.OK)
        elif primary is not None:
            status = rpc_status.Status(code=Code.ALREADY_EXISTS, message="You are a backup")
        else:
            status = rpc_status.Status(code=Code.NOT_FOUND, message="There is no primary")
        update = p4r.MasterArbitrationUpdate(device_id=self.device_id, status=status)
        if role:
            update.role.name = role
        told = self.highest.get(role) if self.remembers else primary.election_id if primary else None
        if told is not None:
            update.election_id.high, update.election_id.low = told >> 64, told & (2**64 - 1)
        controller.outbox.put(p4r.StreamMessageResponse(arbitration=update))


def id_of(request: Any) -> int | None:
    """Return the election id of a message as one number; None when it has none."""
    if not request.HasField("election_id"):
        return None
    return int(request.election_id.high << 64 | request.election_id.low)
