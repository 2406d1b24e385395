"""Finding a slot: the windows in which a wish can be met, with what they cost and how quick they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal
from uuid import UUID

from django.utils.translation import gettext as _

from accounts.models import User
from reservations.errors import Window, WishRefusal
from reservations.selectors.availability import HeldBy
from reservations.services.asks import Ask
from reservations.services.choosing import Pool, pool_for
from reservations.services.windows import BookedWindow
from reservations.words import say_length, zone_of
from resources.models import Resource
from resources.pricing import UNKNOWN, Tariff, tariffs_of, total_credits
from scheduling.asks import Ask as PureAsk
from scheduling.asks import merged
from scheduling.variants import variants
from scheduling.wiring import Ties

Order = Literal["earliest", "cheapest", "fastest"]

STEP = timedelta(minutes=5)
"""Windows are looked for at starts that lie so far apart."""
MARGIN = timedelta(days=1)
"""Preparation and clean-up reach beyond the time that is searched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotWish:
    """What is looked for, and between when."""

    person: User
    asks: Sequence[Ask]
    duration: timedelta
    earliest: datetime
    latest: datetime
    ties: Ties = frozenset()
    sites: frozenset[str] = frozenset()
    """Only at these; empty: at any."""
    barred_sites: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One device of an answer."""

    line: int
    resource: Resource
    tariff: Tariff


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A window in which the wish can be met, and by which devices."""

    starts_at: datetime
    ends_at: datetime
    devices: tuple[Device, ...]

    @property
    def credits(self) -> Decimal | None:
        """What it costs in all; None if nobody has said so for one of its devices."""
        return total_credits([device.tariff for device in self.devices], self.ends_at - self.starts_at)

    @property
    def speed(self) -> Decimal | None:
        """How much its devices do together; None if it is unknown of all of them."""
        known = [device.tariff.speed for device in self.devices if device.tariff.speed is not None]
        return sum(known, Decimal(0)) if known else None


def pool_of(wish: SlotWish, *, now: datetime) -> Pool:
    """Return what could meet the wish, by the sites' own rules too."""
    pool = pool_for(
        wish.asks,
        earliest=wish.earliest - MARGIN,
        latest=wish.latest + MARGIN,
        ties=wish.ties,
        held=HeldBy(now=now, by_others_than=wish.person),
    )
    return narrowed(pool, wish, now=now)


def narrowed(pool: Pool, wish: SlotWish, *, now: datetime) -> Pool:
    """Leave out what the wish bars and what its sites would not lend for so long; close what is too far ahead."""
    named = {str(ask.resource) for ask in wish.asks if ask.resource is not None}
    taken = dict(pool.taken)
    candidates = []
    for candidate in pool.candidates:
        site = pool.resources[candidate.id].site
        if candidate.id not in named and (
            site.slug in wish.barred_sites or (wish.sites and site.slug not in wish.sites)
        ):
            continue
        if site.longest_lease is not None and site.longest_lease < wish.duration:
            continue
        if site.look_ahead is not None:
            # All windows are equally long, so that the last start is settled by the last moment that may be taken.
            last = now + site.look_ahead + wish.duration + timedelta(seconds=candidate.cleanup_s)
            closed = (int(last.timestamp()), int((wish.latest + 2 * MARGIN).timestamp()))
            taken[candidate.id] = merged([*taken.get(candidate.id, []), closed])
        candidates.append(candidate)
    return replace(pool, asks=wish.asks, ties=wish.ties, candidates=candidates, taken=taken)


def first_windows(pool: Pool, wish: SlotWish, *, limit: int) -> tuple[Window, ...]:
    """Return the earliest windows, whatever they cost."""
    if is_exact(wish):
        return _exact(pool, wish, pool.wishes)
    return pool.first_windows(duration=wish.duration, earliest=wish.earliest, latest=wish.latest, limit=limit)


def is_exact(wish: SlotWish) -> bool:
    """Whether there is no room to look around: then the window counts to the second."""
    return wish.latest - wish.earliest - wish.duration < STEP


