"""The wait list: whose wishes stand where."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts.models import User
from reservations.models import WaitingWish
from reservations.words import say_length


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


def words_of(wish: WaitingWish) -> str:
    """Return what is waited for, for people: “2 × L40S, 1 × p4 switch”."""
    return ", ".join(
        f"{line.get('count', 1)} × {line.get('model') or line['kind'].replace('_', ' ')}"
        if "kind" in line
        else str(line.get("name") or _("the very device"))
        for line in wish.lines
    )


def desk_wishes(person: User, *, now: datetime) -> list[WaitingWish]:
    """Return the person's open wishes as “My desk” shows them: place in line, words, and the offer."""
    wishes = list(wishes_of(person).filter(state__in=WaitingWish.OPEN))
    places = positions_of(wishes)
    for wish in wishes:
        shown: Any = wish
        shown.words = words_of(wish)
        shown.position = places.get(wish.pk)
        shown.length = say_length(wish.duration)
        kept = wish.hold if wish.state == WaitingWish.State.OFFERED else None
        shown.offer = kept if kept is not None and kept.is_open(now) else None
        shown.offered = ", ".join(str(held.resource) for held in kept.held.all()) if kept is not None else ""
    return wishes
