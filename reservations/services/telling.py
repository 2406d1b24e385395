"""Sends on what the package of *who* wants people told."""

from datetime import datetime
from typing import Any

from accounts.models import User
from reservations.models import OutgoingMail
from reservations.services.engine.post import write


def pass_on(*, to: User, key: str, subject: str, body: str, now: datetime, **kwargs: Any) -> None:
    """Put it into the outbox; the same key is said once."""
    write(
        OutgoingMail(
            dedupe_key=f"who:{key}"[:200],
            to=to,
            template="account",
            subject=subject[:200],
            body=f"{body}\n",
            next_try_at=now,
        )
    )
