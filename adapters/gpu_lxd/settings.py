"""How the portal knows graphics cards behind an LXD server: forms, words and times, no device code."""

import dataclasses
import re
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints, model_validator
from pydantic.dataclasses import dataclass

from adapters.contract import AdapterDescription, Json
from adapters.contract.reading import read
from adapters.gpu import CardBaseline, GpuAttributes, PciAddress
from adapters.gpu_lxd.confinement import Confinement

_STRICT = ConfigDict(extra="forbid")

SecretName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
LxdName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
ImageAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/:-]{0,127}$")]
HostName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.:-]{0,252}$")]
OwnInstance = Annotated[
    str,
    StringConstraints(
        pattern=r"^([A-Za-z0-9][A-Za-z0-9._\-]{0,62}(/|[.]))?[A-Za-z]([A-Za-z0-9\-]{0,61}[A-Za-z0-9])?$"
    ),
]
PortRange = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,5}-[0-9]{1,5}$")]


def ports_of(span: str) -> range:
    """Return the ports of a span such as `20000-20099`; raise ValueError when it is none."""
    first, last = (int(port) for port in span.split("-"))
    if not 0 < first <= last < 65536:
        raise ValueError("Give the first and the last port, such as 20000-20099.")
    return range(first, last + 1)


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class LxdSettings(Confinement):
    """How a site reaches its LXD server and what it lends there."""

    endpoint: Annotated[
        str,
        StringConstraints(pattern=r"^https://[^/\s?#]+/?$"),
        Field(title="LXD server", description="Its address, such as https://gpu1.uni-a.example:8443."),
    ]
    certificate_secret: Annotated[
        SecretName, Field(title="Client certificate", description="The name of the secret that holds it, PEM.")
    ]
    key_secret: Annotated[
        SecretName, Field(title="Client key", description="The name of the secret that holds it, PEM.")
    ]
    server_certificate_secret: Annotated[
        SecretName,
        Field(
            title="Server certificate",
            description="The name of the secret that holds the server's certificate. No other is accepted.",
        ),
    ]
    project: Annotated[
        LxdName, Field(title="Project", description="The LXD project in which instances are made.")
    ] = "default"
    pci: Annotated[
        PciAddress | None,
        Field(title="Card", description="The PCI address of the card, such as 0000:65:00.0; of a part only."),
    ] = None
    mig_uuid: Annotated[
        Annotated[str, StringConstraints(pattern=r"^MIG-[0-9A-Za-z/-]{1,80}$")] | None,
        Field(title="MIG slice", description="For a part of a card that was partitioned beforehand."),
    ] = None
    cards: Annotated[
        tuple[PciAddress, ...],
        Field(title="All cards", description="For a whole host: the PCI addresses of the cards that it lends."),
    ] = ()
    instance_type: Annotated[
        Literal["virtual-machine", "container"],
        Field(
            title="Instance type",
            description="Holders are root in it. Only a virtual machine keeps them apart from the host.",
        ),
    ] = "virtual-machine"
    image: Annotated[ImageAlias, Field(title="Image", description="The alias of the image, with sshd inside.")]
    more_images: Annotated[
        tuple[ImageAlias, ...], Field(title="More images", description="Aliases that a holder may choose.")
    ] = ()
    profiles: Annotated[
        tuple[LxdName, ...],
        Field(title="Profiles", description="For disk and network. None of them may attach a card."),
    ] = ("default",)
    ssh_host: Annotated[
        HostName | None,
        Field(title="Host for ssh", description="What holders type. Empty: the instance's own address."),
    ] = None
    ssh_listen: Annotated[
        HostName, Field(title="Listen on", description="The address of the LXD host on which ssh is forwarded.")
    ] = "0.0.0.0"  # noqa: S104 - on the LXD host, chosen by its operator
    ssh_ports: Annotated[
        PortRange | None,
        Field(
            title="Ports for ssh",
            description="Ports of the LXD host that are forwarded to containers, such as 20000-20099.",
        ),
    ] = None
    login_user: Annotated[
        Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_-]{0,31}$")],
        Field(title="Account", description="The account in the image that holders log in to."),
    ] = "root"
    login_uid: Annotated[int, Field(title="Its user id", ge=0, le=65534)] = 0
    nvml_is_local: Annotated[
        bool,
        Field(
            title="Worker runs on this host",
            description="Then NVML is asked too: for measurements, and for the proof that a card is clean.",
        ),
    ] = False
    wipe_memory: Annotated[
        bool,
        Field(
            title="Overwrite the memory",
            description=(
                "After each lease the worker fills a card's whole memory and reads it back, where it runs on this "
                "host. It needs requirements-gpu-site.txt there. Off: each proof says that it was not done."
            ),
        ),
    ] = True
    idle_memory_mib: Annotated[
        int,
        Field(title="Memory of an idle card", ge=0, description="More MiB in use after a lease is not clean."),
    ] = 1024
    baseline: Annotated[
        CardBaseline | None,
        Field(
            title="State between leases",
            description="How the card was when it was accepted: what each lease has to leave behind again.",
        ),
    ] = None
    baselines: Annotated[
        dict[PciAddress, CardBaseline],
        Field(title="States between leases", description="For a whole host: the state of each card."),
    ] = dataclasses.field(default_factory=dict)
    own_instances: Annotated[
        Literal["any", "container", "virtual-machine", "none"],
        Field(
            title="Holders' own instances",
            description="Which of them a card may be lent to, where the operator has marked them for it.",
        ),
    ] = "any"
    figo_profiles: Annotated[
        bool,
        Field(
            title="FIGO profiles",
            description="Lend a card by its profile “gpu-<n>-<pci>” where there is one, so that FIGO sees it.",
        ),
    ] = False
    shutdown_s: Annotated[
        float,
        Field(
            title="Time to shut down",
            gt=0,
            le=30,
            description="Seconds that a holder's own instance gets before its power is cut.",
        ),
    ] = 15.0
    timeout_s: Annotated[
        float, Field(title="Timeout", gt=0, le=60, description="Seconds to wait for one answer of the server.")
    ] = 10.0
    settle_s: Annotated[
        float,
        Field(title="Patience", gt=0, le=120, description="Seconds that the server may take for an action."),
    ] = 60.0

    @model_validator(mode="after")
    def _fits_together(self) -> "LxdSettings":
        if self.ssh_ports is not None:
            ports_of(self.ssh_ports)
            if self.instance_type == "virtual-machine":
                raise ValueError("A virtual machine has its own address: leave the ports for ssh empty.")
            if self.ssh_host is None:
                raise ValueError("With ports for ssh, say also under which host name holders reach them.")
        if (self.network == "ovn") != (self.ovn_network is not None):
            raise ValueError("Name the OVN network where the rules are those of OVN, and only there.")
        if self.mig_uuid is not None and self.pci is None:
            raise ValueError("A MIG slice needs the PCI address of its card.")
        if self.mig_uuid is not None and self.instance_type != "container":
            raise ValueError("LXD attaches MIG slices to containers only.")
        return self

    @property
    def wanted_cards(self) -> tuple[str, ...]:
        """Return the PCI addresses that a lease gets: the part's card, or all of the host."""
        return (self.pci,) if self.pci else self.cards

    @property
    def wipes_memory(self) -> bool:
        """Return whether the worker overwrites the memory of cards that it can reach."""
        return self.nvml_is_local and self.wipe_memory

    def baseline_of(self, pci: str) -> CardBaseline | None:
        """Return how the card has to be between leases; None where nobody has said."""
        return self.baseline if pci == self.pci and self.baseline else self.baselines.get(pci)

    @property
    def keys_file(self) -> str:
        """Return the path of the account's authorized keys inside an instance."""
        home = "/root" if self.login_user == "root" else f"/home/{self.login_user}"
        return f"{home}/.ssh/authorized_keys"


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class GpuParameters:
    """What the holder can choose for one lease."""

    image: Annotated[
        ImageAlias | Literal[""],
        Field(title="Image", description="One of the site's images; empty for its usual one."),
    ] = ""
    instance: Annotated[
        OwnInstance | Literal[""],
        Field(
            title="Your own instance",
            description=(
                "Lend the card to an instance that you have there already, such as figo-ada/vm1; "
                "empty for a fresh machine. The site's operator has to have marked it for you."
            ),
        ),
    ] = ""

    @model_validator(mode="after")
    def _fits_together(self) -> "GpuParameters":
        if self.image and self.instance:
            raise ValueError("An image is for a fresh machine: leave it empty with an instance of your own.")
        return self


