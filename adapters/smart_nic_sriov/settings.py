"""What the portal knows of the adapter: forms and times, no device code."""

import re
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator
from pydantic.dataclasses import dataclass

from adapters.contract import AdapterDescription, Json

FORM = ConfigDict(extra="forbid")

Vlan = Annotated[int, Field(ge=0, le=4094)]
Rate = Annotated[int, Field(ge=0, le=1_600_000)]
Interface = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$")]
HostName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.:-]{0,252}$")]
Unreported = Literal["spoof_check", "trust", "query_rss", "link", "rate", "vlan"]


def _is_for_one_card(value: str) -> str:
    octets = re.fullmatch(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}", value.lower())
    if octets is None:
        raise ValueError("Write a hardware address as six pairs of hexadecimal digits: 02:00:5e:10:00:01.")
    if int(value[:2], 16) & 1 or not int(value.replace(":", ""), 16):
        raise ValueError("That address is not one card's: it is zero, or many listen to it.")
    return value.lower()


def _is_ranges(value: str) -> str:
    for first, last in ranges_of(value):
        if not 1 <= first <= last <= 4094:
            raise ValueError("VLANs go from 1 to 4094, the lower one first.")
    return value


def ranges_of(text: str) -> tuple[tuple[int, int], ...]:
    """Return the ranges that a text such as “100-199, 300” names."""
    found = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        match = re.fullmatch(r"(\d{1,4})(?:\s*-\s*(\d{1,4}))?", part)
        if match is None:
            raise ValueError(f"“{part}” is no range of VLANs. Write them like “100-199, 300”.")
        found.append((int(match[1]), int(match[2] or match[1])))
    return tuple(found)


Mac = Annotated[str, AfterValidator(_is_for_one_card)]


@dataclass(frozen=True, kw_only=True, config=FORM)
class Settings:
    """Which card, which of its functions, and how far a holder's wishes may go."""

    card: Interface = Field(
        title="Interface of the card",
        description="The physical function as the worker's machine names it, such as ens1f0.",
    )
    pci: str = Field(
        default="",
        title="PCI address of the card",
        description="If given, an interface of that name on another card is refused.",
        pattern=r"^[A-Za-z0-9:._-]{0,40}$",
    )
    vf: int | None = Field(
        default=None,
        title="Virtual function",
        description="Its number, for a part of the card. Empty: the whole card, with all its functions.",
        ge=0,
        le=4095,
    )
    port_function: int | None = Field(
        default=None,
        title="Port function (devlink)",
        description="The index of a devlink port, such as a subfunction's, instead of a virtual function.",
        ge=0,
        le=4_294_967_295,
    )
    eswitch: Literal["legacy", "switchdev"] | None = Field(
        default=None,
        title="Mode of the card's switch",
        description="If given, a card in the other mode is not lent. It is never changed by a lease.",
    )
    vlan: Vlan = Field(
        default=0, title="VLAN of a lease without links", description="0: frames go out untagged."
    )
    vlan_ranges: Annotated[str, AfterValidator(_is_ranges)] = Field(
        default="1-4094",
        title="VLANs that leases may be put into",
        description="Such as “2000-2999”. An order for any other is refused, whoever signed it.",
        max_length=200,
    )
    park_vlan: Vlan = Field(
        default=4094, title="VLAN between leases", description="One that leads nowhere in your network."
    )
    max_rate_mbps: Rate = Field(
        default=0, title="Highest rate of a function (Mbit/s)", description="0: no cap."
    )
    guaranteed_rate_mbps: Rate = Field(
        default=0, title="Highest rate that can be guaranteed (Mbit/s)", description="0: none can."
    )
    allow_trust: bool = Field(
        default=False,
        title="Holders may ask for trust",
        description="A trusted function may go promiscuous and see frames of others.",
    )
    allow_spoofing: bool = Field(
        default=False,
        title="Holders may ask to send from any address",
        description="Switches the check of source addresses off for their lease.",
    )
    open_link: Literal["auto", "enable"] = Field(
        default="auto",
        title="Link during a lease",
        description="“auto” follows the port, “enable” is up for functions of the same card also without it.",
    )
    unreported: tuple[Unreported, ...] = Field(
        default=(),
        title="What the driver does not report back",
        description="The proof then says that these were set and could not be seen. Discovery fills it in.",
    )
    namespace: str = Field(
        default="",
        title="Network namespace of the holders",
        description="If given, the function's interface is there during a lease; see ip-netns(8).",
        pattern=r"^([A-Za-z0-9_][A-Za-z0-9_.-]{0,63})?$",
    )
    holder_host: HostName = Field(
        title="Machine for holders", description="Where the functions are, as holders reach it by ssh."
    )
    holder_port: int = Field(default=22, title="Port for holders", ge=1, le=65535)
    kernel: Annotated[str, StringConstraints(pattern=r"^(local|tcp://(127\.0\.0\.1|\[::1\]):[0-9]{1,5})$")] = (
        Field(
            default="local",
            title="Kernel",
            description="“local” is the worker's own machine; tcp://127.0.0.1:PORT is an emulated card.",
        )
    )
    sysfs: str = Field(
        default="/sys", title="Folder of sysfs", description="/sys, or that of an emulated card.", pattern=r"^/"
    )
    timeout_s: float = Field(
        default=5.0, title="Longest wait for an answer, in seconds", gt=0, le=30, allow_inf_nan=False
    )

    @model_validator(mode="after")
    def _fits_together(self) -> "Settings":
        if self.vf is not None and self.port_function is not None:
            raise ValueError("Give “vf” or “port_function”, not both.")
        if self.port_function is not None and self.namespace:
            raise ValueError("The interface of a port function is not moved: leave “namespace” empty.")
        if self.vf is None and self.namespace:
            raise ValueError("Only a single virtual function can be moved into a namespace.")
        return self


