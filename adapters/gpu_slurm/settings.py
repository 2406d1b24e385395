"""How the portal knows cards behind Slurm: forms, words and times, no device code."""

from dataclasses import field
from datetime import timedelta
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, StringConstraints, model_validator
from pydantic.dataclasses import dataclass

from adapters.contract import AdapterDescription
from adapters.gpu import GpuAttributes

_STRICT = ConfigDict(extra="forbid")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")

SecretName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
HostName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.:-]{0,252}$")]
NodeName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
UnixName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}$")]
AccountName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$")]
Path = Annotated[str, StringConstraints(pattern=r"^/[A-Za-z0-9._/-]{0,250}$")]
Word = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,250}$")]
Licences = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}:[1-9][0-9]{0,3}$")]
Gres = Annotated[str, StringConstraints(pattern=r"^gpu(:[A-Za-z0-9][A-Za-z0-9._-]{0,62})?:[1-9][0-9]{0,2}$")]
SharyName = Annotated[str, StringConstraints(min_length=1, max_length=200)]

Way = Literal["nodes", "cores", "licenses", "gres"]


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class SlurmSettings:
    """How a site reaches its Slurm cluster and what it lends there."""

    transport: Annotated[
        Literal["commands", "rest"],
        Field(
            title="Talk by",
            description="Slurm's commands, or slurmrestd (it changes reservations from v0.0.43 on).",
        ),
    ] = "commands"
    via: Annotated[
        tuple[Word, ...],
        Field(
            title="Commands run through",
            max_length=20,
            description='Empty: on the worker itself. Otherwise a list such as ["ssh", "-oBatchMode=yes", '
            '"shary@slurm.uni-a.example"].',
        ),
    ] = ()
    sudo_user: Annotated[
        UnixName | Literal[""],
        Field(title="Commands run as", description="By “sudo -n -u”. Empty: as who the worker is there."),
    ] = ""
    bin_dir: Annotated[
        Path | Literal[""],
        Field(title="Folder of the commands", description="Such as /opt/slurm/bin. Empty: where PATH says."),
    ] = ""
    slurm_conf: Annotated[
        Path | Literal[""], Field(title="slurm.conf", description="Empty: where Slurm looks by itself.")
    ] = ""
    rest_url: Annotated[
        Annotated[str, StringConstraints(pattern=r"^https?://[^/\s?#@]+/?$")] | Literal[""],
        Field(
            title="slurmrestd",
            description="Its address. Beside commands it is the other path by which clean-up is proven.",
        ),
    ] = ""
    api_version: Annotated[
        str,
        StringConstraints(pattern=r"^v0\.0\.[0-9]{2}$"),
        Field(title="Version of its interface", description="Such as v0.0.43. It is never guessed."),
    ] = "v0.0.43"
    rest_user: Annotated[
        UnixName, Field(title="Its user", description="Who the token is for: an operator of Slurm.")
    ] = "root"
    token_secret: Annotated[
        SecretName | None,
        Field(title="Token", description="The name of the secret that holds it. It is read at each call."),
    ] = None
    certificate_secret: Annotated[
        SecretName | None,
        Field(
            title="Certificate",
            description="The name of the secret with what signs slurmrestd's certificate; empty: the system's.",
        ),
    ] = None
    way: Annotated[
        Way,
        Field(
            title="Reserve",
            description="Whole nodes; cores of one node; a licence that stands for a card; or cards (gres), "
            "which old versions of Slurm refuse.",
        ),
    ] = "nodes"
    nodes: Annotated[
        tuple[NodeName, ...], Field(title="Nodes", max_length=64, description="Which nodes a lease takes.")
    ] = ()
    cores: Annotated[int | None, Field(title="Cores", ge=1, description="To reserve cores: how many.")] = None
    licence: Annotated[
        Licences | None,
        Field(title="Licence", description="To reserve a licence: its name and count, such as h100:1."),
    ] = None
    gres: Annotated[
        Gres | None,
        Field(
            title="Cards",
            description="What a job asks for, such as gpu:h100:1; with “gres”, also what is reserved.",
        ),
    ] = None
    partition: Annotated[NodeName | Literal[""], Field(title="Partition", description="Empty: the usual.")] = ""
    users: Annotated[
        dict[SharyName, UnixName],
        Field(title="Users", description="A holder's name or project at SHARY → their user at the cluster."),
    ] = field(default_factory=dict)
    user_domains: Annotated[
        tuple[HostName, ...],
        Field(
            title="Domains of the cluster's own users",
            description="Holders of these are known at the cluster by what stands before their @.",
        ),
    ] = ()
    accounts: Annotated[
        dict[SharyName, AccountName],
        Field(title="Accounts", description="A project or a holder's name at SHARY → Slurm account."),
    ] = field(default_factory=dict)
    closed_user: Annotated[
        UnixName,
        Field(
            title="User of closed reservations", description="Nobody who holds leases: root, or SHARY's own."
        ),
    ] = "root"
    login_host: Annotated[
        HostName, Field(title="Login host", description="Where holders log in to submit jobs.")
    ]
    login_port: Annotated[int, Field(title="Its ssh port", ge=1, le=65535)] = 22
    hold_min: Annotated[
        int,
        Field(
            title="Minutes held after the end",
            ge=1,
            le=240,
            description="So long the nodes stay reserved for cleaning, in case the site worker is away.",
        ),
    ] = 10
    node_probe: Annotated[
        tuple[Word, ...],
        Field(
            title="Probe on the node",
            max_length=30,
            description='A command that proves the cards clean: ["ssh", "{node}", "shary-gpu-probe", "prove"]. '
            "It prints a JSON list of checks.",
        ),
    ] = ()
    timeout_s: Annotated[
        float, Field(title="Timeout", gt=0, le=120, description="Seconds to wait for one answer of Slurm.")
    ] = 20.0
    settle_s: Annotated[
        float,
        Field(title="Patience", gt=0, le=300, description="Seconds that jobs may take to end on their node."),
    ] = 60.0

    @model_validator(mode="after")
    def _fits_together(self) -> "SlurmSettings":
        if self.transport == "rest" and not self.rest_url:
            raise ValueError("To talk by slurmrestd, give its address.")
        if self.rest_url:
            parts = urlsplit(self.rest_url)
            if not self.token_secret:
                raise ValueError("slurmrestd wants a token: give the name of the secret that holds it.")
            if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
                raise ValueError("A token must not travel in the clear: give slurmrestd an https address.")
        if self.way == "cores" and (self.nodes and self.cores is None):
            raise ValueError("To reserve cores, say how many.")
        if self.way == "cores" and len(self.nodes) > 1:
            raise ValueError("Cores are reserved on one node: name only that one.")
        if self.way == "licenses" and self.licence is None:
            raise ValueError("To reserve a licence, give its name and count.")
        if self.way == "gres" and self.nodes and self.gres is None:
            raise ValueError("To reserve cards, say which: such as gpu:h100:1.")
        if any("{" in word and word.replace("{node}", "").find("{") >= 0 for word in self.node_probe):
            raise ValueError("In the probe only {node} can be filled in.")
        return self

    @property
    def ways_of_reserving(self) -> str:
        """Say in words what a lease takes."""
        places = ", ".join(self.nodes)
        match self.way:
            case "cores":
                return f"{self.cores} cores of {places}"
            case "licenses":
                return f"licence {self.licence}"
            case "gres":
                return f"{self.gres} of {places}"
        return f"whole nodes {places}" if len(self.nodes) > 1 else f"whole node {places}"


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class SlurmParameters:
    """What the holder can choose for one lease: nothing; all is chosen per job."""


DESCRIPTION = AdapterDescription(
    name="gpu_slurm",
    title="GPU on Slurm",
    kinds=("gpu", "gpu_host"),
    settings=SlurmSettings,
    attributes=GpuAttributes,
    parameters=SlurmParameters,
    preparation=timedelta(minutes=10),
    cleanup=timedelta(minutes=3),
    deadlines={
        "observe": timedelta(seconds=90),
        "discover": timedelta(seconds=90),
        "provision": timedelta(minutes=3),
        "admit": timedelta(minutes=2),
        "isolate": timedelta(minutes=2),
        "release": timedelta(minutes=8),
    },
    notice=(
        "You submit jobs to a reservation of the cluster with sbatch or srun, under your account there. "
        "At the end of the lease all your jobs in it are cancelled, so save results in time."
    ),
)
