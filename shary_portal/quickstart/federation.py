"""The demonstration federation: who is in it and what they share. All of it is invented."""

from dataclasses import dataclass, field
from typing import Literal

MEMORY_GIB = {"L40S": 48, "A16": 16, "H100": 80}
CARD_NAMES = {
    "L40S": "NVIDIA L40S",
    "A16": "NVIDIA A16",
    "H100": "NVIDIA H100 80GB HBM3",
}
EmulatorKind = Literal["p4runtime", "redfish", "lxd", "slurm", "gpu_ssh"]
EMULATOR_USERS = ("researcher", "colleague")
"""Who has an account at the emulated cluster: the people below, by what stands before their @."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    """An institution."""

    slug: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who signs in."""

    email: str
    first_name: str
    last_name: str
    organisation: str
    says: str
    """What the account is for, for the box that `make run` prints."""
    time_zone: str = ""
    operates: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    leads: tuple[str, ...] = ()
    is_manager: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """Somebody who has no account yet, and comes from the demonstration's home institution."""

    subject: str
    given_name: str
    family_name: str
    mail: str
    says: str
    groups: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """As people write it."""
        return f"{self.given_name} {self.family_name}"

    def claims(self) -> dict[str, object]:
        """Return what their institution says of them."""
        return {
            "sub": self.subject,
            "given_name": self.given_name,
            "family_name": self.family_name,
            "email": self.mail,
            "email_verified": True,
            "schac_home_organization": HOME.scope,
            "eduperson_entitlement": [f"{HOME.namespace}:group:{group}" for group in self.groups],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeInstitution:
    """An institution with a sign-on service of its own, run beside the portal."""

    slug: str
    name: str
    organisation: str
    scope: str
    namespace: str
    rules: tuple[tuple[str, str], ...]
    """Which group gives a place in which project."""
    people: tuple[Newcomer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """The group that a reservation is charged to."""

    slug: str
    name: str
    organisation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Emulator:
    """A device that is a process on this machine."""

    name: str
    site: str
    kind: EmulatorKind
    gpus: tuple[tuple[str, str], ...] = ()
    """PCI address and model of each card in the host."""
    nodes: tuple[tuple[str, str], ...] = ()
    """Name and model of card of each node of a cluster."""
    generation: int = 3
    """Of a BlueField card."""
    slices: tuple[tuple[str, str], ...] = ()
    """MIG profile and name of the parts that each card is cut into."""
    attributes: dict[str, object] = field(default_factory=dict)

    @property
    def slug(self) -> str:
        """A short name for files and log lines."""
        return f"{self.site}-{self.name.lower().replace(' ', '-')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One institution's part of the testbed."""

    slug: str
    name: str
    organisation: str
    time_zone: str
    latitude: float
    longitude: float
    by_operator: bool = False
    vlan_pool: str = ""
    cables: str = ""
    """How its devices are wired, as its operator would write it."""


ORGANISATIONS = (
    Organisation(slug="uni-a", name="University A"),
    Organisation(slug="uni-b", name="University B"),
    Organisation(slug="roma", name="Roma Institute"),
    Organisation(slug="torino", name="Torino Institute"),
    Organisation(slug="osaka", name="Osaka Institute"),
    Organisation(slug="federation", name="The Federation"),
)
SITES = (
    Site(
        slug="roma",
        name="Roma",
        organisation="roma",
        time_zone="Europe/Rome",
        latitude=41.9,
        longitude=12.5,
        vlan_pool="100-119",
        cables="Host L40S eth2 — Host A16 eth2, 100G\nHost L40S eth3 — Workstation enp1s0, 25G\n",
    ),
    Site(
        slug="torino",
        name="Torino",
        organisation="torino",
        time_zone="Europe/Rome",
        latitude=45.07,
        longitude=7.69,
        vlan_pool="200-219",
        cables=(
            "Tofino 1 1/0 — BlueField-3 p0, 100G\n"
            "Tofino 1 2/0 — BlueField-2 p0, 100G\n"
            "Tofino 1 31/0 — Tofino 2 31/0, 100G\n"
            "Tofino 2 1/0 — BlueField-3 p1, 100G\n"
            "Tofino 2 2/0 — BlueField-2 p1, 100G\n"
        ),
    ),
    Site(
        slug="osaka",
        name="Osaka",
        organisation="osaka",
        time_zone="Asia/Tokyo",
        latitude=34.69,
        longitude=135.5,
        by_operator=True,
        vlan_pool="300-309",
        cables=(
            "Switch 1 1 — Host H100 eth2, 100G\nSwitch 1 2 — gpu1 eth0, 100G\nSwitch 1 3 — gpu2 eth0, 100G\n"
        ),
    ),
)
PRICES: dict[str, dict[str, str]] = {
    "roma": {"gpu": "1.00", "gpu_host": "4.00"},
    "torino": {"p4_switch": "2.00", "smart_nic": "0.50"},
    "osaka": {"gpu": "2.40", "gpu_slice": "1.10", "gpu_host": "4.50", "p4_switch": "0.00"},
}
"""Credits for an hour at each site, by kind; invented."""
MODEL_PRICES = {("roma", "gpu", "A16"): "0.30"}
SPEEDS = {"L40S": "1", "A16": "0.2", "H100": "2.7"}
SPEED_SOURCE = "Peak FP16 tensor throughput from the makers’ data sheets, rounded; for demonstration only"
PROJECTS = (
    Project(slug="in-network-learning", name="In-network learning", organisation="uni-a"),
    Project(slug="telemetry", name="Telemetry at line rate", organisation="uni-b"),
)
PEOPLE = (
    Person(
        email="researcher@uni-a.example",
        first_name="Researcher",
        last_name="A",
        organisation="uni-a",
        says="books devices for two projects",
        projects=("telemetry",),
        leads=("in-network-learning",),
    ),
    Person(
        email="colleague@uni-b.example",
        first_name="Colleague",
        last_name="B",
        organisation="uni-b",
        says="shares a project with the researcher",
        leads=("telemetry",),
    ),
    Person(
        email="operator@roma.example",
        first_name="Operator",
        last_name="Roma",
        organisation="roma",
        says="runs the site Roma",
        time_zone="Europe/Rome",
        operates=("roma",),
    ),
    Person(
        email="operator.torino@torino.example",
        first_name="Operator",
        last_name="Torino",
        organisation="torino",
        says="runs the site Torino",
        time_zone="Europe/Rome",
        operates=("torino",),
    ),
    Person(
        email="operator.osaka@osaka.example",
        first_name="Operator",
        last_name="Osaka",
        organisation="osaka",
        says="runs the site Osaka, and approves what is booked there",
        time_zone="Asia/Tokyo",
        operates=("osaka",),
    ),
    Person(
        email="manager@federation.example",
        first_name="Manager",
        last_name="F",
        organisation="federation",
        says="sees and may do everything",
        is_manager=True,
    ),
)
HOME = HomeInstitution(
    slug="university-a",
    name="University A",
    organisation="uni-a",
    scope="uni-a.example",
    namespace="urn:geant:uni-a.example",
    rules=(("in-network-learning", "in-network-learning"),),
    people=(
        Newcomer(
            subject="newcomer",
            given_name="Newcomer",
            family_name="A",
            mail="newcomer@uni-a.example",
            says="is in the group of a project, and books at once",
            groups=("in-network-learning",),
        ),
        Newcomer(
            subject="visitor",
            given_name="Visitor",
            family_name="A",
            mail="visitor@uni-a.example",
            says="is in no project yet",
        ),
    ),
)
EMULATORS = (
    Emulator(
        name="Host L40S",
        site="roma",
        kind="lxd",
        gpus=tuple((f"0000:{bus}:00.0", "L40S") for bus in ("17", "31", "ca", "e3")),
    ),
    Emulator(
        name="Host A16",
        site="roma",
        kind="lxd",
        gpus=tuple((f"0000:{bus}:00.0", "A16") for bus in ("41", "42", "43", "44")),
    ),
    Emulator(
        name="Workstation",
        site="roma",
        kind="gpu_ssh",
        gpus=tuple((f"0000:{bus}:00.0", "L40S") for bus in ("2b", "ac")),
    ),
    Emulator(name="Tofino 1", site="torino", kind="p4runtime", attributes={"ports": 32}),
    Emulator(name="Tofino 2", site="torino", kind="p4runtime", attributes={"ports": 32}),
    Emulator(name="BlueField-3", site="torino", kind="redfish", generation=3),
    Emulator(name="BlueField-2", site="torino", kind="redfish", generation=2),
    Emulator(
        name="Host H100",
        site="osaka",
        kind="lxd",
        gpus=(("0000:1b:00.0", "H100"), ("0000:9b:00.0", "H100")),
        slices=(("3g.40gb", "slice A"), ("3g.40gb", "slice B")),
    ),
    Emulator(name="Cluster", site="osaka", kind="slurm", nodes=(("gpu1", "H100"), ("gpu2", "H100"))),
    Emulator(name="Switch 1", site="osaka", kind="p4runtime", attributes={"ports": 16}),
)
