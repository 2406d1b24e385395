"""An emulated LXD server, a client that it trusts, and somebody who wants in."""

import itertools
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.contract import Holder, LeaseOrder, Secrets, Target
from adapters.emulators.lxd import HostCard, LxdEmulator, Pair, self_signed
from adapters.gpu_lxd.adapter import GpuLxd
from tests.adapters.gpu_lxd.holder import SshHolder
from tests.adapters.gpu_lxd.servers import EmulatedServer, Operator, RealServer
from tests.adapters.gpu_lxd.visitor import Visitor
from tests.adapters.nvml.machine import machine, nvml_library
from tests.daemons.lxd import A100, H100, LxdDaemon, what_is_missing
from tests.lacking import give_up

__all__ = ["A100", "H100", "machine", "nvml_library"]

Server = EmulatedServer | RealServer


@pytest.fixture(scope="session")
def client_pair() -> Pair:
    return self_signed("shary")


@pytest.fixture(scope="session")
def operator_pair() -> Pair:
    return self_signed("operator")


@pytest.fixture(scope="session")
def ssh_holder() -> Iterator[SshHolder]:
    holder = SshHolder()
    yield holder
    holder.close()


@pytest.fixture(scope="session")
def server_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("lxd")


@pytest.fixture
def lxd(client_pair: Pair, operator_pair: Pair, server_folder) -> Iterator[LxdEmulator]:
    cards = [HostCard(pci=H100), HostCard(pci=A100, model="NVIDIA A100 80GB PCIe", product_id="20b0")]
    trusted = [client_pair.certificate, operator_pair.certificate]
    with LxdEmulator(trust=trusted, cards=cards, folder=server_folder, delay_s=0.002) as emulator:
        yield emulator


@pytest.fixture
def emulated_server(lxd: LxdEmulator, operator_of: Callable[[str, str], Operator]) -> EmulatedServer:
    return EmulatedServer(lxd, operator_of(lxd.url, lxd.certificate))


@pytest.fixture
def server(emulated_server: EmulatedServer) -> Server:
    """The server that is under test; `test_on_both.py` tries the real one too."""
    return emulated_server


@pytest.fixture(scope="session")
def operator_of(operator_pair: Pair, tmp_path_factory) -> Callable[[str, str], Operator]:
    def make(url: str, certificate: str) -> Operator:
        folder = tmp_path_factory.mktemp("operator")
        pinned = folder / "server.crt"
        pinned.write_text(certificate)
        ours = operator_pair.write(folder, "operator")
        return Operator(url, str(pinned), (str(ours[0]), str(ours[1])))

    return make


@pytest.fixture(scope="session")
def real_lxd(operator_pair: Pair, client_pair: Pair) -> Iterator[LxdDaemon]:
    """The real daemon, one for each process of the tests that asks for it."""
    missing = what_is_missing()
    if missing:
        give_up(missing)
    with LxdDaemon(trust={"operator": operator_pair.certificate, "shary": client_pair.certificate}) as daemon:
        yield daemon


@pytest.fixture(scope="session")
def real_operator(real_lxd: LxdDaemon, operator_of: Callable[[str, str], Operator]) -> Operator:
    return operator_of(real_lxd.url, real_lxd.certificate)


@pytest.fixture
def real_server(real_lxd: LxdDaemon, real_operator: Operator, client_pair: Pair) -> Iterator[RealServer]:
    server = RealServer(real_lxd, real_operator)
    yield server
    server.clear(client_pair.certificate)


@pytest.fixture
def operator(server: Server) -> Operator:
    return server.operator


@pytest.fixture
def visitor(ssh_holder: SshHolder, operator: Operator) -> Visitor:
    return Visitor(ssh_holder, operator)


@pytest.fixture
def secrets(secrets_of: Callable[..., Secrets], server: Server, client_pair: Pair) -> Secrets:
    return secrets_of(
        {"lxd.crt": client_pair.certificate, "lxd.key": client_pair.key, "lxd-server.crt": server.certificate}
    )


@pytest.fixture
def adapter(secrets: Secrets) -> GpuLxd:
    return GpuLxd(secrets=secrets)


@pytest.fixture
def settings(server: Server) -> dict[str, Any]:
    return {
        "endpoint": server.url,
        "certificate_secret": "lxd.crt",
        "key_secret": "lxd.key",
        "server_certificate_secret": "lxd-server.crt",
        "instance_type": "container",
        "image": "ubuntu-gpu",
    } | server.settings


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
