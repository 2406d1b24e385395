"""The verbs of the host. Each may be asked any number of times, from any half-finished state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from adapters.linux_host.host.problems import Busy, Invalid, Problem, Refused, Unknown

from .configuration import Configuration
from .lease import CLEANED, CLOSED, GONE, OPEN, PREPARED, Record, account_for, comment_for
from .ledger import Ledger
from .proof import Check, check_all
from .system import Account, System, Way

_PATIENCE_S = 20.0


class Host:
    """One machine with its cards, its accounts and its memory of leases."""

    def __init__(self, *, system: System, ledger: Ledger, configuration: Configuration) -> None:
        self.system = system
        self.ledger = ledger
        self.configuration = configuration

    # --- looks --------------------------------------------------------------------------------------

    def observe(self, *, with_cards: bool) -> dict[str, object]:
        """Return the leases on the host; with the cards too, which asks their driver and takes longer."""
        complaints: list[str] = []
        seen: dict[str, object] = {
            "host": self.system.hostname(),
            "offered": list(self.configuration.cards),
            "leases": [self._shown(record) for record in self.ledger.records() if record.holds_cards],
            "complaints": complaints,
        }
        if with_cards:
            complaints += self.system.obstacles()
            try:
                seen["cards"] = [
                    {
                        "pci": card.pci,
                        "model": card.model,
                        "uuid": card.uuid,
                        "serial": card.serial,
                        "memory_mib": card.memory_mib,
                        "measurements": dict(card.measurements),
                        "processes": len(card.processes),
                        "unfit": card.unfit,
                    }
                    for card in self.system.cards()
                    if card.pci in self.configuration.cards
                ]
            except Problem as problem:
                seen["cards"] = []
                complaints.append(str(problem))
        return seen

    def _shown(self, record: Record) -> dict[str, object]:
        return {
            "lease": record.lease,
            "epoch": record.epoch,
            "resource": record.resource,
            "account": record.account,
            "cards": list(record.cards),
            "ends_at": record.ends_at.isoformat(),
            "phase": record.phase,
            "keys": list(record.keys),
            "exists": self._account(record) is not None,
            "is_open": self.system.way_in(record.account) is not None,
            "has_cards": any(self._may_use(record, pci) for pci in record.cards),
            "processes": len(self.system.processes(record.uid)),
        }

    def _may_use(self, record: Record, pci: str) -> bool:
        users = self.system.users_of(pci)
        return users is None or record.uid in users

    # --- opening ------------------------------------------------------------------------------------

    def prepare(
        self, *, lease: str, epoch: int, resource: str, cards: tuple[str, ...], ends_at: datetime
    ) -> None:
        """Make the lease's account, locked, and take the cards for it; or take over a new end."""
        name = account_for(lease)
        with self._lock(name):
            with self._lock("cards"):
                record = self._claim(lease, epoch, resource, cards, ends_at)
            if self._account(record) is None:
                self.system.add_account(name, record.uid, comment_for(lease))
            if record.phase == OPEN:
                self._open(record)
            else:
                self._settle_all()
                self._note(record, phase=PREPARED)

    def open(self, *, lease: str, epoch: int, cards: tuple[str, ...], keys: tuple[str, ...]) -> None:
        """Let the holder in with these keys, and let the account use the cards."""
        self._refuse_rivals(lease, cards)
        with self._lock(account_for(lease)):
            record = self._mine(lease, epoch)
            if record is None or record.phase in (GONE, CLEANED) or self._account(record) is None:
                raise Unknown(f"Nothing was prepared for the lease {lease}: prepare it first.")
            if record.is_over(self.system.now()):
                raise Refused(f"The lease {lease} was over at {record.ends_at:%d %b %H:%M} UTC.")
            self._open(self._note(record, phase=OPEN, keys=keys))

    def _claim(
        self, lease: str, epoch: int, resource: str, cards: tuple[str, ...], ends_at: datetime
    ) -> Record:
        """Take the cards for the lease, or say why it cannot have them. Writes the lease's mark."""
        record = self._mine(lease, epoch)
        if epoch < self.ledger.last_epoch(resource):
            raise Busy(
                f"The order is of epoch {epoch}, but {resource} was handed on "
                f"in epoch {self.ledger.last_epoch(resource)}."
            )
        self._refuse_rivals(lease, cards)
        self._refuse_what_is_not_offered(cards)
        now = self.system.now()
        if record is None or record.phase == GONE:
            if self.system.account(account_for(lease)) is not None:
                raise Refused(
                    f"There is an account {account_for(lease)} already that SHARY did not make. "
                    "It is left alone; the host's operator has to rename or remove it."
                )
            self.ledger.forget_old(now)
            record = Record(
                lease=lease,
                epoch=epoch,
                resource=resource,
                account=account_for(lease),
                uid=self.ledger.next_uid(self.configuration.uids, self.system.is_used),
                cards=cards,
                ends_at=ends_at,
                phase=PREPARED,
                changed_at=now,
            )
            self.ledger.write(record)
        elif record.cards != cards:
            raise Refused(f"The lease {lease} has other cards on this host than the order says.")
        else:
            record = self._note(record, epoch=epoch, ends_at=ends_at, resource=resource)
        self.ledger.note_epoch(resource, epoch)
        return record

    def _open(self, record: Record) -> None:
        # Also the cards of others, which a restart of the driver may have opened to everybody.
        self._settle_all()
        try:
            self._try_the_doors(record)
        except Problem:
            self._settle((self._note(record, phase=CLOSED)).cards)
            self.system.lock_out(record.account)
            raise
        way = Way(keys=record.keys, until=record.ends_at)
        if self.system.way_in(record.account) != way:
            self.system.let_in(record.account, way)

    def _try_the_doors(self, record: Record) -> None:
        """Make sure that the account can open its own cards only, and nobody else those."""
        for pci in record.cards:
            if self.system.can_open(pci, None):
                raise Invalid(
                    f"Every account of {self.system.hostname()} can open the card at {pci}: "
                    "see docs/sites/ssh.md for the options of the driver."
                )
        for pci in self.configuration.cards:
            if pci not in record.cards and self.system.can_open(pci, record.uid):
                raise Invalid(
                    f"The account {record.account} can open the card at {pci} too, which is not its own."
                )

    # --- closing ------------------------------------------------------------------------------------

    def close(self, *, lease: str, epoch: int) -> None:
        """Let nobody in any more, end all that runs, and take the cards back from the account."""
        with self._lock(account_for(lease)):
            record = self._mine(lease, epoch)
            if record is not None and record.phase not in (CLEANED, GONE):
                self._close(record)

    def _close(self, record: Record) -> Record:
        record = self._note(record, phase=CLOSED)
        self._settle(record.cards)
        if self._account(record) is not None and self.system.way_in(record.account) is not None:
            self.system.lock_out(record.account)
        self.system.end_processes(record.account, record.uid)
        return record

    def clean(self, *, lease: str, epoch: int) -> None:
        """Remove the account and all that is its holder's."""
        with self._lock(account_for(lease)):
            record = self._mine(lease, epoch)
            if record is not None and record.phase != GONE:
                record = self._close(record)
                self.system.remove_traces(record.account, record.uid)
                if self._account(record) is not None:
                    self.system.remove_account(record.account)
                # Once more: what was about to start while its account went.
                self.system.end_processes(record.account, record.uid)
                self.system.remove_traces(record.account, record.uid)
                self._note(record, phase=CLEANED)
            else:
                self._settle_all()

    def prove(self, *, lease: str, epoch: int, cards: tuple[str, ...]) -> list[Check]:
        """Look for anything of the lease, and take its mark off when nothing is found."""
        record = self._mine(lease, epoch)
        self._refuse_rivals(lease, cards)
        checks = list(
            check_all(
                self.system,
                self.configuration,
                account=account_for(lease),
                uid=record.uid if record else None,
                cards=cards,
            )
        )
        if record is not None and record.phase == CLEANED and all(check.passed for check in checks):
            with self._lock(record.account):
                now = self._mine(lease, epoch)
                if now == record:
                    self._note(record, phase=GONE)
        return checks

    def sweep(self) -> list[str]:
        """Close what is over, and keep cards as they should be; return what went wrong.

        Runs on the host each minute, so that a lease ends and a restart heals though no worker comes.
        """
        problems = []
        for record in self.ledger.records():
            problems += self._sweep_one(record)
        try:
            self._settle_all()
        except Problem as problem:
            problems.append(str(problem))
        return problems

    def _sweep_one(self, record: Record) -> list[str]:
        try:
            with self._lock(record.account):
                current = self.ledger.find(record.account)
                if current is not None and self._is_due(current):
                    self._close(current)
        except Problem as problem:
            return [f"{record.account}: {problem}"]
        return []

    def _is_due(self, record: Record) -> bool:
        """Say whether the lease has to be closed: it is over, or something of a closed one runs still."""
        if record.phase in (PREPARED, OPEN):
            return record.is_over(self.system.now())
        return record.phase == CLOSED and bool(self.system.processes(record.uid))

    # --- underneath -----------------------------------------------------------------------------------

    @contextmanager
    def _lock(self, name: str) -> Iterator[None]:
        with self.ledger.lock(name, patience_s=_PATIENCE_S):
            yield

    def _mine(self, lease: str, epoch: int) -> Record | None:
        record = self.ledger.find(account_for(lease))
        if record is None:
            return None
        if record.lease != lease:
            raise Refused(f"The account {record.account} belongs to the lease {record.lease}.")
        if record.epoch > epoch:
            raise Busy(f"The lease {lease} is in epoch {record.epoch} here; this order, {epoch}, is stale.")
        return record

    def _account(self, record: Record) -> Account | None:
        """Return the lease's account; raise `Refused` when an account of that name is not ours."""
        found = self.system.account(record.account)
        if found is not None and (found.uid != record.uid or found.comment != comment_for(record.lease)):
            raise Refused(
                f"The account {record.account} with user id {found.uid} is not the one that SHARY made. "
                "It is left alone; the host's operator has to look at it."
            )
        return found

    def _note(self, record: Record, **changes: object) -> Record:
        if all(getattr(record, name) == value for name, value in changes.items()):
            return record
        record = replace(record, changed_at=self.system.now(), **changes)  # type: ignore[arg-type]
        self.ledger.write(record)
        return record

    def _refuse_rivals(self, lease: str, cards: tuple[str, ...]) -> None:
        for record in self.ledger.records():
            if record.lease != lease and record.holds_cards and record.has_one_of(cards):
                raise Busy(
                    f"{' and '.join(record.cards)} is taken by the lease {record.lease} "
                    f"of epoch {record.epoch}, {record.phase}."
                )

    def _refuse_what_is_not_offered(self, cards: tuple[str, ...]) -> None:
        there = self.system.card_places()
        for pci in cards:
            if pci not in self.configuration.cards:
                raise Invalid(
                    f"The host does not offer a card at {pci}. "
                    f"It offers: {', '.join(self.configuration.cards) or 'none'}."
                )
            if pci not in there:
                raise Invalid(f"The host has no card at {pci}. It has: {', '.join(there) or 'none'}.")
        obstacles = self.system.obstacles()
        if obstacles:
            raise Invalid(" ".join(obstacles))

    def _settle_all(self) -> None:
        there = self.system.card_places()
        self._settle(tuple(pci for pci in self.configuration.cards if pci in there))

    def _settle(self, cards: tuple[str, ...]) -> None:
        """Give each card to the account whose lease is open, and to nobody else."""
        with self._lock("nodes"):
            records = [record for record in self.ledger.records() if record.phase == OPEN]
            for pci in cards:
                wanted = frozenset(record.uid for record in records if pci in record.cards)
                if self.system.users_of(pci) != wanted:
                    self.system.give_card(pci, wanted)
