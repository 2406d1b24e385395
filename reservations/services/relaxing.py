"""What to give up when nothing was found: each suggestion was searched for and found."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from reservations.errors import Window
from reservations.policy import SHORTEST_LEASE
from reservations.selectors.availability import HeldBy
from reservations.services.asks import Ask
from reservations.services.choosing import Pool, pool_for
from reservations.services.finding import MARGIN, SlotWish, first_windows, narrowed
from reservations.words import say_length
from resources.models import Resource
from scheduling.wiring import Ties

Change = Literal["same_site", "sites", "model", "least", "wires", "later", "shorter", "fewer", "device", "all"]

MOST_SHOWN = 6
LATER_BY = timedelta(days=28)


@dataclass(frozen=True, slots=True, kw_only=True)
class Relaxation:
    """A weaker wish that can be met, what was given up for it, and the first window."""

    change: Change
    words: str
    wish: SlotWish
    window: Window


def relaxations(wish: SlotWish, *, now: datetime) -> list[Relaxation]:
    """Return what to give up, one thing at a time; if no single thing helps, all that could be at once."""
    loose = _all_at_once(wish)
    # One look at everything that any weaker wish could use; the searches themselves ask the database nothing.
    pool = pool_for(
        loose.asks,
        earliest=wish.earliest - MARGIN,
        latest=loose.latest + MARGIN,
        ties=wish.ties,
        held=HeldBy(now=now, by_others_than=wish.person),
    )
    found = []
    for change, words, weaker in _weaker(wish):
        window = _first(pool, weaker, now=now)
        if window is not None:
            found.append(Relaxation(change=change, words=words, wish=weaker, window=window))
    found += _by_bisection(pool, wish, now=now)
    if not found and (window := _first(pool, loose, now=now)) is not None:
        words = _("Any model, at any site, within four weeks")
        found.append(Relaxation(change="all", words=words, wish=loose, window=window))
    return found[:MOST_SHOWN]


def _first(pool: Pool, wish: SlotWish, *, now: datetime) -> Window | None:
    usable = narrowed(pool, wish, now=now)
    if not wish.ties:
        usable = replace(usable, network=None)
    return next(iter(first_windows(usable, wish, limit=1)), None)


def _weaker(wish: SlotWish) -> Iterator[tuple[Change, str, SlotWish]]:
    if wish.latest < wish.earliest + LATER_BY:
        later = replace(wish, latest=max(wish.latest, wish.earliest + LATER_BY))
        yield "later", _("Later, within four weeks"), later
    if any(ask.same_site_as is not None for ask in wish.asks):
        apart = [replace(ask, same_site_as=None) for ask in wish.asks]
        yield "same_site", _("At different sites"), replace(wish, asks=apart)
    if wish.sites or wish.barred_sites or any(ask.site for ask in wish.asks):
        anywhere = [replace(ask, site="") for ask in wish.asks]
        yield (
            "sites",
            _("At any site"),
            replace(wish, asks=anywhere, sites=frozenset(), barred_sites=frozenset()),
        )
    if wish.ties:
        yield "wires", _("Without wires between them"), replace(wish, ties=frozenset())
    for place, ask in enumerate(wish.asks):
        if ask.model:
            words = _("Another model than %(model)s") % {"model": ask.model}
            yield "model", words, _with(wish, place, replace(ask, model=""))
        if ask.minimum:
            words = _("Without the least values for %(kind)s") % {"kind": _kind(ask)}
            yield "least", words, _with(wish, place, replace(ask, minimum={}))
        if ask.resource is not None:
            other = _another_like(ask)
            if other is not None:
                words = _("Another device of the same model")
                yield "device", words, _with(wish, place, other)


def _by_bisection(pool: Pool, wish: SlotWish, *, now: datetime) -> Iterator[Relaxation]:
    """Yield the longest window that is there, in quarters of what was asked, and the most devices of each line."""
    for quarters in (3, 2, 1):
        length = wish.duration * quarters // 4
        length -= timedelta(seconds=length.total_seconds() % 300)
        if length < SHORTEST_LEASE:
            break
        shorter = replace(wish, duration=length)
        if (window := _first(pool, shorter, now=now)) is not None:
            words = _("For %(length)s only") % {"length": say_length(length)}
            yield Relaxation(change="shorter", words=words, wish=shorter, window=window)
            break
    for place, ask in enumerate(wish.asks):
        for count in range(ask.count - 1, 0, -1):
            fewer = _with(wish, place, replace(ask, count=count))
            if (window := _first(pool, fewer, now=now)) is not None:
                words = ngettext("Only %(count)s × %(kind)s", "Only %(count)s × %(kind)s", count)
                words %= {"count": count, "kind": _kind(ask)}
                yield Relaxation(change="fewer", words=words, wish=fewer, window=window)
                break


def _all_at_once(wish: SlotWish) -> SlotWish:
    asks = []
    for ask in wish.asks:
        loose = ask if ask.resource is None else (_another_like(ask) or ask)
        if loose.resource is None:
            loose = replace(loose, model="", site="", minimum={}, same_site_as=None)
        asks.append(loose)
    ties: Ties = frozenset()
    return replace(
        wish,
        asks=asks,
        latest=max(wish.latest, wish.earliest + LATER_BY),
        sites=frozenset(),
        barred_sites=frozenset(),
        ties=ties,
    )


def _with(wish: SlotWish, place: int, ask: Ask) -> SlotWish:
    return replace(wish, asks=[*wish.asks[:place], ask, *wish.asks[place + 1 :]])


def _another_like(ask: Ask) -> Ask | None:
    named = None if ask.resource is None else Resource.objects.filter(pk=ask.resource).first()
    if named is None:
        return None
    return replace(ask, resource=None, kind=named.kind, model=named.model)


def _kind(ask: Ask) -> str:
    return ask.model or ask.kind.replace("_", " ")
