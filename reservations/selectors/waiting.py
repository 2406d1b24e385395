"""The wait list: whose wishes stand where."""

from collections.abc import Sequence
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from accounts.models import User
from reservations.models import WaitingWish


def wishes_of(person: User) -> QuerySet[WaitingWish]:
    """Return the person's wishes with what is shown of them, the first in line first."""
    return (
        WaitingWish.objects.select_related("project", "hold")
        .prefetch_related("hold__held__resource__site")
        .filter(person=person)
        .order_by("queued_at", "pk")
    )


_POSITIONS = """
SELECT mine.id, count(other.id) + 1
FROM reservations_waitingwish mine
LEFT JOIN reservations_waitingwish other
  ON other.state = 'waiting' AND other.kinds && mine.kinds
 AND other.earliest < mine.latest AND other.latest > mine.earliest
 AND (other.queued_at, other.id) < (mine.queued_at, mine.id)
WHERE mine.id = ANY(%s) AND mine.state = 'waiting'
GROUP BY mine.id
"""


def positions_of(wishes: Sequence[WaitingWish]) -> dict[UUID, int]:
    """Return where each waiting wish stands among those that compete with it: 1 is next."""
    if not wishes:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_POSITIONS, [[wish.pk for wish in wishes]])
        return dict(cursor.fetchall())