def warnings_for(settings: Json, parameters: Json) -> tuple[str, ...]:
    """Return what happens to the holder's own instance, said before it happens."""
    try:
        site, chosen = LxdSettings(**settings), GpuParameters(**parameters)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return ()
    name = f"“{chosen.instance}”"
    if not chosen.instance:
        return ()
    if site.own_instances == "none":
        return (
            "This site lends its cards to fresh machines only: leave “Your own instance” empty, "
            "or the lease is refused at its start.",
        )
    restarted = (
        f"is restarted twice: at the start of the lease, to get the card, and at its end, to give it back. "
        f"Save your work before; what has not shut down after {site.shutdown_s:g} s is switched off."
    )
    plugged = (
        "runs on and gets the card at the start of the lease. At the end the card is taken out, and the container "
        "is restarted if programs in it may still be using the card: save your work before."
    )
    if site.mig_uuid:
        return (f"Your container {name} {restarted}",)
    words = {
        "virtual-machine": f"Your virtual machine {name} {restarted}",
        "container": f"Your container {name} {plugged}",
        "any": f"If {name} is a virtual machine, it {restarted} If it is a container, it {plugged}",
    }
    return (words[site.own_instances],)


DESCRIPTION = AdapterDescription(
    name="gpu_lxd",
    title="GPU on LXD",
    kinds=("gpu", "gpu_slice", "gpu_host"),
    settings=LxdSettings,
    attributes=GpuAttributes,
    parameters=GpuParameters,
    preparation=timedelta(seconds=30),
    cleanup=timedelta(seconds=60),
    deadlines={
        "observe": timedelta(seconds=30),
        "discover": timedelta(seconds=60),
        "provision": timedelta(minutes=4),
        "admit": timedelta(minutes=2),
        "isolate": timedelta(seconds=60),
        # Three minutes of it are for overwriting the memory.
        "release": timedelta(minutes=8),
        "reshape": timedelta(minutes=2),
    },
    notice=(
        "You get a fresh machine with the card inside and are root in it; at the end of the lease the "
        "machine and all that is on it are deleted, so copy your results out in time. Or name an instance "
        "of your own: it gets the card for the lease, and is left alone otherwise."
    ),
    warn=warnings_for,
    exclusive=("instance",),
    can_reshape=True,
)


def settings_of(values: Json) -> LxdSettings:
    """Return the settings of a record; raise `InvalidSettings` when they cannot work."""
    return read(LxdSettings, values)


_LXD_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,61}[A-Za-z0-9]")


def is_instance_name(text: str) -> bool:
    """Say whether LXD accepts the text as the name of an instance."""
    return _LXD_NAME.fullmatch(text) is not None
