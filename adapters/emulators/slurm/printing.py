"""How Slurm's commands print what the cluster knows, one record a line."""

import time
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from adapters.emulators.slurm.cluster import Cluster
from adapters.emulators.slurm.nouns import EmulatedJob, EmulatedNode, EmulatedReservation, Refusal

_NULL = "(null)"


def zone_of(name: str) -> ZoneInfo:
    """Return the zone that the caller's TZ names; UTC for what is none."""
    try:
        return ZoneInfo(name if name not in ("", "UTC0") else "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def clock(seconds: float, zone: ZoneInfo) -> str:
    """Return a moment as the commands print it: in the caller's zone, without naming it."""
    return datetime.fromtimestamp(int(seconds), tz=UTC).astimezone(zone).strftime("%Y-%m-%dT%H:%M:%S")


def seconds_of(text: str, zone: ZoneInfo) -> int:
    """Return the moment that a caller wrote: `now`, `now+20minutes`, or a time in their zone."""
    units = {"": 1, "seconds": 1, "second": 1, "minutes": 60, "minute": 60, "hours": 3600, "hour": 3600}
    if text.startswith("now"):
        rest = text.removeprefix("now").removeprefix("+")
        number = rest.rstrip("abcdefghijklmnopqrstuvwxyz")
        unit = units.get(rest[len(number) :])
        if unit is None or (rest and not number.isdecimal()):
            raise Refusal("Invalid time specified", number=2028)
        return int(time.time()) + int(number or 0) * unit
    try:
        return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp())
    except ValueError as error:
        raise Refusal("Invalid time specified", number=2028) from error


def states_of(cluster: Cluster, node: EmulatedNode) -> list[str]:
    """Return the states of a node, as Slurm names them."""
    jobs, now = cluster.jobs_on(node.name), time.time()
    running = [job for job in jobs if job.state == "RUNNING"]
    states = [
        "DOWN" if node.down else "ALLOCATED" if len(running) >= node.cpus else "MIXED" if running else "IDLE"
    ]
    if node.drained:
        states.append("DRAIN")
    if any(job.state == "COMPLETING" for job in jobs):
        states.append("COMPLETING")
    if any(
        node.name in found.nodes and found.start <= now < found.end for found in cluster.reservations.values()
    ):
        states.append("RESERVED")
    return states


def gres_used(cluster: Cluster, node: EmulatedNode) -> str:
    """Return what jobs have of a node's cards."""
    if not node.cards:
        return ""
    used = sum(job.cards for job in cluster.jobs_on(node.name))
    return f"gpu:{node.gpu}:{used}(IDX:{'N/A' if not used else f'0-{used - 1}' if used > 1 else '0'})"


def core_count(cluster: Cluster, found: EmulatedReservation) -> int:
    """Return how many cores a reservation takes."""
    return found.cores or sum(cluster.nodes[name].cpus for name in found.nodes)


def flags_of(found: EmulatedReservation) -> list[str]:
    """Return the flags as they are shown, which is not as they are given."""
    shown = {"STATIC_ALLOC": "STATIC", "LICENSE_ONLY": "ANY_NODES"}
    return [*(["SPEC_NODES"] if found.nodes else []), *(shown.get(flag, flag) for flag in found.flags)]


def reservation_line(cluster: Cluster, found: EmulatedReservation, zone: ZoneInfo) -> str:
    """Return a reservation as `scontrol -o show reservation` prints it."""
    now = time.time()
    length = found.end - found.start
    days, rest = divmod(length, 86400)
    duration = f"{f'{days}-' if days else ''}{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
    cores = core_count(cluster, found)
    fields = {
        "ReservationName": found.name,
        "StartTime": clock(found.start, zone),
        "EndTime": clock(found.end, zone),
        "Duration": duration,
        "Nodes": ",".join(found.nodes) or _NULL,
        "NodeCnt": str(len(found.nodes)),
        "CoreCnt": str(cores),
        "Features": _NULL,
        "PartitionName": found.partition or _NULL,
        "Flags": ",".join(flags_of(found)),
        "TRES": f"cpu={cores}" if cores else _NULL,
        "Users": ",".join(found.users) or _NULL,
        "Groups": _NULL,
        "Accounts": ",".join(found.accounts) or _NULL,
        "Licenses": ",".join(f"{name}:{count}" for name, count in found.licences.items()) or _NULL,
        "State": "ACTIVE" if found.start <= now <= found.end else "INACTIVE",
        "BurstBuffer": _NULL,
        "MaxStartDelay": _NULL,
    }
    if found.comment:
        fields["Comment"] = found.comment
    return " ".join(f"{key}={value}" for key, value in fields.items())


def node_line(cluster: Cluster, node: EmulatedNode, zone: ZoneInfo, *, details: bool) -> str:
    """Return a node as `scontrol -d -o show node` prints it."""
    used = sum(1 for job in cluster.jobs_on(node.name))
    fields = {
        "NodeName": node.name,
        "Arch": "x86_64",
        "CoresPerSocket": str(node.cpus),
        "CPUAlloc": str(used),
        "CPUEfctv": str(node.cpus),
        "CPUTot": str(node.cpus),
        "CPULoad": f"{used:.2f}",
        "AvailableFeatures": _NULL,
        "ActiveFeatures": _NULL,
        "Gres": node.gres or _NULL,
    }
    if details:
        fields |= {"GresDrain": "N/A", "GresUsed": gres_used(cluster, node) or _NULL}
    fields |= {
        "NodeAddr": node.name,
        "NodeHostName": node.name,
        "Version": cluster.version,
        "RealMemory": str(node.memory_mib),
        "State": "+".join(states_of(cluster, node)),
        "Partitions": "gpu",
    }
    if node.reason:
        fields["Reason"] = f"{node.reason} [root@{clock(time.time(), zone)}]"
    return " ".join(f"{key}={value}" for key, value in fields.items())


def job_columns(job: EmulatedJob) -> dict[str, str]:
    """Return a job by the letters of squeue's format."""
    return {
        "A": str(job.number),
        "i": str(job.number),
        "u": job.user,
        "a": job.account or _NULL,
        "T": job.state,
        "v": job.reservation or _NULL,
        "N": job.node,
        "r": job.reason,
    }
