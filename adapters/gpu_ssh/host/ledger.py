"""The host's memory: a file for each lease, the epochs seen, the next user id. It survives anything."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path

from adapters.linux_host.host.memory import locked, write_whole
from adapters.linux_host.host.problems import Invalid, Unknown

from .lease import ACCOUNT, GONE, Record

_REMEMBERED = timedelta(days=90)


class Ledger:
    """What is known of all leases."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._leases = folder / "leases"

    # --- leases -----------------------------------------------------------------------------------

    def records(self) -> list[Record]:
        """Return every lease that is remembered."""
        if not self._leases.is_dir():
            return []
        return [_read(file) for file in sorted(self._leases.glob("*.json"))]

    def find(self, account: str) -> Record | None:
        """Return the lease with this account."""
        file = self._leases / f"{account}.json"
        return _read(file) if file.exists() else None

    def write(self, record: Record) -> None:
        """Remember a lease as it is now."""
        write_whole(self._leases / f"{record.account}.json", json.dumps(record.as_json(), indent=1))

    def forget_old(self, now: datetime) -> None:
        """Forget leases that are long gone."""
        for record in self.records():
            if record.phase == GONE and record.changed_at < now - _REMEMBERED:
                (self._leases / f"{record.account}.json").unlink()

    # --- numbers that never go back -----------------------------------------------------------------

    def last_epoch(self, resource: str) -> int:
        """Return the highest epoch seen for a resource."""
        found: int = self._epochs().get(resource, 0)
        return found

    def note_epoch(self, resource: str, epoch: int) -> None:
        """Remember an epoch, unless a higher one is known."""
        epochs = self._epochs()
        if epoch > epochs.get(resource, 0):
            epochs[resource] = epoch
            write_whole(self._folder / "epochs.json", json.dumps(epochs, indent=1))

    def next_uid(self, uids: range, is_used: Callable[[int], bool]) -> int:
        """Return a user id that was not given out for as long as the range allows.

        What a lease might have left behind can so never belong to the next one.
        """
        file = self._folder / "next-uid"
        text = file.read_text().strip() if file.exists() else ""
        first = int(text) if text.isdecimal() and int(text) in uids else uids.start
        known = {record.uid for record in self.records() if record.holds_cards}
        for uid in chain(range(first, uids.stop), range(uids.start, first)):
            if uid not in known and not is_used(uid):
                write_whole(file, str(uid + 1))
                return uid
        raise Invalid(f"All user ids from {uids.start} to {uids.stop - 1} are in use. Give a longer range.")

    def _epochs(self) -> dict[str, int]:
        file = self._folder / "epochs.json"
        if not file.exists():
            return {}
        try:
            written: dict[str, int] = json.loads(file.read_text())
            return {name: int(epoch) for name, epoch in written.items()}
        except (ValueError, AttributeError, TypeError) as error:
            raise Unknown(f"{file} cannot be read: {error}. Move it away if no lease is running.") from error

    # --- one at a time --------------------------------------------------------------------------------

    @contextmanager
    def lock(self, name: str, *, patience_s: float) -> Iterator[None]:
        """Hold the lock of this name; raise `Later` when another request does not let go of it."""
        with locked(self._folder / "locks" / name, patience_s=patience_s):
            yield


def _read(file: Path) -> Record:
    try:
        record = Record.from_json(json.loads(file.read_text()))
        if not ACCOUNT.fullmatch(record.account):
            raise ValueError(f"“{record.account}” is no account of ours")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        # What cannot be read is not absent: the card stays taken until somebody has looked.
        raise Unknown(f"The record {file} cannot be read: {error}. Somebody has to look at it.") from error
    return record
