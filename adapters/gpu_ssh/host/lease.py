"""What the host keeps of a lease."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime

PREPARED, OPEN, CLOSED, CLEANED, GONE = "prepared", "open", "closed", "cleaned", "gone"
"""`cleaned` until it was proven; `gone` is kept for a while, so that it can be proven again."""

ACCOUNT = re.compile(r"shary-[0-9a-f]{12}")
LEASE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


def account_for(lease_id: str) -> str:
    """Return the one account that the lease can have; no request ever names an account."""
    return "shary-" + hashlib.sha256(lease_id.encode()).hexdigest()[:12]


def comment_for(lease_id: str) -> str:
    """Return the account's comment, by which it is known as ours even when the records are lost."""
    return f"SHARY lease {lease_id}"


@dataclass(frozen=True)
class Record:
    """A lease as the host remembers it, over crashes and restarts."""

    lease: str
    epoch: int
    resource: str
    account: str
    uid: int
    cards: tuple[str, ...]
    """PCI addresses."""
    ends_at: datetime
    phase: str
    changed_at: datetime
    keys: tuple[str, ...] = ()

    @property
    def holds_cards(self) -> bool:
        """Say whether nobody else may have the cards."""
        return self.phase != GONE

    def is_over(self, now: datetime) -> bool:
        """Say whether its end has passed."""
        return self.ends_at <= now

    def has_one_of(self, cards: tuple[str, ...]) -> bool:
        """Say whether it has one of these cards."""
        return not set(self.cards).isdisjoint(cards)

    def as_json(self) -> dict[str, object]:
        """Return what goes into its file."""
        return {
            "lease": self.lease,
            "epoch": self.epoch,
            "resource": self.resource,
            "account": self.account,
            "uid": self.uid,
            "cards": list(self.cards),
            "ends_at": self.ends_at.isoformat(),
            "phase": self.phase,
            "changed_at": self.changed_at.isoformat(),
            "keys": list(self.keys),
        }

    @classmethod
    def from_json(cls, written: dict[str, object]) -> Record:
        """Return the record of a file; raise ValueError, TypeError or KeyError when it is none."""
        cards, keys = written["cards"], written["keys"]
        if not isinstance(cards, list) or not isinstance(keys, list):
            raise TypeError("cards and keys are lists")
        return cls(
            lease=str(written["lease"]),
            epoch=int(str(written["epoch"])),
            resource=str(written["resource"]),
            account=str(written["account"]),
            uid=int(str(written["uid"])),
            cards=tuple(str(card) for card in cards),
            ends_at=datetime.fromisoformat(str(written["ends_at"])),
            phase=str(written["phase"]),
            changed_at=datetime.fromisoformat(str(written["changed_at"])),
            keys=tuple(str(key) for key in keys),
        )
