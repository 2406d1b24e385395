"""What the portal is told of the room a lease gets: a project of its own, limits, rules of its network."""

import re
from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints
from pydantic.dataclasses import dataclass

_SPAN = re.compile(
    r"(?P<before>[A-Za-z0-9._-]*)\[(?P<first>\d{1,4})-(?P<last>\d{1,4})\](?P<after>[A-Za-z0-9._-]*)"
)
_MOST_PROJECTS = 1000


def _network(text: str) -> str:
    try:
        return str(ip_network(text, strict=False))
    except ValueError as error:
        raise ValueError(f"“{text}” is no network; write it such as 10.0.0.0/8.") from error


def names_of(entry: str) -> tuple[str, ...]:
    """Return the projects that an entry such as `shary-[01-20]` stands for; a plain name stands for itself."""
    found = _SPAN.fullmatch(entry)
    if found is None:
        return (entry,)
    first, last = int(found["first"]), int(found["last"])
    if not first <= last < first + _MOST_PROJECTS:
        raise ValueError("Give the first and the last number, such as shary-[01-20].")
    width = len(found["first"])
    return tuple(f"{found['before']}{number:0{width}}{found['after']}" for number in range(first, last + 1))


def _entry(text: str) -> str:
    names_of(text)
    return text


PoolEntry = Annotated[
    str,
    StringConstraints(
        pattern=r"^[A-Za-z0-9._-]*(\[[0-9]{1,4}-[0-9]{1,4}\])?[A-Za-z0-9._-]*$", min_length=1, max_length=80
    ),
    AfterValidator(_entry),
]
Network = Annotated[str, StringConstraints(max_length=50), AfterValidator(_network)]

INNER_NETWORKS = (
    "10.0.0.0/8",
    "100.64.0.0/10",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "fc00::/7",
    "fe80::/10",
)


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class Confinement:
    """The room of a lease on the server."""

    project_pool: Annotated[
        tuple[PoolEntry, ...],
        Field(
            title="Pool of projects",
            description="Restricted projects made for SHARY, such as shary-[01-20]; each lease has one to itself.",
        ),
    ] = ()
    limit_cpus: Annotated[int | None, Field(title="Processors", ge=1, description="Of each instance.")] = None
    limit_memory_gib: Annotated[
        int | None, Field(title="Memory, GiB", ge=1, description="Of each instance.")
    ] = None
    limit_disk_gib: Annotated[
        int | None,
        Field(title="Disk, GiB", ge=1, description="Of each instance, where the storage keeps limits."),
    ] = None
    network: Annotated[
        Literal["profiles", "own", "ovn"],
        Field(
            title="Network",
            description="That of the profiles; or with rules for each lease: a bridge of its own, or your OVN network.",
        ),
    ] = "profiles"
    ovn_network: Annotated[
        Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")] | None,
        Field(
            title="OVN network", description="The network of the instances, where the rules are those of OVN."
        ),
    ] = None
    barred_networks: Annotated[
        tuple[Network, ...],
        Field(
            title="Barred networks", description="What holders must not reach from inside, such as 10.0.0.0/8."
        ),
    ] = INNER_NETWORKS
    rests_on_vfio: Annotated[
        bool,
        Field(
            title="Cards rest with vfio-pci",
            description="Yes if this host keeps its cards ready for virtual machines, also while nobody has them.",
        ),
    ] = False

    @property
    def pool(self) -> tuple[str, ...]:
        """Return the names of the projects in the pool; none when all leases share one project."""
        return tuple(dict.fromkeys(name for entry in self.project_pool for name in names_of(entry)))
