"""What the switch remembers: the one lease that has it, and the epochs seen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from adapters.linux_host.host.memory import locked, write_whole
from adapters.linux_host.host.problems import Unknown

CLAIMED, PREPARED, OPEN, CLOSED, CLEANED, GONE = "claimed", "prepared", "open", "closed", "cleaned", "gone"
"""`cleaned` until it was proven; `gone` is kept, so that it can be proven again."""


@dataclass(frozen=True)
class Record:
    """A lease as the switch remembers it, over crashes and restarts."""

    lease: str
    epoch: int
    account: str
    uid: int
    ends_at: datetime
    phase: str
    keys: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Say whether nobody else may have the switch."""
        return self.phase != GONE

    def is_over(self, now: datetime) -> bool:
        """Say whether its end has passed."""
        return self.ends_at <= now


class Ledger:
    """The switch's memory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def record(self) -> Record | None:
        """Return the last lease of the switch; raise `Unknown` when it cannot be read."""
        file = self._folder / "lease.json"
        if not file.exists():
            return None
        try:
            written = json.loads(file.read_text())
            return Record(
                lease=str(written["lease"]),
                epoch=int(written["epoch"]),
                account=str(written["account"]),
                uid=int(written["uid"]),
                ends_at=datetime.fromisoformat(written["ends_at"]),
                phase=str(written["phase"]),
                keys=tuple(str(key) for key in written["keys"]),
            )
        except (ValueError, TypeError, KeyError) as error:
            # What cannot be read is not absent: the switch stays taken until somebody has looked.
            raise Unknown(f"The record {file} cannot be read: {error}. Somebody has to look at it.") from error

    def write(self, record: Record) -> None:
        """Remember a lease as it is now."""
        values = asdict(record) | {"ends_at": record.ends_at.isoformat(), "keys": list(record.keys)}
        write_whole(self._folder / "lease.json", json.dumps(values, indent=1))

    def last_epoch(self) -> int:
        """Return the highest epoch seen."""
        file = self._folder / "epoch"
        if not file.exists():
            return 0
        try:
            return int(file.read_text())
        except ValueError as error:
            raise Unknown(f"{file} cannot be read: {error}. Move it away if no lease is running.") from error

    def note_epoch(self, epoch: int) -> None:
        """Remember an epoch, unless a higher one is known."""
        if epoch > self.last_epoch():
            write_whole(self._folder / "epoch", str(epoch))

    @contextmanager
    def lock(self, *, patience_s: float) -> Iterator[None]:
        """Let one request at a time do something."""
        with locked(self._folder / "lock", patience_s=patience_s):
            yield
