"""The switch as holders and passers-by see it: over the wire, without the adapter."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from finsy.proto import p4r

from adapters.contract import Access, LeaseOrder
from adapters.emulators.p4runtime import P4RuntimeEmulator
from tests.adapters.emulators.p4runtime.controller import DELETE, INSERT, Controller, mac_entry

PROBE_MAC = 0x02FFFFFFFFFF


def holders_id(access: Access) -> int:
    """The election id in the command that the holder would paste."""
    high, low = re.search(r"--election-id (\d+),(\d+)", access.endpoints[0].command).groups()
    return int(high) << 64 | int(low)


def credentials_in(access: Access) -> Any | None:
    """The certificate that came with the access; None where the connection is plain."""
    files = {file.name: file.content.encode() for file in access.files}
    if not files:
        return None
    return grpc.ssl_channel_credentials(files["ca.pem"], files["lease.key"], files["lease.pem"])


class Seat:
    """The holder's open stream."""

    def __init__(self, controller: Controller) -> None:
        self.controller = controller

    def alive(self) -> bool:
        """Being in means to be primary: a write without updates asks for nothing else."""
        try:
            self.controller.write()
        except grpc.RpcError:
            return False
        return True


class Outside:
    """A real switch, or the emulated one, at an address."""

    def __init__(self, address: str, device_id: int = 1) -> None:
        self.address = address
        self.device_id = device_id

    def can_enter(self, access: Access, order: LeaseOrder | None = None) -> bool:
        """Become primary with the id that was given, and use the table of one's own program."""
        endpoint = access.endpoints[0]
        deadline = time.monotonic() + 3
        while True:
            with Controller(
                f"{endpoint.host}:{endpoint.port}", self.device_id, credentials_in(access)
            ) as controller:
                try:
                    if controller.bid(holders_id(access)) != "OK":
                        return False
                    entry = mac_entry(PROBE_MAC)
                    controller.write((INSERT, entry))
                    controller.write((DELETE, entry))
                except grpc.RpcError as error:
                    # The switch may need a moment to see that we hung up the last time.
                    if error.code() is grpc.StatusCode.INVALID_ARGUMENT and time.monotonic() < deadline:
                        continue
                    return False
                return True

    @contextmanager
    def hold_session(self, access: Access, order: LeaseOrder) -> Iterator[Seat]:
        endpoint = access.endpoints[0]
        address = f"{endpoint.host}:{endpoint.port}"
        with Controller(address, self.device_id, credentials_in(access)) as controller:
            assert controller.bid(holders_id(access)) == "OK"
            yield Seat(controller)

    def residue(self, order: LeaseOrder) -> list[str]:
        with Controller(self.address, self.device_id) as controller:
            answer = controller.pipeline()
            if not answer.HasField("config"):
                return []
            config = answer.config
            found = [
                f"the mark {note}" for note in config.p4info.pkg_info.annotations if order.lease_id in note
            ]
            program = order.artefact("device_config")
            # Another lease may run the same program: it is the holder's when the mark says so, or nobody's.
            marked = any("@shary" in note for note in config.p4info.pkg_info.annotations)
            if program and config.p4_device_config == program.content and (found or not marked):
                found.append("the holder's program")
            if found:
                found += [f"a table entry of {e.table_entry.table_id:#x}" for e in controller.read()]
        return found


class OutsideOfEmulator(Outside):
    """The emulated switch can be broken on purpose."""

    def __init__(self, switch: P4RuntimeEmulator) -> None:
        super().__init__(switch.address)
        self.switch = switch

    def break_with(self, fault: Any) -> None:
        if fault == "reboot":
            self.switch.reboot()
        else:
            self.switch.break_with(fault)

    def mend(self) -> None:
        self.switch.mend()

    def changes(self) -> int:
        return self.switch.changes()


def multicast_group(number: int) -> p4r.Entity:
    group = p4r.MulticastGroupEntry(multicast_group_id=number, replicas=[p4r.Replica(port=b"\x01", instance=1)])
    return p4r.Entity(
        packet_replication_engine_entry=p4r.PacketReplicationEngineEntry(multicast_group_entry=group)
    )