@dataclass(frozen=True, kw_only=True, config=FORM)
class Attributes:
    """What a user can search for."""

    model: str = Field(default="", title="Model", max_length=100)
    driver: str = Field(default="", title="Driver", max_length=40)
    pci: str = Field(default="", title="PCI address", max_length=40)
    functions: int = Field(default=0, title="Virtual functions", ge=0, le=4096)
    port_speed_gbps: int = Field(default=0, title="Speed of a port (Gbit/s)", ge=0, le=1600)


@dataclass(frozen=True, kw_only=True, config=FORM)
class Parameters:
    """What the holder can choose for one lease, within what the site allows."""

    mac: Mac | None = Field(
        default=None,
        title="Hardware address",
        description="Empty: one is made for the lease. Of a whole card, it is the first function's.",
    )
    priority: int = Field(default=0, title="Priority of tagged frames (802.1p)", ge=0, le=7)
    max_rate_mbps: Rate = Field(default=0, title="Highest rate (Mbit/s)", description="0: the site's.")
    min_rate_mbps: Rate = Field(default=0, title="Guaranteed rate (Mbit/s)", description="0: none.")
    trust: bool = Field(
        default=False, title="Trust", description="To go promiscuous or change the address; if the site allows."
    )
    spoofing: bool = Field(default=False, title="Send from any address", description="If the site allows it.")


def _warn(settings: Json, parameters: Json) -> tuple[str, ...]:
    said = []
    if parameters.get("trust") is True:
        said.append("A trusted function can see frames of others on the card, and they may see yours.")
    if settings.get("namespace"):
        said.append("Interfaces that you build upon the function are gone when it is taken back.")
    return tuple(said)


DESCRIPTION = AdapterDescription(
    name="smart_nic_sriov",
    title="Virtual functions of a network card (SR-IOV)",
    kinds=("smart_nic", "smart_nic_vf"),
    settings=Settings,
    attributes=Attributes,
    parameters=Parameters,
    sets_vlan=True,
    preparation=timedelta(seconds=20),
    cleanup=timedelta(seconds=30),
    deadlines={
        "observe": timedelta(seconds=30),
        "provision": timedelta(minutes=1),
        "admit": timedelta(seconds=30),
        "isolate": timedelta(seconds=30),
        "release": timedelta(minutes=1),
        "discover": timedelta(seconds=30),
    },
    notice="You get a virtual function of the card with an address, a VLAN and a rate of its own. "
    "Its link is down before your lease begins and after it ends.",
    warn=_warn,
    exclusive=("mac",),
)
