"""What the portal knows of the adapter: forms and times, no device code."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from adapters.contract import AdapterDescription

Mode = Literal["DpuMode", "NicMode"]
Switch = Literal["Enabled", "Disabled"]

FORM = ConfigDict(extra="forbid")
SecretName = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9._-]+$")]


def _is_site_tag(value: str) -> str:
    if value.startswith("shary:"):
        raise ValueError("An asset tag that begins with “shary:” would be taken for a lease.")
    return value


@dataclass(frozen=True, kw_only=True, config=FORM)
class Settings:
    """How to reach a card's BMC, and the state in which the site wants to find the card again."""

    bmc: str = Field(
        title="Address of the BMC",
        description="As the site worker reaches it, such as https://192.0.2.7 or https://bmc7.example:8443.",
        pattern=r"^https://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?$",
    )
    username: str = Field(
        default="root", title="User name of an administrator of the BMC", min_length=1, max_length=16
    )
    password_secret: SecretName = Field(title="Name of the secret that holds the password")
    certificate_secret: SecretName = Field(
        title="Name of the secret that holds the certificate (PEM)",
        description="The BMC's own certificate, or that of the authority that signed it.",
    )
    certificate_of: Literal["server", "authority"] = Field(
        default="server",
        title="Whose certificate it is",
        description="The server's own is compared byte by byte. With an authority's the name must match.",
    )
    account_key_secret: SecretName = Field(
        title="Name of the secret from which the passwords of the leases are made",
        description="Any 32 random characters or more. Whoever knows it knows every lease's password.",
    )
    generation: Literal[2, 3] = Field(default=3, title="Generation", description="BlueField-2 or -3.")
    role: Literal["Operator", "ReadOnly"] = Field(
        default="Operator",
        title="What holders may do at the BMC",
        description="An operator may reset the card and change its boot; a reader may only look.",
    )
    holder_host: str = Field(
        default="",
        title="Host name for the holders",
        description="Under which the holders reach the BMC, if it is another than the site worker's.",
        pattern=r"^[A-Za-z0-9.:-]*$",
    )
    holder_port: int | None = Field(default=None, title="Port for the holders", ge=1, le=65535)
    mode: Mode = Field(default="DpuMode", title="Mode between leases")
    host_rshim: Switch = Field(
        default="Disabled", title="RShim of the host between leases", description="BlueField-3 only."
    )
    host_privilege: Literal["Privileged", "Restricted"] = Field(
        default="Restricted", title="Privilege of the host between leases"
    )
    bios: dict[str, bool | int | str] = Field(
        default_factory=dict,
        title="BIOS attributes between leases",
        description="Those that a holder must not leave changed, such as EnableSMMU; others are not looked at.",
    )
    event_destinations: tuple[str, ...] = Field(
        default=(),
        title="Where the BMC may send events",
        description="Subscriptions of the site's own monitoring. After a lease, all others are deleted.",
    )
    without_image: Literal["quarantine", "accept"] = Field(
        default="quarantine",
        title="When the Arm cores' storage was not erased",
        description="Without a fresh image a card is kept back after each lease, or accepted as it is.",
    )
    asset_tag: Annotated[str, AfterValidator(_is_site_tag)] = Field(
        default="",
        title="Asset tag between leases",
        description="While the card is leased its tag names the lease.",
        max_length=63,
    )
    firmware: str = Field(
        default="",
        title="Firmware of the BMC",
        description="If given, a card with any other is not proven clean.",
        max_length=63,
    )
    timeout_s: float = Field(
        default=8.0, title="Longest wait for an answer, in seconds", gt=0, le=30, allow_inf_nan=False
    )


@dataclass(frozen=True, kw_only=True, config=FORM)
class Attributes:
    """What a user can search for."""

    model: str = Field(default="", title="Model", max_length=100)
    ports: int = Field(default=0, title="Ports", ge=0, le=16)
    port_speed_gbps: int = Field(default=0, title="Speed of a port (Gbit/s)", ge=0, le=1600)
    arm_cores: int = Field(default=0, title="Arm cores", ge=0, le=256)
    mode: Mode | None = Field(default=None, title="Mode")
    firmware: str = Field(default="", title="Firmware of the BMC", max_length=63)


@dataclass(frozen=True, kw_only=True, config=FORM)
class Parameters:
    """What the holder can choose for one lease."""

    mode: Mode | None = Field(
        default=None,
        title="Mode you rely on",
        description="Changing the mode needs the host's power to be cycled, which no lease can do. "
        "If you name a mode, the lease is refused when the card is in the other one.",
    )


DESCRIPTION = AdapterDescription(
    name="smart_nic_bluefield",
    title="BlueField smart NIC",
    kinds=("smart_nic",),
    settings=Settings,
    attributes=Attributes,
    parameters=Parameters,
    forwards=True,
    preparation=timedelta(minutes=2),
    cleanup=timedelta(minutes=5),
    deadlines={
        "observe": timedelta(minutes=1),
        "provision": timedelta(minutes=2),
        "admit": timedelta(seconds=30),
        "isolate": timedelta(seconds=30),
        "release": timedelta(minutes=4),
        "discover": timedelta(minutes=1),
    },
    notice="You get an account of your own at the card's BMC for the length of the lease. "
    "What you write onto the Arm cores' storage is not erased by the testbed: leave nothing private there.",
)
