"""How the portal knows graphics cards of a machine that is reached by ssh: forms, words and times."""

from datetime import timedelta
from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints
from pydantic.dataclasses import dataclass

from adapters.contract import AdapterDescription
from adapters.gpu import GpuAttributes, PciAddress

_STRICT = ConfigDict(extra="forbid")

SecretName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
HostName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.:-]{0,252}$")]
Port = Annotated[int, Field(ge=1, le=65535)]


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class SshSettings:
    """How a site reaches its machine and what it lends there."""

    host: Annotated[
        HostName, Field(title="Machine", description="Its name or address, such as gpu1.uni-a.example.")
    ]
    port: Annotated[Port, Field(title="Port", description="Where its sshd listens.")] = 22
    account: Annotated[
        Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_-]{0,31}$")],
        Field(title="Account of the worker", description="Its key may start shary-gpu-host and nothing else."),
    ] = "shary"
    key_secret: Annotated[
        SecretName, Field(title="Key of the worker", description="The name of the secret that holds it.")
    ]
    host_key_secret: Annotated[
        SecretName,
        Field(
            title="Host key",
            description="The name of the secret that holds the machine's public key. No other is accepted.",
        ),
    ]
    pci: Annotated[
        PciAddress | None,
        Field(title="Card", description="The PCI address of the card, such as 0000:65:00.0; of a part only."),
    ] = None
    cards: Annotated[
        tuple[PciAddress, ...],
        Field(title="All cards", description="For the whole machine: the PCI addresses of the cards it lends."),
    ] = ()
    login_host: Annotated[
        HostName | None,
        Field(title="Host for holders", description="What holders type. Empty: the machine as above."),
    ] = None
    login_port: Annotated[
        Port | None, Field(title="Port for holders", description="Empty: the port as above.")
    ] = None
    timeout_s: Annotated[
        float, Field(title="Timeout", gt=0, le=60, description="Seconds to wait for a connection.")
    ] = 10.0
    settle_s: Annotated[
        float,
        Field(title="Patience", gt=0, le=600, description="Seconds that the machine may take for an action."),
    ] = 60.0

    @property
    def wanted_cards(self) -> tuple[str, ...]:
        """Return the PCI addresses that a lease gets: the part's card, or all of the machine."""
        return (self.pci,) if self.pci else self.cards


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class SshParameters:
    """What the holder can choose for one lease: nothing."""


DESCRIPTION = AdapterDescription(
    name="gpu_ssh",
    title="GPU on a Linux machine (ssh)",
    kinds=("gpu", "gpu_host"),
    settings=SshSettings,
    attributes=GpuAttributes,
    parameters=SshParameters,
    preparation=timedelta(seconds=20),
    cleanup=timedelta(minutes=2),
    deadlines={
        "observe": timedelta(seconds=45),
        "discover": timedelta(seconds=60),
        "provision": timedelta(minutes=2),
        "admit": timedelta(minutes=1),
        "isolate": timedelta(seconds=60),
        "release": timedelta(minutes=10),
    },
    notice=(
        "You get an account of your own on the machine, with the card for you alone; you are not root, and "
        "holders of its other cards work beside you. At the end of the lease all you run there is ended, and "
        "the account is deleted with its files, so copy your results out in time."
    ),
)
