"""Lends a Tofino switch: its control processor opens to the holder's account, and to no other tenant's."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from adapters.contract import (
    Access,
    Adapter,
    CleanProof,
    FoundDevice,
    LeaseOrder,
    Observation,
    Target,
)
from adapters.contract.reading import read
from adapters.errors import DeviceRefused, OutcomeUnknown
from adapters.linux_host.client import HostClient, Program
from adapters.linux_host.lending import key_line, proof, shell
from adapters.p4_tofino_ssh.host import NAME, PROTOCOL
from adapters.p4_tofino_ssh.settings import DESCRIPTION, TofinoSettings, account_for

VERIFIER = "p4_tofino_ssh 1"
PROGRAM = Program(name=NAME, protocol=PROTOCOL, build="make switch-host", slow=frozenset({"prove"}))


class P4TofinoSsh(Adapter):
    """A Tofino switch, by ssh to its control processor."""

    description = DESCRIPTION

    def observe(self, target: Target) -> Observation:
        """Look which lease has the switch, and whether everybody else is kept out."""
        settings = read(TofinoSettings, target.settings)
        with self._connect(settings) as host:
            seen = _Seen(host.look("observe"))
        notes = [f"{seen.lease.account} is {seen.lease.phase}."] if seen.lease else []
        return Observation(
            healthy=not seen.complaints,
            carries=seen.lease.lease_id if seen.lease else None,
            epoch=seen.lease.epoch if seen.lease else None,
            detail=" ".join(notes + seen.complaints),
        )

    def provision(self, order: LeaseOrder) -> Access:
        """Take the switch for the lease and empty it of everybody else; nobody can enter yet."""
        settings = read(TofinoSettings, order.target.settings)
        account = _account_of(settings, order)
        with self._connect(settings) as host:
            host.change(
                "prepare",
                lease=order.lease_id,
                epoch=order.epoch,
                account=account,
                ends_at=order.ends_at.astimezone(UTC).isoformat(),
            )
            mine = _look_for(host, order)
        if mine is None or not mine.exists or mine.phase not in ("prepared", "open"):
            raise OutcomeUnknown(f"{settings.host} says that it prepared the lease, but does not show it.")
        if (mine.epoch, mine.ends_at) != (order.epoch, order.ends_at):
            raise OutcomeUnknown(f"{settings.host} says that it took over the new end, but shows the old one.")
        return _access_to(settings, mine.account)

    def admit(self, order: LeaseOrder) -> None:
        """Let the holder's account in, with the keys of the order."""
        settings = read(TofinoSettings, order.target.settings)
        keys = [key_line(key) for key in order.holder.ssh_keys]
        with self._connect(settings) as host:
            host.change("open", lease=order.lease_id, epoch=order.epoch, keys=keys)
            mine = _look_for(host, order)
        if mine is None or not mine.is_open or mine.phase != "open" or mine.keys != keys:
            raise OutcomeUnknown(f"{settings.host} says that it opened the switch, but shows it closed.")

    def isolate(self, order: LeaseOrder) -> None:
        """Deny the account, and end all that runs for it, with the control programs."""
        settings = read(TofinoSettings, order.target.settings)
        with self._connect(settings) as host:
            host.change("close", lease=order.lease_id, epoch=order.epoch)
            mine = _look_for(host, order)
        if mine is not None and (mine.is_open or mine.has_keys or mine.processes):
            raise OutcomeUnknown(
                f"{settings.host} says that it closed {mine.account}, but it is open, "
                f"or {mine.processes} processes of it run still."
            )

    def release(self, order: LeaseOrder) -> CleanProof:
        """Remove what the holder left, load the known image again, and prove both in a fresh process."""
        settings = read(TofinoSettings, order.target.settings)
        account = account_for(settings.accounts, username=order.holder.username, project=order.holder.project)
        with self._connect(settings) as host:
            host.change("clean", lease=order.lease_id, epoch=order.epoch)
            checks = host.look("prove", lease=order.lease_id, epoch=order.epoch, account=account)
            mine = _look_for(host, order)
        left = f"{mine.account}, {mine.phase}" if mine else None
        return proof(checks, left=left, records="switch", verifier=VERIFIER)

    def discover(self, target: Target) -> tuple[FoundDevice, ...]:
        """Return the switch; what it is made of, its control processor does not say."""
        settings = read(TofinoSettings, target.settings)
        with self._connect(settings) as host:
            seen = _Seen(host.look("observe"))
        model = str(target.attributes.get("model") or "Tofino switch")
        return (
            FoundDevice(
                name=seen.host or target.name,
                kind="p4_switch",
                model=model,
                attributes={**target.attributes, "model": model},
                settings={},
            ),
        )

    def _connect(self, settings: TofinoSettings) -> HostClient:
        return HostClient(program=PROGRAM, settings=settings, secrets=self.secrets)


ADAPTER = P4TofinoSsh


@dataclass(frozen=True, slots=True, kw_only=True)
class _SeenLease:
    """The lease as the switch shows it."""

    lease_id: str
    epoch: int
    account: str
    ends_at: datetime
    phase: str
    keys: list[str]
    exists: bool
    is_open: bool
    has_keys: bool
    processes: int


class _Seen:
    """What a look at the switch showed."""

    def __init__(self, answer: Any) -> None:
        self.host: str = answer["host"]
        self.complaints: list[str] = answer["complaints"]
        entry = answer["lease"]
        self.lease = entry and _SeenLease(
            lease_id=entry["lease"],
            epoch=entry["epoch"],
            account=entry["account"],
            ends_at=datetime.fromisoformat(entry["ends_at"]),
            phase=entry["phase"],
            keys=entry["keys"],
            exists=entry["exists"],
            is_open=entry["is_open"],
            has_keys=entry["has_keys"],
            processes=entry["processes"],
        )


def _look_for(host: HostClient, order: LeaseOrder) -> _SeenLease | None:
    seen = _Seen(host.look("observe"))
    return seen.lease if seen.lease and seen.lease.lease_id == order.lease_id else None


def _account_of(settings: TofinoSettings, order: LeaseOrder) -> str:
    holder = order.holder
    account = account_for(settings.accounts, username=holder.username, project=holder.project)
    if account is None:
        raise DeviceRefused(
            f"{order.target.name} has no account for {holder.username} or the project {holder.project}. The site "
            "gives accounts to tenants by hand: ask its operator for one, who adds it to the resource's accounts."
        )
    return account


def _access_to(settings: TofinoSettings, account: str) -> Access:
    return Access(
        instructions=(
            "Log in by ssh with the key in your profile. The whole switch is yours: load your program as the "
            "site's guide says. At the end of the lease your sessions are cut, all that you run is ended and the "
            "switch's own image is loaded again; files in your home stay."
        ),
        endpoints=(shell(settings, account, label="Control processor"),),
    )
