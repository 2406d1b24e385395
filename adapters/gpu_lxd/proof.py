"""Proves over a fresh connection that nothing of a lease is left."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

from adapters.contract import Check, CleanProof, LeaseOrder, Secrets
from adapters.gpu_lxd.client import LxdClient
from adapters.gpu_lxd.fence import checks_of_network
from adapters.gpu_lxd.instance import Card, Instance, name_for
from adapters.gpu_lxd.local_cards import put_back
from adapters.gpu_lxd.memory import memory_checks
from adapters.gpu_lxd.pool import checks_of_project
from adapters.gpu_lxd.returning import remedy_for
from adapters.gpu_lxd.settings import DESCRIPTION, LxdSettings
from adapters.nvml import idle_checks

VERIFIER = "gpu_lxd 1"
_PAUSE_S = 0.2


def prove_clean(*, settings: LxdSettings, secrets: Secrets, order: LeaseOrder) -> CleanProof:
    """Return the evidence, looking again for a while as long as something is still on its way out.

    A card needs a moment until a virtual machine has given it back. Then its memory is overwritten, and after
    that everything is looked at once more: also what the overwriting has shown of the card, or left on it.
    """
    with LxdClient(settings=settings, secrets=secrets) as client:
        checks = _settled(client, settings, order)
        if all(check.passed for check in checks):
            known = client.cards()
            elsewhere = [pci for pci in settings.wanted_cards if _rests_elsewhere(pci, settings, known)]
            at_hand = [pci for pci in settings.wanted_cards if pci not in elsewhere]
            memory = tuple(memory_checks(settings, at_hand=at_hand, elsewhere=elsewhere))
            if at_hand and settings.wipes_memory:
                checks = _settled(client, settings, order)
            checks += memory
    return CleanProof(checks=checks, verified_at=datetime.now(UTC).replace(microsecond=0), verifier=VERIFIER)


def _settled(client: LxdClient, settings: LxdSettings, order: LeaseOrder) -> tuple[Check, ...]:
    deadline = time.monotonic() + settings.settle_s
    while True:
        checks = tuple(_checks(client, settings, order))
        if all(check.passed for check in checks) or time.monotonic() > deadline:
            return checks
        time.sleep(_PAUSE_S)


def _checks(client: LxdClient, settings: LxdSettings, order: LeaseOrder) -> Iterator[Check]:
    everyone, known = client.instances(), client.cards()
    yield from _instance(client, order, everyone)
    for pci in settings.wanted_cards:
        free = _free(pci, settings, everyone, known)
        yield free
        yield _given_back(pci, settings, known)
        if settings.nvml_is_local and not _rests_elsewhere(pci, settings, known):
            if free.passed:
                # Not before: a card that a virtual machine had comes back a moment later, as its reset left it.
                put_back(pci, settings)
            yield from idle_checks(
                pci,
                baseline=settings.baseline_of(pci),
                idle_memory_mib=settings.idle_memory_mib,
                mig_uuid=settings.mig_uuid,
                since=order.starts_at - DESCRIPTION.preparation,
            )
    yield from checks_of_network(client, settings, order)
    yield from checks_of_project(client, settings, order)


def _instance(client: LxdClient, order: LeaseOrder, everyone: tuple[Instance, ...]) -> Iterator[Check]:
    name = name_for(order)
    instance = client.instance(name)
    yield Check(
        name="instance",
        expected="absent",
        found=instance.status.lower() if instance else "absent",
        passed=instance is None,
        method=f"GET /1.0/instances/{name} on a new connection",
    )
    left = [entry.label for entry in everyone if entry.lease == order.lease_id]
    yield Check(
        name="tags of the lease",
        expected="none",
        found=", ".join(left) or "none",
        passed=not left,
        method="list of all instances of all projects",
    )


def _free(pci: str, settings: LxdSettings, everyone: tuple[Instance, ...], known: dict[str, Card]) -> Check:
    users = [
        entry.label
        for entry in everyone
        if entry.is_running and entry.cards_held((pci,), known, settings.mig_uuid)
    ]
    return Check(
        name=f"users of {pci}",
        expected="none",
        found=", ".join(users) or "none",
        passed=not users,
        method="devices and profiles of all running instances",
    )


def _given_back(pci: str, settings: LxdSettings, known: dict[str, Card]) -> Check:
    card = known.get(pci)
    if card is None:
        found = "missing"
    elif card.is_passed_through and not settings.rests_on_vfio:
        found = f"with vfio-pci still. On the LXD host: {remedy_for(pci)}"
    else:
        found = "on the host"
    return Check(
        name=f"place of {pci}",
        expected="on the host",
        found=found,
        passed=found == "on the host",
        method="GET /1.0/resources",
    )


def _rests_elsewhere(pci: str, settings: LxdSettings, known: dict[str, Card]) -> bool:
    """Say whether the card is where it belongs, and NVIDIA's driver can neither see nor use it there."""
    return settings.rests_on_vfio and pci in known and known[pci].is_passed_through
