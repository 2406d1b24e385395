"""The card's switch and its port functions, as devlink shows and changes them (linux/devlink.h)."""

import errno
import struct
from dataclasses import dataclass

from adapters.errors import InvalidSettings
from adapters.smart_nic_sriov.client import Channel, Refusal, sorted_by_remedy
from adapters.smart_nic_sriov.messages import NESTED, attribute, first, number

_CONTROLLER, _GET_FAMILY, _FAMILY_ID, _FAMILY_NAME = 16, 3, 1, 2
_PORT_GET, _PORT_SET, _ESWITCH_GET = 5, 6, 29
_BUS, _DEVICE, _PORT, _ESWITCH_MODE, _FUNCTION = 1, 2, 3, 25, 145
_HW_ADDR, _STATE, _OPSTATE = 1, 2, 3
_MODES = {0: "legacy", 1: "switchdev"}
_BODY = struct.Struct("=BBH")


@dataclass(frozen=True, slots=True, kw_only=True)
class PortFunction:
    """The far side of a devlink port, such as a subfunction."""

    mac: str
    active: bool
    attached: bool
    """Whether a driver has it; it lets go some time after the function was made inactive."""


class Devlink:
    """One card in devlink."""

    def __init__(self, channel: Channel, *, bus: str, device: str) -> None:
        if not (bus and device):
            raise InvalidSettings("The interface belongs to no card that devlink could know.")
        self._channel = channel
        self._handle = attribute(_BUS, bus) + attribute(_DEVICE, device)
        self._name = f"{bus}/{device}"
        self._family = self._find_family()

    def eswitch_mode(self) -> str:
        """Return `legacy` or `switchdev`."""
        found = self._ask(_ESWITCH_GET, b"", what=f"show the switch of {self._name}")
        mode = number(found[_ESWITCH_MODE]) if _ESWITCH_MODE in found else -1
        return _MODES.get(mode, "unknown")

    def port_function(self, index: int) -> PortFunction:
        """Look at a port's function; raise `InvalidSettings` when there is none."""
        what = f"show port {self._name}/{index}"
        found = self._ask(_PORT_GET, attribute(_PORT, index), what=what)
        if _FUNCTION not in found:
            raise InvalidSettings(f"Port {self._name}/{index} has no function; see `devlink port show`.")
        function = first(found[_FUNCTION])
        octets = function.get(_HW_ADDR, b"")
        return PortFunction(
            mac=":".join(f"{octet:02x}" for octet in octets),
            active=function.get(_STATE, b"\0") == b"\1",
            attached=function.get(_OPSTATE, b"\0") == b"\1",
        )

    def set_address(self, index: int, mac: str) -> None:
        """Give an inactive function its hardware address."""
        self._set(index, attribute(_HW_ADDR, bytes.fromhex(mac.replace(":", ""))), what="the address")

    def set_active(self, index: int, active: bool) -> None:
        """Switch a function on or off."""
        self._set(index, attribute(_STATE, bytes([active])), what="the state")

    def _set(self, index: int, content: bytes, *, what: str) -> None:
        body = attribute(_PORT, index) + attribute(_FUNCTION | NESTED, content)
        try:
            self._channel.change(self._family, _BODY.pack(_PORT_SET, 1, 0) + self._handle + body)
        except Refusal as refusal:
            what = f"set {what} of port function {self._name}/{index}"
            raise sorted_by_remedy(refusal, what=what) from refusal

    def _ask(self, command: int, body: bytes, *, what: str) -> dict[int, bytes]:
        try:
            answers = self._channel.ask(self._family, _BODY.pack(command, 1, 0) + self._handle + body)
        except Refusal as refusal:
            raise sorted_by_remedy(refusal, what=what) from refusal
        return dict(first(answers[0].body[_BODY.size :])) if answers else {}

    def _find_family(self) -> int:
        asked = _BODY.pack(_GET_FAMILY, 1, 0) + attribute(_FAMILY_NAME, "devlink")
        try:
            answers = self._channel.ask(_CONTROLLER, asked)
        except Refusal as refusal:
            if refusal.number == errno.ENOENT:
                raise InvalidSettings(
                    "This kernel has no devlink, so the card's switch and its port functions cannot be "
                    "seen. Leave “eswitch” and “port_function” empty, or use a kernel that has it."
                ) from refusal
            raise sorted_by_remedy(refusal, what="look up devlink") from refusal
        return number(first(answers[0].body[_BODY.size :])[_FAMILY_ID])
