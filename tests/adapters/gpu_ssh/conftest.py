"""An emulated machine with cards, a real one made of this machine's own sshd, and somebody who wants in."""

import itertools
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncssh
import pytest

from adapters.contract import Holder, LeaseOrder, Secrets, Target
from adapters.emulators.gpu_ssh import GpuHostEmulator, HostCard
from adapters.gpu_ssh.adapter import GpuSsh
from tests.adapters.gpu_lxd.holder import SshHolder
from tests.daemons.sshd import GpuMachine, what_is_missing
from tests.lacking import give_up

H100, A100 = "0000:65:00.0", "0000:b3:00.0"
CARDS = (HostCard(pci=H100), HostCard(pci=A100, model="NVIDIA A100 80GB PCIe", product_id="20b0"))


@pytest.fixture(scope="session")
def ssh_holder() -> Iterator[SshHolder]:
    holder = SshHolder()
    yield holder
    holder.close()


@pytest.fixture(scope="session")
def worker_key() -> asyncssh.SSHKey:
    return asyncssh.generate_private_key("ssh-ed25519")


@pytest.fixture
def emulator(worker_key: asyncssh.SSHKey) -> Iterator[GpuHostEmulator]:
    with GpuHostEmulator(trust=[worker_key.export_public_key().decode()], cards=CARDS) as machine:
        yield machine


@pytest.fixture(scope="session")
def real_machine(worker_key: asyncssh.SSHKey) -> Iterator[GpuMachine]:
    """This machine, with an sshd for the tests, real accounts, and device files that are no cards."""
    missing = what_is_missing()
    if missing:
        give_up(missing)
    with GpuMachine(worker=worker_key.export_public_key().decode().strip(), cards=CARDS) as machine:
        yield machine


@pytest.fixture
def real(real_machine: GpuMachine) -> Iterator[GpuMachine]:
    """The real machine, as it was at the beginning."""
    yield real_machine
    real_machine.tidy_up()


@pytest.fixture
def machine(emulator: GpuHostEmulator) -> Any:
    """The machine on which the tests of a module run; another module may put the real one here."""
    return emulator


@pytest.fixture
def secrets(secrets_of: Callable[..., Secrets], machine: Any, worker_key: asyncssh.SSHKey) -> Secrets:
    return secrets_of({"gpu.key": worker_key.export_private_key().decode(), "gpu-host.pub": machine.host_key})


@pytest.fixture
def adapter(secrets: Secrets) -> GpuSsh:
    return GpuSsh(secrets=secrets)


@pytest.fixture
def patience() -> dict[str, float]:
    """How long the adapter waits: short on a machine that is broken on purpose."""
    return {"timeout_s": 1.5, "settle_s": 1.5}


@pytest.fixture
def target_for(machine: Any, patience: dict[str, float]) -> Callable[..., Target]:
    def make(name: str = "h100", **overlay: Any) -> Target:
        settings = {
            "host": "127.0.0.1",
            "port": machine.port,
            "account": machine.account,
            "key_secret": "gpu.key",
            "host_key_secret": "gpu-host.pub",
            **patience,
        }
        return Target(
            resource_id=name,
            name=name,
            kind="gpu",
            adapter="gpu_ssh",
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


_EPOCHS = itertools.count(1)


@pytest.fixture
def order_for(holder: Holder) -> Callable[..., LeaseOrder]:
    def make(target: Target, **wishes: Any) -> LeaseOrder:
        starts_at = datetime.now(UTC).replace(microsecond=0)
        values = {
            "lease_id": str(uuid.uuid4()),
            "epoch": next(_EPOCHS),
            "revision": 1,
            "target": target,
            "covers": (target.resource_id,),
            "holder": holder,
            "starts_at": starts_at,
            "ends_at": starts_at + timedelta(hours=2),
        }
        return LeaseOrder(**(values | wishes))

    return make