def _exact(pool: Pool, wish: SlotWish, asks: Sequence[PureAsk]) -> tuple[Window, ...]:
    ends_at = wish.earliest + wish.duration
    lines = pool.choose_for(asks, BookedWindow(wish.earliest, ends_at))
    if lines is None:
        return ()
    keys = tuple(resource.pk for line in lines for resource in line)
    return (Window(starts_at=wish.earliest, ends_at=ends_at, resources=keys),)


def find_first(pool: Pool, wish: SlotWish, *, limit: int, now: datetime) -> list[Found]:
    """Return the earliest windows, whatever they cost."""
    windows = first_windows(pool, wish, limit=limit)
    tariffs = tariffs_of({key for window in windows for key in window.resources}, at=now)
    return [_found(pool, wish, window, tariffs) for window in windows]


def find(pool: Pool, wish: SlotWish, *, order: Order, limit: int, now: datetime) -> list[Found]:
    """Return the earliest window of each way to meet the wish that differs by site or model, ranked.

    What mixes sites and models for one line comes along where it is among the earliest.
    """
    windows = list(first_windows(pool, wish, limit=limit))
    if pool.network is None:
        for asks in variants(pool.wishes, pool.candidates):
            if is_exact(wish):
                windows += _exact(pool, wish, asks)
                continue
            windows += pool.first_windows_of(
                asks, duration=wish.duration, earliest=wish.earliest, latest=wish.latest, limit=1
            )
    distinct = list({(window.starts_at, frozenset(window.resources)): window for window in windows}.values())
    tariffs = tariffs_of({key for window in distinct for key in window.resources}, at=now)
    found = [_found(pool, wish, window, tariffs) for window in distinct]
    return sorted(_one_of_a_sort(found), key=_RANKS[order])[:limit]


def _found(pool: Pool, wish: SlotWish, window: Window, tariffs: Mapping[UUID, Tariff]) -> Found:
    lines = [line for line, ask in enumerate(wish.asks) for _ in range(ask.count)]
    return Found(
        starts_at=window.starts_at,
        ends_at=window.ends_at,
        devices=tuple(
            Device(line=line, resource=pool.resources[str(key)], tariff=tariffs.get(key, UNKNOWN))
            for line, key in zip(lines, window.resources, strict=True)
        ),
    )


_NO_PRICE, _NO_SPEED = Decimal("Infinity"), Decimal(0)


def _cost(found: Found) -> Decimal:
    return _NO_PRICE if found.credits is None else found.credits


def _earliest(found: Found) -> tuple[object, ...]:
    return found.starts_at, _cost(found), -(found.speed or _NO_SPEED)


def _cheapest(found: Found) -> tuple[object, ...]:
    return _cost(found), found.starts_at, -(found.speed or _NO_SPEED)


def _fastest(found: Found) -> tuple[object, ...]:
    return -(found.speed or _NO_SPEED), found.starts_at, _cost(found)


_RANKS = {"earliest": _earliest, "cheapest": _cheapest, "fastest": _fastest}


def _one_of_a_sort(found: Sequence[Found]) -> list[Found]:
    """Keep the earliest answer of those whose devices are of the same sites and models."""
    kept: dict[object, Found] = {}
    for one in sorted(found, key=lambda each: each.starts_at):
        sorts = sorted((each.line, each.resource.site.slug, each.resource.model) for each in one.devices)
        kept.setdefault(tuple(sorts), one)
    return list(kept.values())


def refusals_of(pool: Pool, wish: SlotWish) -> list[WishRefusal]:
    """Return why nothing was found: by the sites' rules, or because of what is taken or not there."""
    if rules := too_long_for(pool, wish):
        message = " ".join([*rules, _("Ask for a shorter time.")])
        return [WishRefusal(wish=None, reason="policy", message=message)]
    zone = zone_of(wish.person)
    return pool.refusals(BookedWindow(wish.earliest, wish.earliest + wish.duration), zone=zone)


def too_long_for(pool: Pool, wish: SlotWish) -> list[str]:
    """Return in words which sites would not lend for so long."""
    sites = {resource.site for resource in pool.resources.values()}
    return [
        _("%(site)s lends for at most %(length)s.")
        % {"site": site.name, "length": say_length(site.longest_lease)}
        for site in sorted(sites, key=lambda site: site.name)
        if site.longest_lease is not None and site.longest_lease < wish.duration
    ]
