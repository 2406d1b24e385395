"""What people should be told. Mail leaves from a package above this one, so that listens."""

from datetime import datetime

from django.dispatch import Signal

from accounts.models import User

told = Signal()
"""Sent with `to`, `key`, `subject`, `body` and `now`, in the transaction of what it tells of."""


def tell(to: User, *, key: str, subject: str, body: str, now: datetime) -> None:
    """Have somebody told; the same key is said once."""
    told.send(sender=User, to=to, key=key, subject=subject, body=body, now=now)
