"""What the portal knows of a P4 switch: how to reach it, what to search for, which files to ask for."""

from datetime import timedelta
from typing import Literal

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from adapters.contract import AdapterDescription, ArtefactSlot
from adapters.p4_switch.artefacts import check_artefacts, describe_artefact

Architecture = Literal["bmv2_v1model"]
"""The targets that we can park: each has its drop-all program in `adapters.p4_switch.parking`."""

_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class Settings:
    """How the site reaches the switch, and what it tells the holder."""

    host: str = Field(
        title="Host", description="Where the site's worker reaches the P4Runtime server.", min_length=1
    )
    port: int = Field(default=9559, title="Port", ge=1, le=65535, description="9559 is the registered port.")
    device_id: int = Field(
        default=1,
        title="Device id",
        ge=1,
        lt=2**64,
        description="The switch's number on its server; P4Runtime does not allow 0.",
    )
    architecture: Architecture = Field(
        default="bmv2_v1model",
        title="Architecture",
        description="What the switch runs; it decides which program parks the switch between leases.",
    )
    public_host: str = Field(
        default="", title="Public host", description="What the holder connects to; empty: the same host."
    )
    public_port: int | None = Field(
        default=None,
        title="Public port",
        ge=1,
        le=65535,
        description="What the holder connects to; empty: the same port.",
    )
    ca_secret: str = Field(
        default="",
        title="Certificate authority",
        description="Name of the site's secret with the authority (PEM) that signed the switch's "
        "certificate. Empty: the connection is not encrypted.",
    )
    certificate_secret: str = Field(
        default="", title="Client certificate", description="Name of the secret with our certificate (PEM)."
    )
    key_secret: str = Field(
        default="", title="Client key", description="Name of the secret with the certificate's key (PEM)."
    )
    tls_name: str = Field(
        default="",
        title="Name in the certificate",
        description="When the switch's certificate names another host than the one we connect to.",
    )
    withholds_config: bool = Field(
        default=False,
        title="Withholds its program",
        description="Tick it when the switch does not give its device configuration back, which "
        "P4Runtime allows. Clean-up then relies on the cookie and the P4Info.",
    )
    gateway_secret: str = Field(
        default="",
        title="Gateway",
        description="Name of the site's secret that holds the path of the P4 gateway's control socket. With it "
        "holders get a certificate for the gateway and never reach the switch. Empty: they connect to the "
        "switch itself, and only its network keeps others out.",
    )
    only_booked_programs: bool = Field(
        default=False,
        title="Only booked programs",
        description="The gateway lets no other program be pushed than the one given with the booking.",
    )
    gnmi_ports: tuple[str, ...] = Field(
        default=(),
        title="Ports for gNMI",
        description="Names of the interfaces that a holder may switch on and off through the gateway.",
    )
    answer_timeout_s: float = Field(
        default=5.0,
        title="Patience (s)",
        gt=0,
        le=30,
        description="How long a call may take; pushing a program may take four times as long.",
    )

    @model_validator(mode="after")
    def _tls_is_whole(self) -> "Settings":
        if bool(self.certificate_secret) != bool(self.key_secret):
            raise ValueError("A client certificate and its key go together: name both secrets, or neither.")
        if (self.only_booked_programs or self.gnmi_ports) and not self.gateway_secret:
            raise ValueError("Booked programs and ports for gNMI are kept by the gateway: name its secret.")
        if self.certificate_secret and not self.ca_secret:
            raise ValueError(
                "A client certificate needs an encrypted connection: name the certificate authority."
            )
        return self


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class Attributes:
    """What a user can search for."""

    model: str = Field(title="Model", description="Such as “BMv2 simple_switch_grpc” or “Wedge 100BF-32X”.")
    architecture: Architecture = Field(default="bmv2_v1model", title="Architecture")
    ports: int | None = Field(default=None, title="Ports", ge=1, le=1024)
    port_speed_gbps: float | None = Field(default=None, title="Port speed (Gbit/s)", gt=0)
    p4runtime_version: str = Field(default="", title="P4Runtime version")
    cabling: str = Field(default="", title="Cabling", description="What is connected to which port, in a line.")


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class Parameters:
    """What the holder can choose for one lease: so far, nothing beside the program."""


DESCRIPTION = AdapterDescription(
    name="p4_switch",
    title="P4 switch (P4Runtime)",
    kinds=("p4_switch",),
    settings=Settings,
    attributes=Attributes,
    parameters=Parameters,
    artefacts=(
        ArtefactSlot(
            name="p4info",
            title="P4Info",
            required=True,
            max_bytes=1024 * 1024,
            help="What the compiler writes with --p4runtime-files: as text (.txtpb, .p4info.txt) or binary.",
        ),
        ArtefactSlot(
            name="device_config",
            title="Device configuration",
            required=True,
            max_bytes=32 * 1024 * 1024,
            help="The compiled program; for BMv2 the JSON that p4c writes.",
        ),
    ),
    check_artefacts=check_artefacts,
    describe_artefact=describe_artefact,
    forwards=True,
    preparation=timedelta(seconds=20),
    cleanup=timedelta(seconds=20),
    deadlines={
        "observe": timedelta(seconds=20),
        "discover": timedelta(seconds=20),
        "provision": timedelta(seconds=90),
        "admit": timedelta(seconds=30),
        "isolate": timedelta(seconds=30),
        "release": timedelta(seconds=90),
        "rehearse": timedelta(seconds=120),
        "build": timedelta(seconds=120),
    },
    can_rehearse=True,
    source=ArtefactSlot(
        name="source",
        title="P4 source",
        required=False,
        max_bytes=1024 * 1024,
        help="One file of P4₁₆ for v1model, which a site with the compiler (p4c) makes into the two files.",
    ),
    notice="You get the whole switch. At the end of your lease its program is replaced and every table "
    "entry, counter and register is gone: save what you need before.",
)
