"""The verbs of the switch. Each may be asked any number of times, from any half-finished state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from adapters.linux_host.host.keys import Way
from adapters.linux_host.host.problems import Busy, Invalid, Later, Problem, Refused, Unknown

from .configuration import Configuration, Look
from .proof import Check, check_all
from .record import CLAIMED, CLEANED, CLOSED, GONE, OPEN, PREPARED, Ledger, Record
from .system import System

_PATIENCE_S = 20.0


class Switch:
    """One control processor with its tenants, its switch, and its memory of the lease."""

    def __init__(self, *, system: System, ledger: Ledger, configuration: Configuration) -> None:
        self.system = system
        self.ledger = ledger
        self.configuration = configuration

    # --- looks --------------------------------------------------------------------------------------

    def observe(self) -> dict[str, object]:
        """Return the lease on the switch, its tenants, and what is not as it should be."""
        record = self.ledger.record()
        complaints = self.system.obstacles()
        tenants = self.system.tenants()
        holder = record.account if record and record.phase == OPEN else None
        complaints += [
            f"{name} can enter without a lease."
            for name in sorted(tenants)
            if name != holder and not self.system.is_denied(name)
        ]
        return {
            "host": self.system.hostname(),
            "tenants": sorted(tenants),
            "complaints": complaints,
            "lease": self._shown(record) if record and record.holds else None,
        }

    def _shown(self, record: Record) -> dict[str, object]:
        name = record.account
        exists = self.system.tenants().get(name) == record.uid
        way = self.system.way_in(name)
        return {
            "lease": record.lease,
            "epoch": record.epoch,
            "account": name,
            "ends_at": record.ends_at.isoformat(),
            "phase": record.phase,
            "keys": list(way.keys) if way else [],
            "exists": exists,
            "is_open": exists and not self.system.is_denied(name),
            "has_keys": way is not None,
            "processes": len(self.system.processes([record.uid]).get(record.uid, ())),
            "programs": len(self.system.programs()),
        }

    # --- opening ------------------------------------------------------------------------------------

    def prepare(self, *, lease: str, epoch: int, account: str, ends_at: datetime) -> None:
        """Take the switch for the lease, empty it of everybody, with access still closed; or take a new end."""
        with self._lock():
            record = self._claim(lease, epoch, account, ends_at)
            if record.phase == OPEN:
                self._open(record)
                return
            self._keep_out(None)
            if record.phase == CLAIMED:
                self.system.end_programs()
                # At its first use nobody has proven yet what it carries beside what is looked at.
                self._restore(always=self.ledger.last_epoch() == 0)
            self._note(record, phase=PREPARED)
            self.ledger.note_epoch(epoch)

    def open(self, *, lease: str, epoch: int, keys: tuple[str, ...]) -> None:
        """Let the holder in with these keys, and nobody else."""
        with self._lock():
            record = self._mine(lease, epoch)
            if record is None or record.phase in (GONE, CLEANED, CLAIMED):
                raise Unknown(f"Nothing was prepared for the lease {lease}: prepare it first.")
            if record.is_over(self.system.now()):
                raise Refused(f"The lease {lease} was over at {record.ends_at:%d %b %H:%M} UTC.")
            self._uid_of(record.account)
            self._open(self._note(record, phase=OPEN, keys=keys))

    def _claim(self, lease: str, epoch: int, account: str, ends_at: datetime) -> Record:
        record = self._mine(lease, epoch)
        if epoch < self.ledger.last_epoch():
            raise Busy(
                f"The order is of epoch {epoch}, but the switch was handed on in epoch {self.ledger.last_epoch()}."
            )
        obstacles = self.system.obstacles()
        if obstacles:
            raise Invalid(" ".join(obstacles))
        uid = self._uid_of(account)
        if record is None or record.phase == GONE:
            record = Record(lease=lease, epoch=epoch, account=account, uid=uid, ends_at=ends_at, phase=CLAIMED)
            self.ledger.write(record)
            return record
        if (record.account, record.uid) != (account, uid):
            raise Refused(
                f"The lease {lease} has the account {record.account} on this switch, and the order says {account}. "
                "Change the accounts of a resource only while it is idle."
            )
        return self._note(record, epoch=epoch, ends_at=ends_at)

    def _open(self, record: Record) -> None:
        self._keep_out(record)
        way = Way(keys=record.keys, until=record.ends_at)
        if self.system.is_denied(record.account) or self.system.way_in(record.account) != way:
            self.system.let_in(record.account, way)

    # --- closing ------------------------------------------------------------------------------------

    def close(self, *, lease: str, epoch: int) -> None:
        """Let nobody in any more, end all that the tenant runs, and the control programs."""
        with self._lock():
            record = self._mine_or_nobodys(lease, epoch)
            if record is not None and record.phase not in (CLEANED, GONE):
                self._close(record)
            elif not self._is_anothers(lease):
                self._keep_out(None)

    def _close(self, record: Record) -> Record:
        record = self._note(record, phase=CLOSED)
        self._shut(record.account)
        self.system.end_processes(record.account, record.uid)
        # Also those of root: whoever reaches the port of one drives the switch.
        self.system.end_programs()
        return record

    def clean(self, *, lease: str, epoch: int) -> None:
        """Remove what the holder left, and load the known image again."""
        with self._lock():
            record = self._mine(lease, epoch)
            if record is None or record.phase == GONE:
                self._keep_out(None)
                self._restore(always=False)
                return
            record = self._close(record)
            self.system.remove_traces(record.account, record.uid)
            self._restore(always=True)
            self._keep_out(None)
            # Once more: what was about to start while the image was loaded.
            self.system.end_processes(record.account, record.uid)
            self.system.remove_traces(record.account, record.uid)
            self._note(record, phase=CLEANED)

    def prove(self, *, lease: str, epoch: int, account: str | None) -> list[Check]:
        """Look for anything of the lease, and take its mark off when nothing is found."""
        record = self._mine(lease, epoch)
        name = record.account if record else account
        checks = list(check_all(self.system, self.configuration, account=name))
        if record is not None and record.phase == CLEANED and all(check.passed for check in checks):
            with self._lock():
                if self._mine(lease, epoch) == record:
                    self._note(record, phase=GONE)
        return checks

    def sweep(self) -> list[str]:
        """Close what is over, and keep out whoever has no lease; return what went wrong.

        Runs on the switch each minute, so that a lease ends though no worker comes. It lets nobody in.
        """
        try:
            with self._lock():
                record = self.ledger.record()
                if record is not None and self._is_due(record):
                    record = self._close(record)
                self._keep_out(record if record and record.phase == OPEN else None)
        except Later:
            return []
        except Problem as problem:
            return [str(problem)]
        return self.system.obstacles()

    def _is_due(self, record: Record) -> bool:
        """Say whether the lease has to be closed: it is over, or something of a closed one runs still."""
        if record.phase in (CLAIMED, PREPARED, OPEN):
            return record.is_over(self.system.now())
        return record.phase == CLOSED and bool(self.system.processes([record.uid]).get(record.uid))

    # --- underneath -----------------------------------------------------------------------------------

    @contextmanager
    def _lock(self) -> Iterator[None]:
        with self.ledger.lock(patience_s=_PATIENCE_S):
            yield

    def _keep_out(self, holder: Record | None) -> None:
        """Deny every tenant but the holder, and end what they run."""
        tenants = self.system.tenants()
        name = holder.account if holder else None
        for tenant in sorted(tenants):
            if tenant != name:
                self._shut(tenant)
        others = {uid: tenant for tenant, uid in tenants.items() if tenant != name}
        for uid, words in self.system.processes(others.keys()).items():
            if words:
                self.system.end_processes(others[uid], uid)

    def _restore(self, *, always: bool) -> None:
        """Load the known image again; where nobody used the switch, only if it does not carry it."""
        if always or not all(self._is_as_expected(look) for look in self.configuration.looks):
            self.system.restore()

    def _is_as_expected(self, look: Look) -> bool:
        try:
            return self.system.look(look).strip() == look.expect.strip()
        except Problem:
            # What cannot be looked at, such as a daemon that does not run, is not the known image.
            return False

    def _shut(self, name: str) -> None:
        if not self.system.is_denied(name) or self.system.way_in(name) is not None:
            self.system.deny(name)

    def _uid_of(self, account: str) -> int:
        uid = self.system.tenants().get(account)
        if uid is None:
            raise Refused(
                f"There is no tenant “{account}” on {self.system.hostname()}: make the account there and put it "
                f"into the group {self.configuration.tenants}, or correct the accounts of the resource."
            )
        return uid

    def _mine(self, lease: str, epoch: int) -> Record | None:
        """Return the record of this lease; raise `Busy` when another lease has the switch."""
        record = self.ledger.record()
        if record is None:
            return None
        if record.lease != lease:
            if record.holds:
                raise Busy(
                    f"The switch is taken by the lease {record.lease} of epoch {record.epoch}, {record.phase}."
                )
            return None
        if record.epoch > epoch:
            raise Busy(f"The lease {lease} is in epoch {record.epoch} here; this order, {epoch}, is stale.")
        return record

    def _mine_or_nobodys(self, lease: str, epoch: int) -> Record | None:
        return None if self._is_anothers(lease) else self._mine(lease, epoch)

    def _is_anothers(self, lease: str) -> bool:
        record = self.ledger.record()
        return record is not None and record.holds and record.lease != lease

    def _note(self, record: Record, **changes: object) -> Record:
        changed = replace(record, **changes)  # type: ignore[arg-type]
        if changed != record:
            self.ledger.write(changed)
        return changed
