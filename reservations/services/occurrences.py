"""What each occurrence of a series would be, before anything is booked.

The calendar is asked once for the whole series, not once for each occurrence.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from django.utils.translation import gettext as _

from accounts.models import Project, User
from reservations.errors import Invalid, Window, WishRefusal
from reservations.selectors.availability import HeldBy
from reservations.services.asks import Ask
from reservations.services.booking import standing_refusal
from reservations.services.choosing import Pool, pool_for
from reservations.services.limits import Use, is_too_far, limit_refusals, use_of, with_booking
from reservations.services.patterns import Pattern
from reservations.services.windows import BookedWindow, check_length
from reservations.words import say_length, zone_of
from resources.models import Resource
from scheduling.asks import Candidate
from scheduling.recurrence import Occurrence
from scheduling.wiring import Ties

NEAREST_WITHIN = timedelta(days=7)
"""How far from an occurrence other times are looked for."""
NEAREST_SHOWN = 2
OTHERS_SHOWN = 5


class Outlook(StrEnum):
    """How things stand for an occurrence."""

    FREE = "free"
    KEPT = "kept"
    CONFLICT = "conflict"
    LIMIT = "limit"
    TOO_FAR = "too_far"
    IMPOSSIBLE = "impossible"
    PAST = "past"
    SKIPPED = "skipped"


BLOCKED = frozenset({Outlook.CONFLICT, Outlook.LIMIT, Outlook.TOO_FAR, Outlook.IMPOSSIBLE})
"""What somebody has to decide about before the series can be booked whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Otherwise:
    """What the person decided for one day: leave it out, another time, or other devices."""

    on: date
    skip: bool = False
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    devices: Mapping[int, UUID] = field(default_factory=dict)
    """By the place of the line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a series asks for, each time, and when."""

    pattern: Pattern
    asks: Sequence[Ask]
    ties: Ties = frozenset()
    same_devices: bool = True
    otherwise: Mapping[date, Otherwise] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Planned:
    """One occurrence, and how things stand for it."""

    on: date
    window: BookedWindow
    outlook: Outlook = Outlook.FREE
    moved: bool = False
    note: str = ""
    """What the clocks do to it."""
    asks: Sequence[Ask] = ()
    devices: list[tuple[int, Resource]] = field(default_factory=list)
    is_usual: bool = True
    """Whether it has the devices that the series has mostly."""
    refusals: list[WishRefusal] = field(default_factory=list)
    alternatives: tuple[Window, ...] = ()
    others: list[tuple[int, Resource]] = field(default_factory=list)
    """Devices like the one in the way that are free then, by the place of the line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """What does not count, because it is being changed."""

    leases: Sequence[UUID] = ()
    reservations: Sequence[UUID] = ()
    kept: frozenset[date] = frozenset()
    """Days whose reservations stay as they are."""
    over: frozenset[date] = frozenset()
    """Days that have had their reservation."""


def plan(
    wanted: Wanted,
    *,
    project: Project,
    person: User,
    now: datetime,
    ignored: Ignored | None = None,
) -> list[Planned]:
    """Return each occurrence with how things stand for it, in the order of their days. Books nothing."""
    ignored = ignored or Ignored()
    planned = [_begin(each, wanted, ignored, now) for each in wanted.pattern.occurrences()]
    open_ones = [each for each in planned if each.outlook == Outlook.FREE]
    if not open_ones:
        return planned
    held = HeldBy(now=now, by_others_than=person)
    pool = pool_for(
        _all_asks(wanted),
        earliest=min(each.window.starts_at for each in open_ones) - NEAREST_WITHIN,
        latest=max(each.window.ends_at for each in open_ones) + NEAREST_WITHIN,
        ignoring=ignored.leases,
        ties=wanted.ties,
        held=held,
    )
    _choose(open_ones, wanted, pool, project, ignored, now=now, zone=zone_of(person))
    _name_others([each for each in open_ones if each.outlook == Outlook.CONFLICT], wanted, held, ignored)
    return planned


def _begin(each: Occurrence, wanted: Wanted, ignored: Ignored, now: datetime) -> Planned:
    otherwise = wanted.otherwise.get(each.on)
    planned = Planned(
        on=each.on, window=BookedWindow(each.starts_at, each.ends_at), note=note_of(each, wanted.pattern)
    )
    if otherwise and otherwise.starts_at is not None and otherwise.ends_at is not None:
        planned.window = BookedWindow(otherwise.starts_at, otherwise.ends_at)
        planned.moved, planned.note = True, ""
    planned.asks = [
        replace(ask, resource=otherwise.devices[place], count=1)
        if otherwise and place in otherwise.devices
        else ask
        for place, ask in enumerate(wanted.asks)
    ]
    if otherwise and otherwise.skip:
        planned.outlook = Outlook.SKIPPED
    elif each.on in ignored.kept:
        planned.outlook = Outlook.KEPT
    elif each.on in ignored.over or planned.window.starts_at < now:
        planned.outlook = Outlook.PAST
    else:
        try:
            check_length(planned.window.starts_at, planned.window.ends_at)
        except Invalid as error:
            planned.outlook = Outlook.IMPOSSIBLE
            planned.refusals = [WishRefusal(wish=None, reason="policy", message=error.message, never=True)]
    return planned


def note_of(each: Occurrence, pattern: Pattern) -> str:
    """Return what the change of the clocks does to an occurrence; mostly nothing."""
    names = {"start": pattern.start, "end": pattern.end}
    words = []
    for name, change in (("start", each.start_change), ("end", each.end_change)):
        at = f"{names[name]:%H:%M}"
        if change == "skipped":
            words.append(
                _("%(at)s does not exist that day: the clocks go forward. The first moment after it is meant.")
                % {"at": at}
            )
        elif change == "twice":
            words.append(_("%(at)s comes twice that day: the clocks go back. The first is meant.") % {"at": at})
    if each.longer_s and not each.is_empty:
        by = say_length(timedelta(seconds=abs(each.longer_s)))
        words.append(
            _("The clocks change in it: it is %(by)s longer than usual.") % {"by": by}
            if each.longer_s > 0
            else _("The clocks change in it: it is %(by)s shorter than usual.") % {"by": by}
        )
    return " ".join(words)


def _all_asks(wanted: Wanted) -> list[Ask]:
    """Return the asks, and the devices that were chosen for single days."""
    named = {ask.resource for ask in wanted.asks}
    chosen = {key for each in wanted.otherwise.values() for key in each.devices.values()} - named
    return [*wanted.asks, *(Ask(resource=key) for key in sorted(chosen))]


def _choose(
    planned: Sequence[Planned],
    wanted: Wanted,
    pool: Pool,
    project: Project,
    ignored: Ignored,
    *,
    now: datetime,
    zone: str,
) -> None:
    named = {key for each in planned for ask in each.asks if (key := ask.resource) is not None}
    standing = {one.pk: one for one in Resource.objects.select_related("site").filter(pk__in=named)}
    usual = _usual(planned, wanted, pool) if wanted.same_devices else None
    use: Mapping[int | None, Use] = use_of(project, now=now, ignoring=ignored.reservations)
    for each in planned:
        mine = replace(pool, asks=each.asks)
        each.refusals = _standing_refusals(each, standing, now)
        free = mine.free_in(each.window)
        lines = _lines_of(usual, each.asks, free) or (None if each.refusals else mine.choose_among(free))
        if each.refusals or lines is None:
            each.outlook = Outlook.CONFLICT
            each.refusals = each.refusals or mine.refusals(each.window, zone=zone)
            earliest = max(now, each.window.starts_at - NEAREST_WITHIN)
            never = any(refusal.never for refusal in each.refusals)
            if not never:
                latest = each.window.ends_at + NEAREST_WITHIN
                found = mine.windows(each.window, now=earliest, latest=latest)
                each.alternatives = found[:NEAREST_SHOWN]
            continue
        each.devices = [(place, one) for place, line in enumerate(lines) for one in line]
        each.is_usual = usual is None or [[one.pk for one in line] for line in lines] == [
            [one.pk for one in line] for line in usual
        ]
        sites = [one.site for _, one in each.devices]
        each.refusals = limit_refusals(
            project=project, sites=sites, window=each.window, now=now, zone=zone, use=use
        )
        if each.refusals:
            too_far = is_too_far(project=project, sites=sites, window=each.window, now=now)
            each.outlook = Outlook.TOO_FAR if too_far and len(each.refusals) == 1 else Outlook.LIMIT
            continue
        use = with_booking(use, sites=sites, window=each.window)
        for _place, one in each.devices:
            pool.occupy(one, each.window)


def _standing_refusals(each: Planned, standing: Mapping[UUID, Resource], now: datetime) -> list[WishRefusal]:
    return [
        refusal
        for place, ask in enumerate(each.asks)
        if ask.resource is not None
        and (resource := standing.get(ask.resource)) is not None
        and (refusal := standing_refusal(place, resource, each.window, now=now)) is not None
    ]


def _usual(planned: Sequence[Planned], wanted: Wanted, pool: Pool) -> list[list[Resource]] | None:
    """Return devices that meet the asks and are free as often as possible."""
    if all(ask.is_named for ask in wanted.asks):
        return None
    mine = replace(pool, asks=wanted.asks)
    often = Counter(candidate.id for each in planned for candidate in mine.free_in(each.window))

    def lines_if_free(times: int) -> list[list[Resource]] | None:
        named = {str(ask.resource) for ask in wanted.asks}
        return mine.choose_among([one for one in mine.candidates if often[one.id] >= times or one.id in named])

    # More devices can only help, so that the greatest number that works is found by halving.
    low, high = 0, len(planned)
    best = lines_if_free(0)
    while best is not None and low < high:
        middle = (low + high + 1) // 2
        lines = lines_if_free(middle)
        if lines is None:
            high = middle - 1
        else:
            low, best = middle, lines
    return best


def _lines_of(
    usual: list[list[Resource]] | None, asks: Sequence[Ask], free: Sequence[Candidate]
) -> list[list[Resource]] | None:
    """Return the usual devices if all of them are free and wanted."""
    if usual is None:
        return None
    ids = {candidate.id for candidate in free}
    fits = all(
        str(one.pk) in ids and (ask.resource is None or ask.resource == one.pk)
        for ask, line in zip(asks, usual, strict=True)
        for one in line
    )
    return usual if fits else None


def _name_others(planned: Sequence[Planned], wanted: Wanted, held: HeldBy, ignored: Ignored) -> None:
    """Name devices of the same model that are free where a named one is not."""
    blocked = {
        (refusal.wish, refusal.resource)
        for each in planned
        for refusal in each.refusals
        if refusal.wish is not None and refusal.resource is not None
    }
    if not blocked or wanted.ties:
        return
    known = {one.pk: one for one in Resource.objects.filter(pk__in={resource for _, resource in blocked})}
    sorts = sorted({(one.kind, one.model) for one in known.values()})
    pool = pool_for(
        [Ask(kind=kind, model=model) for kind, model in sorts],
        earliest=min(each.window.starts_at for each in planned) - timedelta(days=1),
        latest=max(each.window.ends_at for each in planned) + timedelta(days=1),
        ignoring=ignored.leases,
        held=held,
    )
    for each in planned:
        asked = {ask.resource for ask in each.asks}
        free = [pool.resources[candidate.id] for candidate in pool.free_in(each.window)]
        for refusal in each.refusals:
            one = known.get(refusal.resource) if refusal.resource else None
            if one is None or refusal.wish is None:
                continue
            like = [
                other
                for other in free
                if (other.kind, other.model) == (one.kind, one.model) and other.pk not in asked
            ]
            like.sort(key=lambda other: (other.site_id != one.site_id, str(other)))
            each.others += [(refusal.wish, other) for other in like[:OTHERS_SHOWN]]
