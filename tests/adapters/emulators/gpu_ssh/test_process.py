"""The emulated machine as a process of its own, as the quickstart starts it."""

import signal
import subprocess
import sys
import uuid
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncssh
import pytest

from adapters.contract import Holder, LeaseOrder, Target
from adapters.emulators.gpu_ssh import GpuHostEmulator, HostCard
from adapters.gpu_ssh.adapter import GpuSsh
from tests.adapters.gpu_lxd.holder import SshHolder

PCI = "0000:65:00.0"


@contextmanager
def running(folder, trust):
    command = [sys.executable, "-m", "adapters.emulators.gpu_ssh", "--listen", "127.0.0.1:0"]
    command += ["--trust", str(trust), "--certificate", str(folder), "--state", str(folder / "state.json")]
    command += ["--gpu", f"{PCI}=NVIDIA H100 80GB HBM3", "--name", "gpu1"]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[4], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        ready = process.stdout.readline()
        yield int(ready.split(",")[0].rpartition(":")[2])
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
        process.stdout.close()
    assert process.returncode == 0


@pytest.fixture
def ssh_holder():
    holder = SshHolder()
    yield holder
    holder.close()


@pytest.fixture
def worker(tmp_path):
    key = asyncssh.generate_private_key("ssh-ed25519")
    (tmp_path / "worker.pub").write_bytes(key.export_public_key())
    return key


def order_on(port, holder):
    settings = {
        "host": "127.0.0.1",
        "port": port,
        "key_secret": "worker",
        "host_key_secret": "ssh_host_key.pub",
        "pci": PCI,
    }
    now = datetime.now(UTC).replace(microsecond=0)
    return LeaseOrder(
        lease_id=str(uuid.uuid4()),
        epoch=1,
        revision=1,
        target=Target(resource_id="h100", name="h100", kind="gpu", adapter="gpu_ssh", settings=settings),
        covers=("h100",),
        holder=Holder(username="researcher@uni-a.example", project="testbed", ssh_keys=(holder.public_key,)),
        starts_at=now,
        ends_at=now + timedelta(hours=1),
    )


def test_a_holder_really_logs_in_and_the_lease_outlives_a_restart(tmp_path, worker, secrets_of, ssh_holder):
    from dataclasses import replace

    with running(tmp_path, tmp_path / "worker.pub") as port:
        host_key = (tmp_path / "ssh_host_key.pub").read_text()
        adapter = GpuSsh(
            secrets=secrets_of({"worker": worker.export_private_key().decode(), "ssh_host_key.pub": host_key})
        )
        order = order_on(port, ssh_holder)
        access = adapter.provision(order)
        adapter.admit(order)
        with ssh_holder.session(access) as session:
            assert session.run("hostname").strip() == "gpu1"
            assert session.run("whoami").strip() == access.endpoints[0].username
            assert "H100" in session.run("nvidia-smi -L")

    with running(tmp_path, tmp_path / "worker.pub") as port:
        settings = {**order.target.settings, "port": port}
        order = replace(order, target=replace(order.target, settings=settings))
        assert adapter.observe(order.target).carries == order.lease_id
        access = adapter.provision(order)
        assert ssh_holder.can_enter(access)
        assert adapter.release(order).is_clean
        assert not ssh_holder.can_enter(access)


def test_a_lease_that_is_over_is_closed_by_the_machine(tmp_path, worker, secrets_of, ssh_holder):
    with GpuHostEmulator(
        trust=[worker.export_public_key().decode()], cards=[HostCard(pci=PCI)], folder=tmp_path
    ) as machine:
        secrets = {"worker": worker.export_private_key().decode(), "ssh_host_key.pub": machine.host_key}
        adapter = GpuSsh(secrets=secrets_of(secrets))
        order = order_on(machine.port, ssh_holder)
        access = adapter.provision(order)
        adapter.admit(order)
        with ssh_holder.session(access) as session:
            assert machine.sweep() == []
            assert session.alive()
            machine.system.now = lambda: order.ends_at

            assert machine.sweep() == []

            assert not session.alive()
        assert not ssh_holder.can_enter(access)
        assert adapter.observe(order.target).carries == order.lease_id
