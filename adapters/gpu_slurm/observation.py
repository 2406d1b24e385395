"""What a look at the cluster tells of one resource."""

from collections.abc import Sequence

from adapters.contract import Observation, Target
from adapters.gpu_slurm.client import Slurm
from adapters.gpu_slurm.marks import key_of, mark_of
from adapters.gpu_slurm.nouns import Job, Node, Reservation
from adapters.gpu_slurm.ownership import concerns
from adapters.gpu_slurm.rest import SlurmRest, expires_soon
from adapters.gpu_slurm.settings import SlurmSettings


def observed(slurm: Slurm, settings: SlurmSettings, target: Target) -> Observation:
    """Return which lease is on the resource, how its nodes are, and how much of them is in use."""
    version = slurm.version()
    everyone, known = slurm.reservations(), {node.name: node for node in slurm.nodes()}
    jobs = slurm.jobs()
    carrier = _carrier(everyone, settings, target)
    mark = mark_of(carrier) if carrier else None
    nodes = [known[name] for name in settings.nodes if name in known]
    missing = [f"The cluster has no node “{name}”." for name in settings.nodes if name not in known]
    missing += _missing_licence(slurm, settings)
    trouble = [node.trouble for node in nodes if node.trouble]
    notes = [f"Slurm {version}, asked by {slurm.path}; a lease takes {settings.ways_of_reserving}."]
    notes += _in_the_way(everyone, settings)
    notes += _token(slurm)
    inside = [job for job in jobs if carrier is not None and job.reservation == carrier.name]
    others = [job for job in jobs if job not in inside and set(job.nodes) & set(settings.nodes)]
    if settings.way == "nodes":
        notes += [f"On the nodes: {job.label}, without SHARY." for job in others]
    return Observation(
        healthy=not missing and not trouble,
        carries=mark.lease if mark else None,
        epoch=mark.epoch if mark else None,
        detail=" ".join([*missing, *trouble, *notes]),
        measurements=_measurements(nodes, inside, settings),
        unfit=" ".join(node.trouble for node in nodes if node.is_marked_bad),
    )


def _carrier(everyone: Sequence[Reservation], settings: SlurmSettings, target: Target) -> Reservation | None:
    found = [
        (mark.resource == key_of(target.resource_id), mark.epoch, reservation)
        for reservation in everyone
        if (mark := mark_of(reservation)) and concerns(reservation, mark, settings, target)
    ]
    return max(found, key=lambda entry: entry[:2])[2] if found else None


def _missing_licence(slurm: Slurm, settings: SlurmSettings) -> list[str]:
    if settings.way != "licenses" or settings.licence is None:
        return []
    name, _, count = settings.licence.partition(":")
    total = next((licence.total for licence in slurm.licences() if licence.name == name), 0)
    if total >= int(count):
        return []
    return [f"The cluster has {total} licences “{name}”, and a lease takes {count}."]


def _in_the_way(everyone: Sequence[Reservation], settings: SlurmSettings) -> list[str]:
    """Name the reservations on the nodes that are not SHARY's, such as a maintenance."""
    return [
        f"Reservation {found.name} ({', '.join(found.users) or 'nobody'}), not SHARY's, has "
        f"{', '.join(found.nodes)} from {found.starts_at:%d %b %H:%M} to {found.ends_at:%d %b %H:%M} UTC."
        for found in everyone
        if mark_of(found) is None and set(found.nodes) & set(settings.nodes)
    ]


def _token(slurm: Slurm) -> list[str]:
    if isinstance(slurm, SlurmRest) and expires_soon(slurm.token_ends_at):
        return [f"The token of slurmrestd ends at {slurm.token_ends_at:%d %b %H:%M} UTC: renew it."]
    return []


def _measurements(nodes: Sequence[Node], inside: Sequence[Job], settings: SlurmSettings) -> dict[str, float]:
    running = [job for job in inside if job.state not in ("PENDING", "COMPLETING")]
    measured: dict[str, float] = {
        "jobs_running": float(len(running)),
        "jobs_waiting": float(sum(job.state == "PENDING" for job in inside)),
    }
    if settings.way == "nodes" and nodes:
        measured["cores_allocated"] = float(sum(node.cpus_used for node in nodes))
        measured["cards_allocated"] = float(sum(node.cards_used for node in nodes))
        cores, cards = sum(node.cpus for node in nodes), sum(node.cards for node in nodes)
        if cores:
            measured["cores_allocated_percent"] = 100 * measured["cores_allocated"] / cores
        if cards:
            measured["cards_allocated_percent"] = 100 * measured["cards_allocated"] / cards
    return measured
