"""What the portal knows of the adapter: forms and times, no device code."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from adapters.contract import AdapterDescription
from adapters.contract.values import Json

Mode = Literal["DpuMode", "NicMode", "ZeroTrust"]
"""What a lease can rely on. `ZeroTrust` is DPU mode with the host shut out of the card."""
CardMode = Literal["DpuMode", "NicMode"]
"""What the BMC knows."""
Switch = Literal["Enabled", "Disabled"]
Privilege = Literal["Privileged", "Restricted"]

FORM = ConfigDict(extra="forbid")
SecretName = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9._-]+$")]
BMC_ADDRESS = r"^https://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?$"


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
        pattern=BMC_ADDRESS,
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
    mode: CardMode = Field(default="DpuMode", title="Mode between leases")
    modes: tuple[Mode, ...] = Field(
        default=(),
        title="Other modes that a holder may ask for",
        description="The mode between leases is always offered. Zero-trust is DPU mode with the host restricted.",
    )
    mode_changes: Literal["never", "operator", "host_bmc"] = Field(
        default="never",
        title="How the mode is changed for a lease",
        description="It needs two restarts of the Arm cores and a power cycle of the host: never, by an operator "
        "whom the lease waits for, or by the site worker through the BMC of the host.",
    )
    mode_change_minutes: int = Field(
        default=15,
        title="How long a change of mode takes at most, in minutes",
        description="Give the device a preparation and a clean-up of that length.",
        ge=1,
        le=25,
    )
    host_bmc: str = Field(
        default="",
        title="Address of the BMC of the host",
        description="Only where the site worker may cycle the host's power.",
        pattern=rf"^$|{BMC_ADDRESS}",
    )
    host_system: str = Field(
        default="/redfish/v1/Systems/1",
        title="The host at its BMC",
        description="The path of its ComputerSystem, such as /redfish/v1/Systems/System.Embedded.1.",
        pattern=r"^/redfish/v1/Systems/[A-Za-z0-9._-]+$",
    )
    host_username: str = Field(
        default="root", title="User name at the BMC of the host", min_length=1, max_length=32
    )
    host_password_secret: SecretName | None = Field(
        default=None, title="Name of the secret that holds the password of the host's BMC"
    )
    host_certificate_secret: SecretName | None = Field(
        default=None, title="Name of the secret that holds the certificate of the host's BMC (PEM)"
    )
    host_rshim: Switch = Field(
        default="Disabled", title="RShim of the host between leases", description="BlueField-3 only."
    )
    host_privilege: Privilege = Field(default="Restricted", title="Privilege of the host between leases")
    host_rshim_leased: Switch = Field(
        default="Disabled", title="RShim of the host during leases", description="BlueField-3 only."
    )
    host_privilege_leased: Privilege = Field(
        default="Restricted",
        title="Privilege of the host during leases",
        description="On a host that others use too, only “Restricted” keeps them out of the holder's card.",
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
    image: str = Field(
        default="",
        title="Image for the Arm cores (BFB)",
        description="Installed after each lease; the BMC fetches it. Such as http://192.0.2.1/bf-bundle.bfb, "
        "https:// or scp://user@192.0.2.1/srv/bf-bundle.bfb.",
        pattern=r"^$|^https?://[A-Za-z0-9.:\[\]-]+/[!-~]+$|^scp://[A-Za-z0-9._-]+@[A-Za-z0-9.:\[\]-]+/[!-~]+$",
        max_length=300,
    )
    image_version: str = Field(
        default="",
        title="What the BMC calls the image once it is installed",
        description="The version of DPU_OS. If given, a card with any other is not proven clean.",
        max_length=120,
    )
    image_minutes: int = Field(
        default=40, title="How long an installation takes at most, in minutes", ge=1, le=40
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
    restart_minutes: float = Field(
        default=5,
        title="How long a restart of the Arm cores takes at most, in minutes",
        gt=0,
        le=10,
        allow_inf_nan=False,
    )
    timeout_s: float = Field(
        default=8.0, title="Longest wait for an answer, in seconds", gt=0, le=30, allow_inf_nan=False
    )

    @model_validator(mode="after")
    def _can_cycle_power(self) -> "Settings":
        if self.mode_changes == "host_bmc" and not (
            self.host_bmc and self.host_password_secret and self.host_certificate_secret
        ):
            raise ValueError(
                "To change the mode through the host's BMC, its address and the names of the secrets with its "
                "password and its certificate are needed."
            )
        return self

    @property
    def offered(self) -> tuple[Mode, ...]:
        """Every mode that a holder may ask for."""
        shut_out = (self.host_privilege_leased, self.host_rshim_leased) == ("Restricted", "Disabled")
        own: tuple[Mode, ...] = ("DpuMode", "ZeroTrust") if shut_out else ("DpuMode",)
        return tuple(dict.fromkeys((*(own if self.mode == "DpuMode" else ("NicMode",)), *self.modes)))


@dataclass(frozen=True, kw_only=True, config=FORM)
class Attributes:
    """What a user can search for."""

    model: str = Field(default="", title="Model", max_length=100)
    ports: int = Field(default=0, title="Ports", ge=0, le=16)
    port_speed_gbps: int = Field(default=0, title="Speed of a port (Gbit/s)", ge=0, le=1600)
    arm_cores: int = Field(default=0, title="Arm cores", ge=0, le=256)
    mode: CardMode | None = Field(default=None, title="Mode")
    firmware: str = Field(default="", title="Firmware of the BMC", max_length=63)


@dataclass(frozen=True, kw_only=True, config=FORM)
class Parameters:
    """What the holder can choose for one lease."""

    mode: Mode | None = Field(
        default=None,
        title="Mode you rely on",
        description="Empty: the card's usual mode. Another one needs the host's power to be cycled, which takes "
        "minutes and which not every site does. Zero-trust is DPU mode with the host shut out of the card.",
    )


def card_mode(mode: Mode) -> CardMode:
    """Return what the BMC calls a mode."""
    return "DpuMode" if mode == "ZeroTrust" else mode


def warn(settings: Json, parameters: Json) -> tuple[str, ...]:
    """Say what a booking's mode means for it."""
    try:
        card = TypeAdapter(Settings).validate_python(dict(settings))
        wishes = TypeAdapter(Parameters).validate_python(dict(parameters))
    except ValidationError:
        return ()
    said = []
    if wishes.mode is not None:
        if wishes.mode not in card.offered:
            said.append(
                f"This card is offered in {', '.join(card.offered)}; "
                f"a booking that relies on {wishes.mode} is refused at its start."
            )
        elif card_mode(wishes.mode) != card.mode:
            said.append(_of_the_change(card, wishes.mode))
    if not card.image and card.role == "Operator":
        said.append(
            "What you write onto the Arm cores' storage is not erased by the testbed: leave nothing private there."
        )
    return tuple(said)


def _of_the_change(card: Settings, mode: Mode) -> str:
    if card.mode_changes == "never":
        return f"The card is usually in {card.mode}, and the site does not change it: if it is, the lease is refused."
    who = "an operator" if card.mode_changes == "operator" else "the site"
    return (
        f"For {mode} the preparation takes up to {card.mode_change_minutes} minutes: the Arm cores are restarted "
        f"twice, and {who} cycles the power of the host. If the mode does not show by then, the lease does not start."
    )


DESCRIPTION = AdapterDescription(
    name="smart_nic_bluefield",
    title="BlueField smart NIC",
    kinds=("smart_nic",),
    settings=Settings,
    attributes=Attributes,
    parameters=Parameters,
    preparation=timedelta(minutes=2),
    cleanup=timedelta(minutes=5),
    deadlines={
        "observe": timedelta(minutes=1),
        # Both leave room for the longest change of mode, and `release` for the longest image as well.
        "provision": timedelta(minutes=40),
        "admit": timedelta(seconds=30),
        "isolate": timedelta(seconds=30),
        "release": timedelta(minutes=100),
        "discover": timedelta(minutes=1),
    },
    forwards=True,
    notice="You get an account of your own at the card's BMC for the length of the lease.",
    warn=warn,
)
