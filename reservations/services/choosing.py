"""Which resources meet an ask, and when: the calendar, handed to `scheduling` and back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from accounts.models import User
from reservations.errors import CannotBook, Reason, Window, WishRefusal
from reservations.policy import SEARCH_AHEAD
from reservations.selectors.availability import (
    HELD_BY_ANYBODY,
    Busy,
    HeldBy,
    Wanted,
    attributes_of,
    occupied_and_related,
    resources_that_could_do,
)
from reservations.selectors.links import neighbours_of, network_of
from reservations.services.asks import Ask
from reservations.services.windows import BookedWindow
from reservations.services.wiring import parted_refusals
from reservations.words import say_moment
from resources.models import Resource
from scheduling.asks import Ask as Wish
from scheduling.asks import Candidate, merged
from scheduling.intervals import can_carry
from scheduling.matching import Picks, choose
from scheduling.refusals import Shortfall, explain
from scheduling.windows import Slot, free_windows, nearest_windows
from scheduling.wiring import Network, Ties, choose_wired

NEAREST_SHOWN = 3
WIRED_LOOKED_AT = 200
"""How many windows are looked at for devices that are free and wired to each other."""


@dataclass(slots=True)
class Pool:
    """All resources that could meet some line of the asks, and when they are occupied."""

    asks: Sequence[Ask]
    resources: dict[str, Resource]
    busy: list[Busy]
    candidates: list[Candidate]
    taken: dict[str, list[tuple[int, int]]]
    ties: Ties = frozenset()
    network: Network | None = None
    """How the candidates are wired; None where nothing is asked of that."""

    @property
    def wishes(self) -> list[Wish]:
        """The asks in the words of `scheduling`."""
        return [_wish(ask) for ask in self.asks]

    def choose(self, window: BookedWindow) -> list[list[Resource]] | None:
        """Return the resources for each line of the asks, or None if they cannot be met in this window."""
        return self.choose_for(self.wishes, window)

    def choose_for(self, wishes: Sequence[Wish], window: BookedWindow) -> list[list[Resource]] | None:
        """Return the resources for each line of other wishes, or None if they cannot be met in this window."""
        return self.choose_among(self.free_in(window), wishes=wishes)

    def free_in(self, window: BookedWindow) -> list[Candidate]:
        """Return the candidates that are free in the window."""
        starts, ends = _seconds(window.starts_at), _seconds(window.ends_at)
        return [
            candidate
            for candidate in self.candidates
            if can_carry(candidate, self.taken, starts_at=starts, ends_at=ends)
        ]

    def choose_among(
        self, free: Sequence[Candidate], *, wishes: Sequence[Wish] | None = None
    ) -> list[list[Resource]] | None:
        """Return the resources for each line of the asks out of these, or None if they cannot be met."""
        picks = self._picks(self.wishes if wishes is None else wishes, free)
        return None if picks is None else [[self.resources[key] for key in line] for line in picks]

    def occupy(self, resource: Resource, window: BookedWindow) -> None:
        """Count the resource, and all that cannot be had together with it, as taken in the window."""
        starts = _seconds(window.starts_at) - resource.preparation_s
        ends = _seconds(window.ends_at) + resource.cleanup_s
        for candidate in self.candidates:
            if str(resource.pk) in candidate.excludes:
                taken = [*self.taken.get(candidate.id, ()), (starts, ends)]
                self.taken[candidate.id] = merged(taken)

    def _picks(self, wishes: Sequence[Wish], free: Sequence[Candidate]) -> Picks | None:
        if self.network is None:
            return choose(wishes, free)
        return choose_wired(wishes, free, self.network, self.ties)

    def _wired_windows(
        self, *, length: timedelta, earliest: datetime, latest: datetime, wanted_at: datetime, limit: int
    ) -> tuple[Window, ...]:
        """Return the windows, nearest to a moment, in which devices are free that can talk to each other.

        They begin, or end, where something comes free or is taken; the windows between are no better.
        """
        starts = {earliest, max(wanted_at, earliest)}
        for key, intervals in self.taken.items():
            device = self.resources[key]
            before, after = timedelta(seconds=device.preparation_s), timedelta(seconds=device.cleanup_s)
            for begins, ends in intervals:
                starts.add(datetime.fromtimestamp(ends, UTC) + before)
                starts.add(datetime.fromtimestamp(begins, UTC) - after - length)
        fitting = [start for start in starts if earliest <= start <= latest - length]
        kept: list[Window] = []
        for start in sorted(fitting, key=lambda start: (abs(start - wanted_at), start))[:WIRED_LOOKED_AT]:
            lines = self.choose(BookedWindow(start, start + length))
            if lines is not None:
                found = tuple(one.pk for line in lines for one in line)
                kept.append(Window(starts_at=start, ends_at=start + length, resources=found))
            if len(kept) == limit:
                break
        return tuple(kept)

    def windows(self, window: BookedWindow, *, now: datetime, latest: datetime) -> tuple[Window, ...]:
        """Return the windows of the same length, nearest to the one asked for, that would work."""
        if self.network is not None:
            return self._wired_windows(
                length=window.length,
                earliest=now,
                latest=latest,
                wanted_at=window.starts_at,
                limit=NEAREST_SHOWN,
            )
        slots = nearest_windows(
            self.wishes,
            self.candidates,
            self.taken,
            duration_s=int(window.length.total_seconds()),
            wanted_at=_seconds(window.starts_at),
            earliest=_seconds(now),
            latest=_seconds(latest),
        )
        return _windows(slots)

    def first_windows(
        self, *, duration: timedelta, earliest: datetime, latest: datetime, limit: int
    ) -> tuple[Window, ...]:
        """Return the earliest windows of a length that would work."""
        if self.network is not None:
            return self._wired_windows(
                length=duration, earliest=earliest, latest=latest, wanted_at=earliest, limit=limit
            )
        return self.first_windows_of(
            self.wishes, duration=duration, earliest=earliest, latest=latest, limit=limit
        )

    def first_windows_of(
        self, wishes: Sequence[Wish], *, duration: timedelta, earliest: datetime, latest: datetime, limit: int
    ) -> tuple[Window, ...]:
        """Return the earliest windows in which other wishes could be met by what is in the pool."""
        slots = free_windows(
            wishes,
            self.candidates,
            self.taken,
            duration_s=int(duration.total_seconds()),
            earliest=_seconds(earliest),
            latest=_seconds(latest),
            limit=limit,
        )
        return _windows(slots)

    def refusals(self, window: BookedWindow, *, zone: str) -> list[WishRefusal]:
        """Return why the asks cannot be met in this window; empty when nothing stands against them."""
        shortfalls = explain(
            self.wishes,
            self.candidates,
            self.taken,
            starts_at=_seconds(window.starts_at),
            ends_at=_seconds(window.ends_at),
        )
        refusals = [self._refusal(shortfall, window, zone) for shortfall in shortfalls]
        if self.network is not None and not refusals and self.choose(window) is None:
            refusals = self._unwired()
        return refusals

    def _unwired(self) -> list[WishRefusal]:
        """Return why devices that are free for each line do not do together."""
        named = [
            (place, self.resources[str(ask.resource)])
            for place, ask in enumerate(self.asks)
            if ask.is_named and str(ask.resource) in self.resources
        ]
        if len(named) == len(self.asks):
            return parted_refusals(named, self.ties)
        never = self._picks(self.wishes, self.candidates) is None
        told = [
            f"{device.name} is wired to {' and '.join(names)}."
            for _, device in named
            if (names := neighbours_of(device))
        ]
        way_out = "ask for others, or for a switch between them" if never else "choose another time"
        free = "" if never else " free then and"
        message = f"No devices that are{free} wired to each other meet all of this; {way_out}."
        return [
            WishRefusal(
                wish=None, reason="unconnected", message=" ".join([message, *told]).strip(), never=never
            )
        ]

    def _refusal(self, shortfall: Shortfall, window: BookedWindow, zone: str) -> WishRefusal:
        ask = self.asks[shortfall.ask]
        until = None if shortfall.until is None else datetime.fromtimestamp(shortfall.until, UTC)
        when = f" until {say_moment(until, zone)}" if until else ""
        resource = self.resources.get(shortfall.named or "")
        if resource is not None:
            reason, until = self._occupied_by(resource, window, until)
            when = f" until {say_moment(until, zone)}" if until else ""
            message = f"{resource} {_IS[reason]}{when}; {_WAY_OUT[reason]}."
            if shortfall.never:
                message = f"{resource} can never be had together with the rest of this ask."
            return WishRefusal(
                wish=shortfall.ask,
                reason=reason,
                message=message,
                resource=resource.pk,
                resource_name=str(resource),
                never=shortfall.never,
                until=until,
            )
        what = " ".join(word for word in (ask.model, ask.kind.replace("_", " ")) if word)
        where = f" at {ask.site}" if ask.site else ""
        there_are = f"there are {shortfall.found}{where}" if shortfall.found else f"there is none{where}"
        if shortfall.never:
            message = f"{shortfall.wanted} × {what} can never be had: {there_are}. Ask for fewer or for others."
        else:
            message = f"{shortfall.wanted} × {what} cannot be had then: {shortfall.found} free{where}"
            message += f", enough again{when.replace(' until', ' at')}." if until else "."
        return WishRefusal(
            wish=shortfall.ask, reason="not_enough", message=message, never=shortfall.never, until=until
        )

    def _occupied_by(
        self, resource: Resource, window: BookedWindow, until: datetime | None
    ) -> tuple[Reason, datetime | None]:
        """Return what keeps a device from being had in a window, and until when."""
        inside = [
            busy
            for busy in self.busy
            if busy.resource_id == resource.pk
            and busy.starts_at < window.ends_at + timedelta(seconds=resource.cleanup_s)
            and busy.ends_at > window.starts_at - timedelta(seconds=resource.preparation_s)
        ]
        if any(busy.is_maintenance for busy in inside):
            return "maintenance", until
        # Held until somebody has made up their mind, which is long before the end of the window that they want.
        if inside and all(busy.held_until is not None for busy in inside):
            return "held", max(busy.held_until for busy in inside if busy.held_until is not None)
        return "taken", until


_IS: dict[Reason, str] = {
    "maintenance": "is in maintenance",
    "held": "is held for somebody who is about to book it,",
    "taken": "is taken",
}
_WAY_OUT: dict[Reason, str] = {
    "maintenance": "choose another time or another device",
    "held": "look again then, or choose another time or another device",
    "taken": "choose another time or another device",
}


def pool_for(
    asks: Sequence[Ask],
    *,
    earliest: datetime,
    latest: datetime,
    ignoring: Sequence[UUID] = (),
    ties: Ties = frozenset(),
    held: HeldBy = HELD_BY_ANYBODY,
) -> Pool:
    """Return what could meet the asks, and when it is occupied between two moments.

    `ignoring` are leases that do not count, because they are the ones being changed; `held` says which holds do.
    """
    named = [ask.resource for ask in asks if ask.resource is not None]
    sorts = {_sort_of(ask): _wanted(ask) for ask in asks if not ask.is_named}.values()
    found = {resource.pk: resource for resource in resources_that_could_do(named, list(sorts))}
    busy, kin = occupied_and_related(found, earliest=earliest, latest=latest, ignoring=ignoring, held=held)
    taken: dict[str, list[tuple[int, int]]] = {}
    for entry in busy:
        taken.setdefault(str(entry.resource_id), []).append(
            (_seconds(entry.starts_at), -(-int(entry.ends_at.timestamp() * 1000) // 1000))
        )
    taken = {key: merged(intervals) for key, intervals in taken.items()}
    candidates = [
        Candidate(
            id=str(key),
            site=resource.site.slug,
            kind=resource.kind,
            model=resource.model,
            preparation_s=resource.preparation_s,
            cleanup_s=resource.cleanup_s,
            attributes=attributes_of(resource),
            excludes=frozenset(str(other) for other in kin[key]),
        )
        for key, resource in found.items()
    ]
    resources = {str(key): resource for key, resource in found.items()}
    return Pool(
        asks=asks,
        resources=resources,
        busy=busy,
        candidates=candidates,
        taken=taken,
        ties=ties,
        network=network_of(found.values()) if ties else None,
    )


def cannot_book(
    asks: Sequence[Ask],
    window: BookedWindow,
    *,
    now: datetime,
    zone: str,
    ignoring: Sequence[UUID] = (),
    ties: Ties = frozenset(),
    person: User | None = None,
) -> CannotBook:
    """Return the refusal of a window that is taken: why, until when, and what would work."""
    latest = max(window.starts_at, now) + max(SEARCH_AHEAD, 2 * window.length)
    held = HeldBy(now=now, by_others_than=person)
    pool = pool_for(asks, earliest=now, latest=latest, ignoring=ignoring, ties=ties, held=held)
    refusals = pool.refusals(window, zone=zone)
    if not refusals:
        # It was free again when we looked: the other booking was given up in between.
        refusals = [
            WishRefusal(
                wish=None,
                reason="taken",
                message="Somebody else was booking this at the same moment; try again.",
            )
        ]
    never = any(refusal.never for refusal in refusals)
    alternatives = () if never else pool.windows(window, now=now, latest=latest)[:NEAREST_SHOWN]
    return CannotBook(tuple(refusals), alternatives)


def _wish(ask: Ask) -> Wish:
    return Wish(
        count=ask.count,
        named=None if ask.resource is None else str(ask.resource),
        kind=ask.kind or None,
        model=ask.model or None,
        site=ask.site or None,
        same_site_as=ask.same_site_as,
        minimum=ask.minimum,
    )


def _wanted(ask: Ask) -> Wanted:
    return Wanted(kind=ask.kind, model=ask.model, site=ask.site, minimum=ask.minimum)


def _sort_of(ask: Ask) -> tuple[object, ...]:
    return ask.kind, ask.model, ask.site, tuple(sorted(ask.minimum.items()))


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def _windows(slots: Sequence[Slot]) -> tuple[Window, ...]:
    return tuple(
        Window(
            starts_at=datetime.fromtimestamp(slot.starts_at, UTC),
            ends_at=datetime.fromtimestamp(slot.ends_at, UTC),
            resources=tuple(UUID(key) for line in slot.picks for key in line),
        )
        for slot in slots
    )
