"""The holder's way into an instance: a forwarded port or its own address, and the file of keys."""

import time
import zlib
from collections.abc import Sequence

from adapters.contract import Access, Endpoint, LeaseOrder
from adapters.errors import DeviceBusy, DeviceRefused, OutcomeUnknown
from adapters.gpu_lxd.client import LxdClient
from adapters.gpu_lxd.instance import Instance
from adapters.gpu_lxd.settings import LxdSettings, ports_of


def forward(settings: LxdSettings, port: int) -> dict[str, str]:
    """Return the device that forwards a port of the LXD host to the instance's sshd."""
    host = f"[{settings.ssh_listen}]" if ":" in settings.ssh_listen else settings.ssh_listen
    return {"type": "proxy", "listen": f"tcp:{host}:{port}", "connect": "tcp:127.0.0.1:22"}


def free_ports(settings: LxdSettings, order: LeaseOrder, everyone: Sequence[Instance]) -> list[int]:
    """Return the ports that no instance forwards, beginning at one that depends on the lease."""
    ports = list(ports_of(settings.ssh_ports or ""))
    taken = {port for entry in everyone for port in entry.ports_taken()}
    first = zlib.crc32(order.lease_id.encode()) % len(ports)
    free = [port for port in ports[first:] + ports[:first] if port not in taken]
    if not free:
        raise DeviceBusy(f"All ports for ssh ({settings.ssh_ports}) are taken. Give the site a longer range.")
    return free


def close_keys(client: LxdClient, settings: LxdSettings, name: str) -> None:
    """Empty the file of keys, whether the image or a holder filled it; leave no file where none is."""
    if client.read_file(name, settings.keys_file):
        write_keys(client, settings, name, "")


def write_keys(client: LxdClient, settings: LxdSettings, name: str, wanted: str) -> None:
    """Make the file of keys say exactly this, and read it back."""
    if (client.read_file(name, settings.keys_file) or b"").decode(errors="replace") == wanted:
        return
    client.write_file(name, settings.keys_file, wanted, uid=settings.login_uid)
    if (client.read_file(name, settings.keys_file) or b"").decode(errors="replace") != wanted:
        raise OutcomeUnknown(f"LXD says that it wrote the keys of {name}, but shows other ones.")


def access_to(client: LxdClient, settings: LxdSettings, mine: Instance) -> Access:
    """Return how the holder gets into the running instance; the same at each call."""
    if mine.ssh_port is not None and settings.ssh_host is not None:
        host, port = settings.ssh_host, mine.ssh_port
    else:
        host, port = settings.ssh_host or _address(client, settings, mine), 22
    user = settings.login_user
    count = len(settings.wanted_cards)
    inside = "The card is" if count == 1 else f"{count} cards are"
    return Access(
        instructions=(
            f"Log in by ssh with the key in your profile. {inside} inside: try nvidia-smi. "
            "At the end of the lease the machine is deleted: copy your results out before."
        ),
        endpoints=(
            Endpoint(
                label="Shell",
                protocol="ssh",
                host=host,
                port=port,
                username=user,
                command=f"ssh {user}@{host}" if port == 22 else f"ssh -p {port} {user}@{host}",
            ),
        ),
    )


def _address(client: LxdClient, settings: LxdSettings, mine: Instance) -> str:
    deadline = time.monotonic() + settings.settle_s
    while (address := client.own_address(mine.name)) is None:
        if time.monotonic() > deadline:
            raise DeviceRefused(
                f"Instance {mine.label} got no address. Check the network of the profiles "
                f"({', '.join(settings.profiles)}), or give the site ports for ssh."
            )
        time.sleep(0.5)
    return address
