"""What a holder may say to the switch. Pure: each answers with a refusal, or with None."""

from dataclasses import dataclass
from typing import Any

import grpc

from p4_gateway.grants import Grant

Code = grpc.StatusCode
MOST_STREAMS = 16
"""Controllers of one holder at a time; BMv2 itself takes sixteen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a call is not passed on."""

    code: grpc.StatusCode
    words: str


def refuse_device(device_id: int, grant: Grant) -> Refusal | None:
    """Refuse any device but the one that was booked."""
    if device_id == grant.upstream.device_id:
        return None
    return Refusal(
        code=Code.NOT_FOUND,
        words=f"Device {device_id} is not yours: this lease is for device {grant.upstream.device_id}.",
    )


def refuse_role(*, role: str = "", role_id: int = 0) -> Refusal | None:
    """Refuse every role: the whole switch was booked, and roles would hide part of it from the clean-up."""
    if not role and not role_id:
        return None
    return Refusal(
        code=Code.PERMISSION_DENIED,
        words=f"The role “{role or role_id}” is not granted: you have the whole switch, leave the role out.",
    )


def refuse_change(request: Any, grant: Grant, primary: int | None) -> Refusal | None:
    """Refuse a write or a push that does not come from the lease's primary controller."""
    refusal = refuse_device(request.device_id, grant) or refuse_role(role=request.role, role_id=request.role_id)
    if refusal is not None:
        return refusal
    if not request.HasField("election_id"):
        return Refusal(code=Code.PERMISSION_DENIED, words="Not primary: the request carries no election id.")
    if primary is None or election_id(request.election_id) != primary:
        return Refusal(
            code=Code.PERMISSION_DENIED,
            words="Not primary: open a stream and bid with this election id first, above your other controllers.",
        )
    return None


def refuse_program(request: Any, digest: str, grant: Grant) -> Refusal | None:
    """Refuse a device configuration that was not given with the booking, where the site wants it so."""
    if not grant.programs or not request.HasField("config") or digest in grant.programs:
        return None
    return Refusal(
        code=Code.PERMISSION_DENIED,
        words="This site allows only the programs that were booked: give this one to a new reservation.",
    )


def refuse_setting(request: Any, grant: Grant) -> Refusal | None:
    """Refuse a gNMI Set that does more than to switch one of the lease's ports on or off."""
    if request.delete:
        return _not_set("deleting")
    for update in [*request.update, *request.replace]:
        steps = [*request.prefix.elem, *update.path.elem]
        names = [step.name for step in steps]
        if names != ["interfaces", "interface", "config", "enabled"] or request.prefix.target:
            return _not_set("/" + "/".join(names))
        if steps[1].key.get("name") not in grant.ports:
            return _not_set(f"port {steps[1].key.get('name', '')}")
    if request.ByteSize() and not (request.update or request.replace):
        return _not_set("an extension")
    return None


def election_id(number: Any) -> int:
    """Return the 128 bits of an election id."""
    return int(number.high) << 64 | int(number.low)


def _not_set(what: str) -> Refusal:
    return Refusal(
        code=Code.PERMISSION_DENIED,
        words=f"gNMI Set of {what} is not granted: a holder may switch the ports of the lease on and off"
        " (/interfaces/interface[name=…]/config/enabled).",
    )
