"""An emulated switch, a real one made of this machine's own sshd, and somebody who wants in."""

from collections.abc import Callable, Iterator
from typing import Any

import asyncssh
import pytest

from adapters.contract import Holder, Secrets, Target
from adapters.emulators.p4_tofino_ssh import TofinoEmulator
from adapters.p4_tofino_ssh.adapter import P4TofinoSsh
from tests.adapters.gpu_lxd.holder import SshHolder
from tests.daemons.sshd.switch import SwitchMachine, what_is_missing
from tests.lacking import give_up


@pytest.fixture(scope="session")
def ssh_holder() -> Iterator[SshHolder]:
    holder = SshHolder()
    yield holder
    holder.close()


@pytest.fixture(scope="session")
def worker_key() -> asyncssh.SSHKey:
    return asyncssh.generate_private_key("ssh-ed25519")


@pytest.fixture
def emulator(worker_key: asyncssh.SSHKey) -> Iterator[TofinoEmulator]:
    trust = [worker_key.export_public_key().decode()]
    with TofinoEmulator(trust=trust, tenants=["tenant-a", "tenant-b"]) as switch:
        yield switch


@pytest.fixture(scope="session")
def real_switch(worker_key: asyncssh.SSHKey) -> Iterator[SwitchMachine]:
    """This machine, with an sshd for the tests and real accounts of tenants."""
    missing = what_is_missing()
    if missing:
        give_up(missing)
    with SwitchMachine(worker=worker_key.export_public_key().decode().strip()) as switch:
        yield switch


@pytest.fixture
def real(real_switch: SwitchMachine) -> Iterator[SwitchMachine]:
    """The real switch, as it was at the beginning."""
    real_switch.tidy_up()
    yield real_switch
    real_switch.tidy_up()


@pytest.fixture
def switch(emulator: TofinoEmulator) -> Any:
    """The switch on which the tests of a module run; another module may put the real one here."""
    return emulator


@pytest.fixture
def tenants(switch: Any) -> list[str]:
    return sorted(switch.system.tenants()) if isinstance(switch, TofinoEmulator) else switch.tenants


@pytest.fixture
def secrets(secrets_of: Callable[..., Secrets], switch: Any, worker_key: asyncssh.SSHKey) -> Secrets:
    return secrets_of({"sw.key": worker_key.export_private_key().decode(), "sw.pub": switch.host_key})


@pytest.fixture
def adapter(secrets: Secrets) -> P4TofinoSsh:
    return P4TofinoSsh(secrets=secrets)


@pytest.fixture
def patience() -> dict[str, float]:
    """How long the adapter waits: short on a switch that is broken on purpose."""
    return {"timeout_s": 1.5, "settle_s": 1.5}


@pytest.fixture
def target(switch: Any, tenants: list[str], patience: dict[str, float]) -> Target:
    return Target(
        resource_id="rest-bfsw01",
        name="rest-bfsw01",
        kind="p4_switch",
        adapter="p4_tofino_ssh",
        settings={
            "host": "127.0.0.1",
            "port": switch.port,
            "account": switch.account,
            "key_secret": "sw.key",
            "host_key_secret": "sw.pub",
            "accounts": {"researcher@uni-a.example": tenants[0], "quantum": tenants[1]},
            **patience,
        },
        attributes={"model": "Wedge 100BF-32X"},
    )


@pytest.fixture
def holder(ssh_holder: SshHolder) -> Holder:
    return Holder(username="researcher@uni-a.example", project="testbed", ssh_keys=(ssh_holder.public_key,))
