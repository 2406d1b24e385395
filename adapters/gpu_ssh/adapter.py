"""Lends graphics cards: an account is made for each lease, with the cards for it alone, and deleted after it."""

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
from adapters.errors import InvalidSettings, OutcomeUnknown
from adapters.gpu_ssh.host import NAME, PROTOCOL
from adapters.gpu_ssh.host.lease import account_for
from adapters.gpu_ssh.inventory import found_host
from adapters.gpu_ssh.settings import DESCRIPTION, SshSettings
from adapters.linux_host.client import HostClient, Program
from adapters.linux_host.lending import key_line, proof, shell

VERIFIER = "gpu_ssh 1"
PROGRAM = Program(name=NAME, protocol=PROTOCOL, build="make gpu-host", slow=frozenset({"prove"}))


class GpuSsh(Adapter):
    """Graphics cards of one Linux machine."""

    description = DESCRIPTION

    def observe(self, target: Target) -> Observation:
        """Look which lease has the cards, and how the cards are."""
        settings = read(SshSettings, target.settings)
        with self._connect(settings) as host:
            seen = _Seen(host.look("observe", with_cards=True))
        wanted = settings.wanted_cards
        there = {card["pci"]: card for card in seen.cards}
        complaints = list(seen.complaints)
        complaints += [f"The machine shows no card at {pci}." for pci in wanted if pci not in there]
        users = [lease for lease in seen.leases if not set(lease.cards).isdisjoint(wanted)]
        carrier = max(users, key=lambda user: (user.resource == target.resource_id, user.epoch), default=None)
        notes = [f"{user.account} is {user.phase} and has the card." for user in users]
        measurements: dict[str, float] = {}
        for pci in wanted:
            if pci in there:
                prefix = "" if len(wanted) == 1 else f"{pci} "
                measurements |= {
                    prefix + name: float(number) for name, number in there[pci]["measurements"].items()
                }
        unfit = [f"{pci}: {there[pci]['unfit']}." for pci in wanted if pci in there and there[pci]["unfit"]]
        return Observation(
            healthy=not complaints,
            carries=carrier.lease_id if carrier else None,
            epoch=carrier.epoch if carrier else None,
            detail=" ".join(notes + complaints),
            measurements=measurements,
            unfit=" ".join(unfit),
        )

    def provision(self, order: LeaseOrder) -> Access:
        """Make the account, which nobody can enter yet, and take the cards for it."""
        settings = read(SshSettings, order.target.settings)
        cards = _cards_of(settings, order)
        with self._connect(settings) as host:
            host.change(
                "prepare",
                lease=order.lease_id,
                epoch=order.epoch,
                resource=order.target.resource_id,
                cards=cards,
                ends_at=order.ends_at.astimezone(UTC).isoformat(),
            )
            mine = _look_for(host, order)
        if mine is None or not mine.exists or mine.phase not in ("prepared", "open"):
            raise OutcomeUnknown(f"{settings.host} says that it prepared the lease, but does not show it.")
        if (mine.epoch, mine.ends_at) != (order.epoch, order.ends_at):
            raise OutcomeUnknown(f"{settings.host} says that it took over the new end, but shows the old one.")
        return _access_to(settings, mine)

    def admit(self, order: LeaseOrder) -> None:
        """Let the holder in with the keys of the order, and no others; let the account use the cards."""
        settings = read(SshSettings, order.target.settings)
        cards = _cards_of(settings, order)
        keys = [key_line(key) for key in order.holder.ssh_keys]
        with self._connect(settings) as host:
            host.change("open", lease=order.lease_id, epoch=order.epoch, cards=cards, keys=keys)
            mine = _look_for(host, order)
        if mine is None or not (mine.is_open and mine.has_cards) or mine.phase != "open" or mine.keys != keys:
            raise OutcomeUnknown(f"{settings.host} says that it opened {_name(order)}, but shows it closed.")

    def isolate(self, order: LeaseOrder) -> None:
        """Lock the account, take its cards away, and end all that runs under it."""
        settings = read(SshSettings, order.target.settings)
        with self._connect(settings) as host:
            host.change("close", lease=order.lease_id, epoch=order.epoch)
            mine = _look_for(host, order)
        if mine is not None and (mine.is_open or mine.has_cards or mine.processes):
            raise OutcomeUnknown(
                f"{settings.host} says that it closed {_name(order)}, but it is open, "
                f"or {mine.processes} processes of it run still."
            )

    def release(self, order: LeaseOrder) -> CleanProof:
        """Delete the account and all that is its holder's, then prove it in a fresh process."""
        settings = read(SshSettings, order.target.settings)
        cards = _cards_of(settings, order)
        with self._connect(settings) as host:
            host.change("clean", lease=order.lease_id, epoch=order.epoch)
            checks = host.look("prove", lease=order.lease_id, epoch=order.epoch, cards=cards)
            mine = _look_for(host, order)
        left = f"{mine.account}, {mine.phase}" if mine else None
        return proof(checks, left=left, records="host", verifier=VERIFIER)

    def discover(self, target: Target) -> tuple[FoundDevice, ...]:
        """Return the machine with the cards that it offers as parts."""
        settings = read(SshSettings, target.settings)
        with self._connect(settings) as host:
            seen = _Seen(host.look("observe", with_cards=True))
        return (found_host(name=seen.host or target.name, cards=seen.cards),)

    def _connect(self, settings: SshSettings) -> HostClient:
        return HostClient(program=PROGRAM, settings=settings, secrets=self.secrets)


