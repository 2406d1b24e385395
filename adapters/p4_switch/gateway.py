"""How the adapter speaks to the site's P4 gateway: a line of JSON each way, over its control socket."""

import json
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from adapters.errors import DeviceBusy, DeviceUnreachable, OutcomeUnknown
from adapters.p4_switch.client import Tls


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """The way in for one lease."""

    host: str
    port: int
    authority: str
    """PEM: who signed the gateway's certificate."""
    certificate: str
    key: str
    is_open: bool


class GatewayClient:
    """Asks the gateway. Every call has a deadline."""

    def __init__(self, *, socket: str, timeout_s: float) -> None:
        self._socket = socket
        self._timeout_s = timeout_s

    def prepare(
        self,
        *,
        lease_id: str,
        epoch: int,
        address: str,
        device_id: int,
        election: tuple[int, int],
        starts_at: float,
        ends_at: float,
        tls: Tls | None = None,
        programs: Sequence[str] = (),
        ports: Sequence[str] = (),
    ) -> Door:
        """Have a door made for the lease, closed; the same again returns the same."""
        upstream: dict[str, Any] = {"address": address, "device_id": device_id}
        if tls is not None:
            upstream |= {
                "authority": tls.authority.decode(),
                "certificate": (tls.certificate or b"").decode(),
                "key": (tls.key or b"").decode(),
                "name": tls.name,
            }
        return _door(
            self._ask(
                verb="prepare",
                lease=lease_id,
                epoch=epoch,
                upstream=upstream,
                election_high=election[0],
                election_low=election[1],
                starts_at=starts_at,
                ends_at=ends_at,
                programs=list(programs),
                ports=list(ports),
            )
        )

    def open(self, *, lease_id: str, epoch: int, ends_at: float) -> Door:
        """Open the lease's door until `ends_at`; the gateway closes it then by itself."""
        return _door(self._ask(verb="open", lease=lease_id, epoch=epoch, ends_at=ends_at))

    def close(self, *, lease_id: str, epoch: int) -> None:
        """Close the door and cut whoever is inside; nobody of theirs controls the switch afterwards."""
        self._ask(verb="close", lease=lease_id, epoch=epoch)

    def forget(self, *, lease_id: str, epoch: int) -> None:
        """Have the door and its key removed."""
        self._ask(verb="forget", lease=lease_id, epoch=epoch)

    def knows(self, *, lease_id: str, epoch: int) -> bool:
        """Say whether the gateway still has a door for the lease."""
        return bool(self._ask(verb="look", lease=lease_id, epoch=epoch)["known"])

    def _ask(self, **request: Any) -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(self._timeout_s)
            try:
                line.connect(self._socket)
            except OSError as error:
                raise DeviceUnreachable(
                    f"The P4 gateway does not answer at {self._socket}: {error}. Start it (python -m p4_gateway)."
                ) from error
            try:
                line.sendall(json.dumps(request).encode() + b"\n")
                answer = _read_line(line)
            except OSError as error:
                raise OutcomeUnknown(f"The P4 gateway did not answer “{request['verb']}”: {error}.") from error
        try:
            said: dict[str, Any] = json.loads(answer)
        except ValueError as error:
            raise OutcomeUnknown(f"The P4 gateway hung up in the middle of “{request['verb']}”.") from error
        if "refused" in said:
            raise DeviceBusy(f"The P4 gateway refused to {request['verb']}: {said['refused']}")
        return said


def _read_line(line: socket.socket) -> bytes:
    found = b""
    while not found.endswith(b"\n"):
        piece = line.recv(65536)
        if not piece:
            break
        found += piece
    return found


def _door(said: dict[str, Any]) -> Door:
    return Door(
        host=said["host"],
        port=said["port"],
        authority=said["authority"],
        certificate=said["certificate"],
        key=said["key"],
        is_open=said["open"],
    )
