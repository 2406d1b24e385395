"""The one gate through which the status of a lease moves."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import models, transaction

from accounts.models import User
from reservations.models import Lease, LeaseEvent
from reservations.states import OVER, Status, is_legal


def move(
    *,
    lease_id: UUID,
    source: Status,
    to: Status,
    now: datetime,
    actor: User | None = None,
    reason: str = "",
    next_action_at: datetime | None = None,
    **facts: Any,
) -> bool:
    """Move one lease; return False, changing nothing, if it is no longer in `source`.

    `facts` are other fields of the lease, written in the same statement.
    """
    moved = move_many(
        lease_ids=[lease_id],
        source=source,
        to=to,
        now=now,
        actor=actor,
        reason=reason,
        next_action_at=next_action_at,
        **facts,
    )
    return bool(moved)


def move_many(
    *,
    lease_ids: Sequence[UUID],
    source: Status,
    to: Status,
    now: datetime,
    actor: User | None = None,
    reason: str = "",
    next_action_at: datetime | models.Expression | None = None,
    **facts: Any,
) -> list[UUID]:
    """Move leases that stand in `source` and write an event for each; return the ids of those moved."""
    if not is_legal(source, to):
        raise ValueError(f"A lease cannot move from {source} to {to}.")
    with transaction.atomic():
        standing = list(
            Lease.objects.select_for_update(of=("self",), no_key=True)
            .filter(pk__in=lease_ids, status=source)
            .order_by("pk")
            .values_list("pk", flat=True)
        )
        if standing:
            record_moves(standing, source=source, to=to, now=now, actor=actor, reason=reason)
            Lease.objects.filter(pk__in=standing).update(
                status=to, next_action_at=None if to in OVER else next_action_at, **facts
            )
    return standing


def record_moves(
    lease_ids: Iterable[UUID],
    *,
    source: Status | str,
    to: Status,
    now: datetime,
    actor: User | None,
    reason: str,
) -> None:
    """Write the event of a move, in the transaction of the move."""
    LeaseEvent.objects.bulk_create(
        LeaseEvent(lease_id=lease_id, at=now, actor=actor, source=source, to=to, reason=reason)
        for lease_id in lease_ids
    )
