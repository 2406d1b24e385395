"""A running lease is handed over on an emulated machine: the new keys get in, and the old ones do not."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import asyncssh
import pytest

from adapters.contract import LeaseOrder
from adapters.emulators.gpu_ssh import GpuHostEmulator, HostCard
from adapters.gpu_ssh.adapter import GpuSsh
from reservations.models import Lease
from reservations.services.engine.orders import lease_orders
from reservations.services.handover import accept, offer
from reservations.states import Status
from site_worker.config import SiteSecrets
from tests.adapters.gpu_lxd.holder import SshHolder
from tests.factories import book_lease, make_project, make_resource, make_ssh_key, make_user

pytestmark = pytest.mark.django_db

PCI = "0000:65:00.0"


@pytest.fixture
def people() -> Iterator[tuple[SshHolder, SshHolder]]:
    pair = SshHolder(), SshHolder()
    yield pair
    for one in pair:
        one.close()


def order_of(lease: Lease) -> LeaseOrder:
    return lease_orders([lease.pk])[lease.pk]


def test_the_keys_change_on_the_device(people: tuple[SshHolder, SshHolder]) -> None:
    giver, receiver = people
    worker = asyncssh.generate_private_key("ssh-ed25519")
    trust = [worker.export_public_key().decode()]
    with GpuHostEmulator(trust=trust, cards=(HostCard(pci=PCI),)) as machine:
        key = worker.export_private_key().decode()
        adapter = GpuSsh(secrets=SiteSecrets(values={"gpu.key": key, "host.pub": machine.host_key}))
        settings = {
            "host": "127.0.0.1",
            "port": machine.port,
            "account": machine.account,
            "key_secret": "gpu.key",
            "host_key_secret": "host.pub",
            "pci": PCI,
        }
        project = make_project()
        ada, grace = make_user("ada", projects=[project]), make_user("grace", projects=[project])
        make_ssh_key(ada, public_key=giver.public_key)
        make_ssh_key(grace, public_key=receiver.public_key)
        device = make_resource(adapter="gpu_ssh", settings=settings)
        now = datetime.now(UTC).replace(microsecond=0)
        lease = book_lease(
            device,
            holder=ada,
            project=project,
            starts_at=now - timedelta(hours=1),
            hours=5,
            status=Status.ACTIVE,
        )
        access = adapter.provision(order_of(lease))
        adapter.admit(order_of(lease))
        assert giver.can_enter(access)

        made = offer(reservation_id=lease.reservation_id, receiver="grace", actor=ada, now=now)
        accept(handover_id=made.pk, actor=grace, now=now)
        access = adapter.provision(order_of(lease))
        adapter.admit(order_of(lease))
        assert receiver.can_enter(access)
        assert not giver.can_enter(access)
