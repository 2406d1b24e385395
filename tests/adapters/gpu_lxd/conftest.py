"""An emulated LXD server, a client that it trusts, and somebody who wants in."""

import itertools
import socket
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.contract import Holder, LeaseOrder, Secrets, Target
from adapters.emulators.lxd import HostCard, LxdEmulator, Pair, self_signed
from adapters.gpu_lxd.adapter import GpuLxd
from tests.adapters.gpu_lxd.holder import SshHolder
from tests.adapters.nvml.machine import machine, nvml_library

__all__ = ["machine", "nvml_library"]

H100, A100 = "0000:65:00.0", "0000:b3:00.0"


@pytest.fixture(scope="session")
def client_pair() -> Pair:
    return self_signed("shary")


@pytest.fixture(scope="session")
def ssh_holder() -> Iterator[SshHolder]:
    holder = SshHolder()
    yield holder
    holder.close()


@pytest.fixture(scope="session")
def server_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("lxd")


@pytest.fixture
def lxd(client_pair: Pair, server_folder) -> Iterator[LxdEmulator]:
    cards = [HostCard(pci=H100), HostCard(pci=A100, model="NVIDIA A100 80GB PCIe", product_id="20b0")]
    with LxdEmulator(
        trust=[client_pair.certificate], cards=cards, folder=server_folder, delay_s=0.002
    ) as emulator:
        yield emulator


@pytest.fixture
def secrets(secrets_of: Callable[..., Secrets], lxd: LxdEmulator, client_pair: Pair) -> Secrets:
    return secrets_of(
        {"lxd.crt": client_pair.certificate, "lxd.key": client_pair.key, "lxd-server.crt": lxd.certificate}
    )


@pytest.fixture
def adapter(secrets: Secrets) -> GpuLxd:
    return GpuLxd(secrets=secrets)


def a_span_of_ports() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        first = min(probe.getsockname()[1], 65000)
    return f"{first}-{first + 40}"


@pytest.fixture
def settings(lxd: LxdEmulator) -> dict[str, Any]:
    return {
        "endpoint": lxd.url,
        "certificate_secret": "lxd.crt",
        "key_secret": "lxd.key",
        "server_certificate_secret": "lxd-server.crt",
        "instance_type": "container",
        "image": "ubuntu-gpu",
        "ssh_host": "127.0.0.1",
        "ssh_listen": "127.0.0.1",
        "ssh_ports": a_span_of_ports(),
        "timeout_s": 1.0,
        "settle_s": 1.0,
    }


@pytest.fixture
def target_for(settings: dict[str, Any]) -> Callable[..., Target]:
    def make(name: str = "h100", **overlay: Any) -> Target:
        return Target(
            resource_id=name,
            name=name,
            kind="gpu",
            adapter="gpu_lxd",
            settings=settings | overlay,
            attributes={"model": "NVIDIA H100 80GB HBM3"},
        )

    return make


@pytest.fixture
def target(target_for: Callable[..., Target]) -> Target:
    return target_for(pci=H100)


@pytest.fixture
def holder(ssh_holder: SshHolder) -> Holder:
    return Holder(username="researcher@uni-a.example", project="testbed", ssh_keys=(ssh_holder.public_key,))


@pytest.fixture
def order_for(holder: Holder) -> Callable[..., LeaseOrder]:
    epochs = itertools.count(1)

    def make(target: Target, **wishes: Any) -> LeaseOrder:
        starts_at = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
        values = {
            "lease_id": str(uuid.uuid4()),
            "epoch": next(epochs),
            "revision": 1,
            "target": target,
            "covers": (target.resource_id,),
            "holder": holder,
            "starts_at": starts_at,
            "ends_at": starts_at + timedelta(hours=2),
        }
        return LeaseOrder(**(values | wishes))

    return make
