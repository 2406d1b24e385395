"""How the portal knows a Tofino switch that is lent by ssh: forms, words and times."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints
from pydantic.dataclasses import dataclass

from adapters.contract import AdapterDescription, Json

_STRICT = ConfigDict(extra="forbid")

SecretName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
HostName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.:-]{0,252}$")]
AccountName = Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_.-]{0,31}$")]
Who = Annotated[str, StringConstraints(min_length=1, max_length=150)]
Port = Annotated[int, Field(ge=1, le=65535)]


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class TofinoSettings:
    """How a site reaches its switch, and who is who there."""

    host: Annotated[
        HostName, Field(title="Switch", description="Its control processor, such as sw1.uni-a.example.")
    ]
    port: Annotated[Port, Field(title="Port", description="Where its sshd listens.")] = 22
    account: Annotated[
        AccountName,
        Field(
            title="Account of the worker", description="Its key may start shary-switch-host and nothing else."
        ),
    ] = "shary"
    key_secret: Annotated[
        SecretName, Field(title="Key of the worker", description="The name of the secret that holds it.")
    ]
    host_key_secret: Annotated[
        SecretName,
        Field(
            title="Host key",
            description="The name of the secret that holds the switch's public key. No other is accepted.",
        ),
    ]
    accounts: Annotated[
        dict[Who, AccountName],
        Field(
            title="Accounts",
            description="Which account of the switch somebody uses: from the user's name or the project's short "
            "name here to the account's name there. The user's own line goes before the project's.",
        ),
    ]
    target: Annotated[
        HostName | None,
        Field(
            title="Name for other tools",
            description="What the switch calls itself when it asks for active reservations. Empty: the "
            "resource's name.",
        ),
    ] = None
    login_host: Annotated[
        HostName | None,
        Field(title="Host for holders", description="What holders type. Empty: the switch as above."),
    ] = None
    login_port: Annotated[
        Port | None, Field(title="Port for holders", description="Empty: the port as above.")
    ] = None
    timeout_s: Annotated[
        float, Field(title="Timeout", gt=0, le=60, description="Seconds to wait for a connection.")
    ] = 10.0
    settle_s: Annotated[
        float,
        Field(
            title="Patience",
            gt=0,
            le=900,
            description="Seconds that the switch may take for an action; restoring its image is the longest.",
        ),
    ] = 300.0


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class TofinoAttributes:
    """What a user can search for."""

    model: str = Field(title="Model", description="Such as “Wedge 100BF-32X”.")
    architecture: str = Field(default="tna", title="Architecture", description="Such as tna or t2na.")
    sde_version: str = Field(default="", title="SDE version", description="Of the SDE that is installed.")
    pipes: int | None = Field(default=None, title="Pipes", ge=1, le=16)
    ports: int | None = Field(default=None, title="Ports", ge=1, le=1024)
    port_speed_gbps: float | None = Field(default=None, title="Port speed (Gbit/s)", gt=0)
    cabling: str = Field(default="", title="Cabling", description="What is connected to which port, in a line.")


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class TofinoParameters:
    """What the holder can choose for one lease: nothing."""


def account_for(accounts: object, *, username: str, project: str) -> str | None:
    """Return the account of the switch that a holder uses; None when the site has given them none."""
    if not isinstance(accounts, Mapping):
        return None
    found = accounts.get(username) or accounts.get(project)
    return found if isinstance(found, str) else None


def target_of(settings: Json, *, name: str) -> str:
    """Return what the switch is called by tools that ask for active reservations."""
    target = settings.get("target")
    return target if isinstance(target, str) and target else name


DESCRIPTION = AdapterDescription(
    name="p4_tofino_ssh",
    title="Tofino switch (ssh to its control processor)",
    kinds=("p4_switch",),
    settings=TofinoSettings,
    attributes=TofinoAttributes,
    parameters=TofinoParameters,
    forwards=True,
    preparation=timedelta(minutes=2),
    cleanup=timedelta(minutes=5),
    deadlines={
        "observe": timedelta(seconds=45),
        "discover": timedelta(seconds=60),
        "provision": timedelta(minutes=16),
        "admit": timedelta(minutes=1),
        "isolate": timedelta(minutes=1),
        "release": timedelta(minutes=32),
    },
    notice=(
        "You get the whole switch, by ssh to its control processor and under the account that its site gave "
        "you. At the end of the lease your sessions are cut, all you run there is ended, and the switch's own "
        "image is loaded again; files in your home stay. Try your program on a model first."
    ),
)
