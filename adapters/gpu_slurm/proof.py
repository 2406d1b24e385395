"""Proves by another path that nothing of a lease is left on the cluster."""

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from adapters.contract import Check, CleanProof, LeaseOrder, Secrets
from adapters.gpu_slurm.client import Slurm, other_path
from adapters.gpu_slurm.marks import mark_of
from adapters.gpu_slurm.nouns import Job, Node
from adapters.gpu_slurm.probe import probe_checks
from adapters.gpu_slurm.settings import SlurmSettings

VERIFIER = "gpu_slurm 1"
_PAUSE_S = 0.1
_IN_USE = {"ALLOCATED", "MIXED", "COMPLETING", "DOWN", "NOT_RESPONDING", "UNKNOWN"}


def checks_of_nodes(
    *, settings: SlurmSettings, secrets: Secrets, order: LeaseOrder, is_held: bool
) -> tuple[Check, ...]:
    """Return how the nodes are, looking again for a while as long as jobs are on their way out.

    Asked while the closed reservation still holds the nodes: nobody else's job can have come yet.
    """
    with other_path(settings, secrets) as slurm:
        deadline = time.monotonic() + settings.settle_s
        while True:
            checks = tuple(_checks_of_nodes(slurm, settings, order, is_held=is_held))
            if all(check.passed for check in checks) or time.monotonic() > deadline:
                break
            time.sleep(_PAUSE_S)
    if not settings.node_probe or not all(check.passed for check in checks):
        return checks
    probed = [check for name in settings.nodes for check in probe_checks(settings, name)]
    return (*checks, *probed)


def proof_of_absence(
    *, settings: SlurmSettings, secrets: Secrets, order: LeaseOrder, before: Sequence[Check]
) -> CleanProof:
    """Return the whole evidence: what was seen before the reservation went, and that it is gone."""
    with other_path(settings, secrets) as slurm:
        after = tuple(_checks_of_absence(slurm, order))
    return CleanProof(
        checks=(*before, *after), verified_at=datetime.now(UTC).replace(microsecond=0), verifier=VERIFIER
    )


def unclean(before: Sequence[Check]) -> CleanProof:
    """Return the evidence against: the closed reservation stays, so that nobody gets the nodes."""
    return CleanProof(
        checks=tuple(before), verified_at=datetime.now(UTC).replace(microsecond=0), verifier=VERIFIER
    )


def jobs_of(order: LeaseOrder, jobs: Sequence[Job]) -> tuple[Job, ...]:
    """Return the jobs that were submitted to a reservation of the lease."""
    return tuple(
        job for job in jobs if job.reservation == order.tag or job.reservation.startswith(f"{order.tag}.")
    )


def _checks_of_absence(slurm: Slurm, order: LeaseOrder) -> Iterator[Check]:
    left = [
        found.name
        for found in slurm.reservations()
        if (mark := mark_of(found)) and mark.lease == order.lease_id
    ]
    yield Check(
        name="reservation",
        expected="absent",
        found=", ".join(left) or "absent",
        passed=not left,
        method=f"all reservations, by {slurm.path}",
    )
    yield _no_jobs(slurm, jobs_of(order, slurm.jobs()))


def _no_jobs(slurm: Slurm, jobs: Sequence[Job]) -> Check:
    return Check(
        name="jobs of the lease",
        expected="none",
        found=", ".join(job.label for job in jobs) or "none",
        passed=not jobs,
        method=f"all jobs, by {slurm.path}",
    )


def _checks_of_nodes(
    slurm: Slurm, settings: SlurmSettings, order: LeaseOrder, *, is_held: bool
) -> Iterator[Check]:
    jobs = slurm.jobs()
    yield _no_jobs(slurm, jobs_of(order, jobs))
    if settings.way != "nodes":
        # The other parts of the node may be in use by right.
        return
    known = {node.name: node for node in slurm.nodes()}
    for name in settings.nodes:
        others = [job for job in jobs if name in job.nodes]
        if others and not is_held and not settings.node_probe:
            # The reservation had ended by itself, and Slurm has given the node on.
            continue
        yield from _checks_of_node(slurm, name, known.get(name), settings)


def _checks_of_node(slurm: Slurm, name: str, node: Node | None, settings: SlurmSettings) -> Iterator[Check]:
    states = set() if node is None else node.states & _IN_USE
    cpus_used = node.cpus_used if node else 0
    yield Check(
        name=f"state of {name}",
        expected="idle",
        found="missing" if node is None else _state(node),
        passed=node is not None and not states and not cpus_used,
        method=f"the node, by {slurm.path}",
    )
    if node is None:
        return
    unseen = "" if settings.node_probe else "; no probe is set, so the cards themselves were not looked at"
    yield Check(
        name=f"cards in use on {name}",
        expected="0",
        found=str(node.cards_used),
        passed=node.cards_used == 0,
        method=f"what Slurm counts as used, by {slurm.path}{unseen}",
    )


def _state(node: Node) -> str:
    said = "+".join(sorted(node.states)).lower()
    return f"{said}, {node.cpus_used} cores in use" if node.cpus_used else said