ADAPTER = GpuSsh


@dataclass(frozen=True, slots=True, kw_only=True)
class _SeenLease:
    """A lease as the host shows it."""

    lease_id: str
    epoch: int
    resource: str
    account: str
    cards: list[str]
    ends_at: datetime
    phase: str
    keys: list[str]
    exists: bool
    is_open: bool
    has_cards: bool
    processes: int


class _Seen:
    """What a look at the host showed."""

    def __init__(self, answer: Any) -> None:
        self.host: str = answer["host"]
        self.cards: list[dict[str, Any]] = answer.get("cards", [])
        self.complaints: list[str] = answer["complaints"]
        self.leases = [
            _SeenLease(
                lease_id=entry["lease"],
                epoch=entry["epoch"],
                resource=entry["resource"],
                account=entry["account"],
                cards=entry["cards"],
                ends_at=datetime.fromisoformat(entry["ends_at"]),
                phase=entry["phase"],
                keys=entry["keys"],
                exists=entry["exists"],
                is_open=entry["is_open"],
                has_cards=entry["has_cards"],
                processes=entry["processes"],
            )
            for entry in answer["leases"]
        ]


def _look_for(host: HostClient, order: LeaseOrder) -> _SeenLease | None:
    seen = _Seen(host.look("observe", with_cards=False))
    return next((lease for lease in seen.leases if lease.lease_id == order.lease_id), None)


def _cards_of(settings: SshSettings, order: LeaseOrder) -> list[str]:
    if not settings.wanted_cards:
        raise InvalidSettings(
            f"{order.target.name} has no cards: give “pci” for one card, or “cards” for a whole machine."
        )
    return list(settings.wanted_cards)


def _name(order: LeaseOrder) -> str:
    return account_for(order.lease_id)


def _access_to(settings: SshSettings, mine: _SeenLease) -> Access:
    count = len(mine.cards)
    yours = "The card is yours" if count == 1 else f"{count} cards are yours"
    return Access(
        instructions=(
            f"Log in by ssh with the key in your profile. {yours} alone: try nvidia-smi. You are an ordinary "
            "account of the machine, not root. At the end of the lease all that you run there is ended and "
            "your files are deleted: copy your results out before."
        ),
        endpoints=(shell(settings, mine.account, label="Shell"),),
    )
