"""Who the holder is at the cluster, and what they type there."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from adapters.contract import Access, Endpoint, LeaseOrder
from adapters.errors import DeviceRefused, InvalidSettings
from adapters.gpu_slurm.nouns import Reservation
from adapters.gpu_slurm.settings import SlurmSettings

_LOCAL_PART = re.compile(r"[a-z_][a-z0-9_.-]{0,31}")
_NEVER_A_HOLDER = {"root", "slurm", "munge", "nobody"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """The holder as the cluster knows them: a user, an account, or both."""

    user: str = ""
    account: str = ""

    def may_use(self, reservation: Reservation) -> bool:
        """Say whether the reservation is open to exactly this person."""
        wanted = ((self.user,) if self.user else (), (self.account,) if self.account else ())
        return (reservation.users, reservation.accounts) == wanted


def person_for(settings: SlurmSettings, order: LeaseOrder) -> Person:
    """Return who the holder is at the cluster; refuse whom the site has not mapped."""
    holder = order.holder
    user = settings.users.get(holder.username) or settings.users.get(holder.project) or ""
    if not user:
        local, _, domain = holder.username.rpartition("@")
        if domain in settings.user_domains and _LOCAL_PART.fullmatch(local) and local not in _NEVER_A_HOLDER:
            user = local
    account = settings.accounts.get(holder.project) or settings.accounts.get(holder.username) or ""
    if not user and not account:
        raise DeviceRefused(
            f"{holder.username} is not known at the cluster. Ask the operator to add “{holder.username}” or the "
            f"project “{holder.project}” to “Users” or “Accounts” in the settings of {order.target.name}."
        )
    if user == settings.closed_user:
        raise InvalidSettings(
            f"“{user}” is the user of closed reservations, so nobody can hold leases under this name. "
            "Choose another in the settings."
        )
    return Person(user=user, account=account)


def access_to(settings: SlurmSettings, person: Person, name: str, order: LeaseOrder) -> Access:
    """Return what the holder types; the same at each call for one lease and one end."""
    minutes = max(1, min(60, int((order.ends_at - order.starts_at).total_seconds() // 60)))
    options = [f"--reservation={name}"]
    if person.account:
        options += ["-A", person.account]
    if settings.partition:
        options += ["-p", settings.partition]
    if settings.licence:
        options += ["-L", settings.licence]
    if settings.gres:
        options.append(f"--gres={settings.gres}")
    options += ["-t", str(minutes)]
    line = " ".join(options)
    login = f"{person.user}@{settings.login_host}" if person.user else settings.login_host
    port = "" if settings.login_port == 22 else f"-p {settings.login_port} "

    def way(label: str, protocol: str, command: str) -> Endpoint:
        return Endpoint(
            label=label,
            protocol=protocol,
            host=settings.login_host,
            port=settings.login_port,
            username=person.user,
            command=command,
        )

    return Access(
        instructions=(
            f"Log in to {settings.login_host} and submit jobs to the reservation {name}, which gives you "
            f"{settings.ways_of_reserving}. With -t say how many minutes a job may take. Whatever still runs or "
            f"waits at {_clock(order.ends_at)} is cancelled."
        ),
        endpoints=(
            way("Login host", "ssh", f"ssh {port}{login}"),
            way("Batch job", "slurm", f"sbatch {line} job.sh"),
            way("Interactive job", "slurm", f"srun {line} --pty bash -i"),
        ),
    )


def _clock(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%d %b %Y %H:%M UTC")
