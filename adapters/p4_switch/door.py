"""Where the holder of a lease gets in: through the site's gateway, or at the switch itself."""

from adapters.contract import Access, AccessFile, Check, Endpoint, LeaseOrder, Secrets
from adapters.p4_switch.client import Tls
from adapters.p4_switch.election import HOLDER_IDS, ElectionId
from adapters.p4_switch.gateway import Door, GatewayClient
from adapters.p4_switch.settings import Settings

_ANSWER_S = 6.0


class WayIn:
    """The holder's way to one switch; without a gateway it is the switch's own address."""

    def __init__(self, *, settings: Settings, secrets: Secrets, tls: Tls | None) -> None:
        self._settings = settings
        self._tls = tls
        self._gateway: GatewayClient | None = None
        if settings.gateway_secret:
            socket = secrets.read(settings.gateway_secret).strip()
            self._gateway = GatewayClient(socket=socket, timeout_s=_ANSWER_S)

    def prepare(self, order: LeaseOrder, holder: ElectionId) -> Access:
        """Return how to get in; nobody can, yet."""
        if self._gateway is None:
            return _at_the_switch(self._settings, holder)
        program = order.artefact("device_config")
        door = self._gateway.prepare(
            lease_id=order.lease_id,
            epoch=order.epoch,
            address=f"{self._settings.host}:{self._settings.port}",
            device_id=self._settings.device_id,
            election=(holder.high, holder.low),
            starts_at=order.starts_at.timestamp(),
            ends_at=order.ends_at.timestamp(),
            tls=self._tls,
            programs=(program.sha256,) if program and self._settings.only_booked_programs else (),
            ports=self._settings.gnmi_ports,
        )
        return _through_the_gateway(self._settings, door)

    def open(self, order: LeaseOrder) -> None:
        """Let the holder in until the lease ends; the gateway ends it by itself."""
        if self._gateway is not None:
            ends_at = order.ends_at.timestamp()
            self._gateway.open(lease_id=order.lease_id, epoch=order.epoch, ends_at=ends_at)

    def close(self, order: LeaseOrder) -> None:
        """Let nobody in, and cut who is in; after it the holder controls the switch no more."""
        if self._gateway is not None:
            self._gateway.close(lease_id=order.lease_id, epoch=order.epoch)

    def forget(self, order: LeaseOrder) -> None:
        """Have the holder's certificate forgotten."""
        if self._gateway is not None:
            self._gateway.forget(lease_id=order.lease_id, epoch=order.epoch)

    def checks(self, order: LeaseOrder) -> list[Check]:
        """Return the proof that the holder has no way in any more."""
        if self._gateway is None:
            return []
        known = self._gateway.knows(lease_id=order.lease_id, epoch=order.epoch)
        return [
            Check(
                name="certificate",
                expected="unknown to the gateway",
                found="still accepted" if known else "unknown to the gateway",
                passed=not known,
                method="the gateway's book, asked anew",
            )
        ]


def _through_the_gateway(settings: Settings, door: Door) -> Access:
    address = f"{settings.public_host or door.host}:{settings.public_port or door.port}"
    command = (
        f"python -m p4runtime_sh --grpc-addr {address} --device-id {settings.device_id} --election-id 0,1"
        " --ssl --cacert ca.pem --cert lease.pem --private-key lease.key"
    )
    return Access(
        instructions=(
            f"Your program is on the switch from the start of your lease. Save the three files and connect to "
            f"{address} with P4Runtime over TLS, device id {settings.device_id}, any election id: the highest of "
            "your controllers has control. Without a file to push, the shell reads your program from the "
            "switch. At the end of the lease the connection is cut and everything is erased."
        ),
        endpoints=(
            Endpoint(
                label="P4Runtime",
                protocol="p4runtime",
                host=address.rpartition(":")[0],
                port=int(address.rpartition(":")[2]),
                command=command,
            ),
        ),
        files=(
            AccessFile(name="ca.pem", content=door.authority),
            AccessFile(name="lease.pem", content=door.certificate),
            AccessFile(name="lease.key", content=door.key),
        ),
    )


def _at_the_switch(settings: Settings, holder: ElectionId) -> Access:
    host = settings.public_host or settings.host
    port = settings.public_port or settings.port
    encrypted = (
        " --ssl --cacert ca.pem --cert holder.pem --private-key holder.key" if settings.ca_secret else ""
    )
    command = (
        f"python -m p4runtime_sh --grpc-addr {host}:{port} --device-id {settings.device_id} "
        f"--election-id {holder}{encrypted}"
    )
    last = ElectionId(holder.high, holder.low + HOLDER_IDS - 1)
    return Access(
        instructions=(
            f"Your program is on the switch from the start of your lease. Connect to {host}:{port} with "
            f"P4Runtime, device id {settings.device_id}, election id {holder} (as “high,low”). If you run "
            f"several controllers, give them ids up to {last}. Without a file to push, the shell reads "
            "your program from the switch. At the end you lose control and everything is erased."
            + (" The connection is encrypted: put your certificates into the command." if encrypted else "")
        ),
        endpoints=(Endpoint(label="P4Runtime", protocol="p4runtime", host=host, port=port, command=command),),
    )
